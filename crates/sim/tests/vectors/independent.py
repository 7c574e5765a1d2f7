#!/usr/bin/env python3
"""A second simulator, for request-by-request comparison with plimsoll-sim: one event at a time, shares no code, HPA from the
documents of Kubernetes. Prints tests/vectors/independent.json:

    python3 crates/sim/tests/vectors/independent.py > crates/sim/tests/vectors/independent.json
"""

import heapq
import itertools
import json
import math
import random
from collections import deque

SLOTS, MOST, TARGET_PCT, TOLERANCE = 4, 20, 70, 0.1
HOLD_S, CPU_INITIALIZATION_S, READINESS_DELAY_S = 300, 300, 30
# At the same moment: who is done goes first, who arrives comes last.
DONE, READY, SCRAPE, SYNC, ARRIVAL = range(5)


class Pod:
    def __init__(self, requested, ready):
        self.requested, self.ready, self.up, self.leaving, self.gone = requested, ready, False, False, None
        self.served, self.open = [], 0

    def busy(self, start, end):
        return sum(max(0, min(stop, end) - max(begin, start)) for begin, stop in self.served)


def simulate(requests, replicas, startup, control):
    """Waits in order of arrival, decisions as (second, from, to), seconds paid for."""
    events, pods, queue, free = [], [], deque(), []
    waits, decisions = [None] * len(requests), []
    usage, recommended, added, order = {}, deque(), [], itertools.count()

    def at(second, kind, what=None):
        heapq.heappush(events, (second, kind, next(order), what))

    def add(second, delay):
        pods.append(Pod(second, second + delay))
        at(second + delay, READY, pods[-1])

    def start(index, second):
        pod = pods[heapq.heappop(free)[1]]
        end = second + requests[index][1]
        waits[index] = second - requests[index][0]
        pod.served.append((second, end))
        pod.open += 1
        at(end, DONE, pod)

    def desired(second, alive):
        """autoscaling/v2 on CPU, before limits of rate; `None` without a metric of a ready pod."""
        ready, unready = [], []
        for pod in alive:
            if pod not in usage:
                continue
            measured, is_ready = usage[pod][1], pod.ready <= second
            since = pod.ready if is_ready else pod.requested
            if second < pod.requested + CPU_INITIALIZATION_S:
                is_late = not is_ready or measured < since + control["window_s"]
            else:
                is_late = not is_ready and pod.requested + READINESS_DELAY_S > since
            (unready if is_late else ready).append(pod)
        missing = [pod for pod in alive if pod not in usage]
        if not ready:
            return None
        values = {pod: usage[pod][0] for pod in ready}
        ratio = share(values)
        if not missing and not (unready and ratio > 1):
            return len(alive) if abs(ratio - 1) <= TOLERANCE else up(ratio * len(ready))
        for pod in missing:
            values[pod] = 1000 if ratio < 1 else 0
        if ratio > 1:
            values.update((pod, 0) for pod in unready)
        again = share(values)
        if abs(again - 1) <= TOLERANCE or (ratio < 1) != (again < 1):
            return len(alive)
        wanted = up(again * len(values))
        return len(alive) if (again < 1) != (wanted < len(alive)) else wanted

    def share(values):
        return sum(values.values()) * 100 // (1000 * len(values)) / TARGET_PCT

    def up(value):
        return math.ceil(value - 1e-9)

    def decide(second):
        alive = [pod for pod in pods if not pod.leaving]
        now = len(alive)
        if not recommended:
            recommended.append((second, now))
        wanted = desired(second, alive)
        if wanted is None:
            return
        recommended.append((second, wanted))
        while recommended[0][0] < second - HOLD_S:
            recommended.popleft()
        if wanted < now:
            wanted = min(now, max(count for _, count in recommended))
        before = now - sum(count for when, count in added if when > second - 15)
        wanted = max(1, min(wanted, MOST, max(now, before + 4, before * 2)))
        if wanted == now:
            return
        decisions.append((second, now, wanted))
        if wanted > now:
            added.append((second, wanted - now))
            for _ in range(wanted - now):
                add(second, startup)
        # Those that are starting go first, then the one that became ready last.
        alive.sort(key=lambda pod: (not pod.up, pod.ready if pod.up else pod.requested), reverse=True)
        for pod in alive[: max(0, now - wanted)]:
            pod.leaving = True
            pod.gone = second if pod.open == 0 else None
            free[:] = [slot for slot in free if pods[slot[1]] is not pod]
        heapq.heapify(free)

    for _ in range(replicas):
        add(0.0, 0.0)
    for index, (arrival, _) in enumerate(requests):
        at(arrival, ARRIVAL, index)
    if control:
        at(control["scrape"]["phase_s"], SCRAPE)
        at(control["sync"]["phase_s"], SYNC)
    end = requests[-1][0]
    while events:
        second, kind, _, what = heapq.heappop(events)
        if None not in waits:
            end = max(end, max(wait + request[0] for wait, request in zip(waits, requests)))
            if second > end and kind != DONE:
                continue
        if kind == ARRIVAL:
            queue.append(what)
        elif kind == DONE:
            what.open -= 1
            if what.leaving and what.open == 0:
                what.gone = second
            if not what.leaving:
                heapq.heappush(free, (second, pods.index(what)))
        elif kind == READY and not what.leaving:
            what.up = True
            for _ in range(SLOTS):
                heapq.heappush(free, (second, pods.index(what)))
        elif kind == SCRAPE:
            usage = {
                pod: (round(pod.busy(second - control["window_s"], second) * 1000 / seen / SLOTS), second)
                for pod in pods
                if not pod.leaving and (seen := min(control["window_s"], second - pod.requested)) > 0
            }
            at(second + control["scrape"]["period_s"], SCRAPE)
        elif kind == SYNC:
            decide(second)
            at(second + control["sync"]["period_s"], SYNC)
        while queue and free:
            start(queue.popleft(), second)
    paid = sum(min(end, end if pod.gone is None else pod.gone) - pod.requested for pod in pods)
    return waits, decisions, paid


def trace(seed):
    """Steady, then a plateau, then a burst; the first arrival is not at zero."""
    draw = random.Random(seed)
    second, requests = 0.0, []
    while second < 900:
        rate = 0.7 + (2.4 if 100 < second < 250 else 0) + (8 if 350 < second < 370 else 0)
        second = round(second + draw.expovariate(rate), 3)
        requests.append((second, round(0.05 + draw.expovariate(0.5), 3)))
    return requests


def clocks(window, scrape_phase, sync_phase):
    every = lambda phase: {"period_s": 15.0, "phase_s": phase}
    return {"window_s": window, "scrape": every(scrape_phase), "sync": every(sync_phase)}


def main():
    cases = []
    for name, seed, replicas, startup, control in [
        ("three instances", 1, 3, 20.0, None),
        ("stock clocks", 2, 2, 20.0, clocks(15.0, 15.0, 7.5)),
        ("an old picture", 3, 2, 45.0, clocks(60.0, 4.0, 10.0)),
    ]:
        requests = trace(seed)
        waits, decisions, paid = simulate(requests, replicas, startup, control)
        cases.append({
            "name": name, "slots": SLOTS, "replicas": replicas, "startup_s": startup, "control": control,
            "requests": requests, "waits_s": [round(wait, 6) for wait in waits],
            "decisions": decisions, "replica_s": round(paid, 3),
        })  # fmt: skip
    print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")


if __name__ == "__main__":
    main()
