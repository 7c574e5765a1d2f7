"""Celery on Redis: `bench.py enqueue|work|latency URL [name=number]…`, as `queue_bench` of plimsoll-jobs.

Late acknowledgement and no results: the nearest that it has to a job that is not lost when its worker dies.
"""
import json
import os
import subprocess
import sys
import threading
import time

import redis
from celery import Celery

URL = os.environ.get("BENCH_REDIS") or sys.argv[2]
app = Celery("bench", broker=URL)
app.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=100, worker_hijack_root_logger=False,
                broker_connection_retry_on_startup=True)
store = redis.Redis.from_url(URL.replace("redis+socket:", "unix:"), socket_timeout=None)


@app.task(name="noop")
def noop(n):
    store.incr("done")


@app.task(name="probe")
def probe(n):
    store.lpush("started", time.time())


def worker():
    command = [sys.executable, "-m", "celery", "-A", "bench", "worker", "--loglevel=error", "--concurrency=2", "--without-gossip",
               "--without-mingle", "--without-heartbeat"]
    here = os.path.dirname(os.path.abspath(__file__))
    return subprocess.Popen(command, cwd=here, env={**os.environ, "BENCH_REDIS": URL, "C_FORCE_ROOT": "1"}, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def stop(process):
    process.terminate()
    process.wait()


def main():
    task, settings = sys.argv[1], dict(a.split("=") for a in sys.argv[3:])
    total = int(settings.get("jobs", 2000))
    if task == "enqueue":
        started = time.monotonic()

        def client(count):
            with app.producer_pool.acquire(block=True) as producer:
                for n in range(count):
                    noop.apply_async((n,), producer=producer)

        clients = [threading.Thread(target=client, args=(total // 4,)) for _ in range(4)]
        [c.start() for c in clients]
        [c.join() for c in clients]
        print(json.dumps({"jobs": total // 4 * 4, "seconds": time.monotonic() - started}))
    elif task == "work":
        store.delete("done")
        process = worker()
        while int(store.get("done") or 0) == 0:
            time.sleep(0.01)
        # Its start takes seconds and is not what is compared.
        first, started = int(store.get("done")), time.monotonic()
        while (done := int(store.get("done") or 0)) < total:
            time.sleep(0.01)
        seconds = time.monotonic() - started
        stop(process)
        print(json.dumps({"jobs": done - first, "seconds": seconds}))
    else:
        if waiting := int(settings.get("waiting", 0)):
            for n in range(waiting):
                noop.apply_async((n,), countdown=3600)
        store.delete("started")
        process = worker()
        waits = []
        for n in range(total + 20):
            time.sleep(int(settings.get("gap_ms", 20)) / 1000)
            asked = time.time()
            probe.delay(n)
            start = float(store.brpop("started", timeout=60)[1])
            if n >= 20:
                waits.append((start - asked) * 1000)
        stop(process)
        waits.sort()
        at = lambda share: waits[min(len(waits) - 1, int(len(waits) * share))]
        print(json.dumps({"jobs": total, "p50_ms": at(0.5), "p99_ms": at(0.99)}))


if __name__ == "__main__":
    main()
