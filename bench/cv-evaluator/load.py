"""The load: requests that arrive on a fixed schedule, whatever the answers take, and how long each took from when it was due."""
import asyncio
import collections
import json
import random
import sys
import time
import urllib.request

from model import CASE

CONNECTIONS = 128
# The server closes connections that were idle for longer than its own limit; a request must not meet one of those.
MAX_IDLE_S = 5
WARM_UP_S = 3
# Longest that accepted evaluations may take to be done once no more arrive.
PATIENCE_S = 60


class Load:
    """A client of one application; may run several times, one after the other."""

    def __init__(self, port, uploads):
        self.port, self.uploads = port, uploads
        self.idle = collections.deque()
        self.ids = []
        self.case = 0

    async def run(self, seconds, rate, evaluations, sample):
        """`rate` requests a second: `evaluations` of them ask for evaluations, the others poll results."""
        random.seed(1)
        figures = Figures()
        begin = time.monotonic()
        tasks = set()
        every = max(1, round(rate / evaluations))
        for number in range((WARM_UP_S + seconds) * rate):
            due = begin + number / rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            counted = number >= WARM_UP_S * rate
            evaluates = number % every == 0 or not self.ids
            task = asyncio.create_task(self.one(due, evaluates, figures if counted else Figures(), figures))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            if number % rate == 0:
                if number == WARM_UP_S * rate:
                    figures.begun = time.monotonic()
                sample(counted)
            if not self.ids:
                await task
        await asyncio.gather(*tasks)
        figures.seconds = time.monotonic() - figures.begun
        return figures

    async def one(self, due, evaluates, figures, totals):
        try:
            if evaluates:
                self.case += 1
                case = str(self.case)
                body = json.dumps(self.uploads | {"job_description": f"{CASE}{case} Build services in Rust."}).encode()
                status, content = await self.request("POST", "/v1/evaluate", body)
                good = status == 202
                if good:
                    figures.accepted[case] = time.monotonic()
                    self.ids.append(json.loads(content)["id"])
                    totals.ids.append(self.ids[-1])
            else:
                status, _ = await self.request("GET", f"/v1/result/{random.choice(self.ids[-500:])}")
                good = status == 200
        except (OSError, asyncio.IncompleteReadError, IndexError, ValueError):
            good, status = False, sys.exc_info()[0].__name__
        if good:
            figures.latencies["evaluate" if evaluates else "poll"].append(time.monotonic() - due)
        else:
            totals.wrong[str(status)] += 1

    async def request(self, method, path, body=b""):
        while self.idle and time.monotonic() - self.idle[0][2] > MAX_IDLE_S:
            self.idle.popleft()[1].close()
        reader, writer, _ = self.idle.pop() if self.idle else (*await asyncio.open_connection("127.0.0.1", self.port), 0)
        head = f"{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        content = await reader.readexactly(length)
        if len(self.idle) < CONNECTIONS:
            self.idle.append((reader, writer, time.monotonic()))
        else:
            writer.close()
        return int(answer.split(b" ", 2)[1]), content

    async def drain(self, figures):
        """Waits until what this run had accepted is done. What failed or stayed undone is wrong."""
        until = time.monotonic() + PATIENCE_S
        for identity in figures.ids:
            while True:
                _, content = await self.request("GET", f"/v1/result/{identity}")
                status = json.loads(content)["status"]
                if status in ("completed", "failed") or time.monotonic() > until:
                    break
                await asyncio.sleep(0.05)
            if status == "completed":
                figures.completed += 1
            else:
                figures.wrong[f"evaluation {status}"] += 1
        figures.drained_s = max(0.0, time.monotonic() - figures.begun - figures.seconds)


class Figures:
    """Of one run."""

    def __init__(self):
        self.latencies = {"poll": [], "evaluate": []}
        self.accepted = {}
        self.ids = []
        self.wrong = collections.Counter()
        self.completed = 0
        self.begun = self.seconds = self.drained_s = 0.0

    def api_s(self):
        return self.latencies["poll"] + self.latencies["evaluate"]

    def starts_s(self, model):
        return [model.first_asked[case] - at for case, at in self.accepted.items() if case in model.first_asked]


async def ready(port):
    for _ in range(600):
        try:
            answer = await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/readyz", None, 2)
            if answer.status == 200:
                return
        except OSError:
            await asyncio.sleep(0.1)
    sys.exit("the application did not become ready")


def upload(port, samples):
    mark = "----bench"
    parts = [("cv", "sample-cv.txt"), ("project", "sample-project.txt")]
    body = b"".join(
        f'--{mark}\r\ncontent-disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
        + (samples / name).read_bytes()
        + b"\r\n"
        for field, name in parts
    )
    headers = {"content-type": f"multipart/form-data; boundary={mark}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/upload", body + f"--{mark}--\r\n".encode(), headers)
    return json.loads(urllib.request.urlopen(request, timeout=10).read())
