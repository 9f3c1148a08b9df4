#!/usr/bin/env python3
"""Times two models in turn: pairs.py FIRST SECOND PAIRS

Prints a JSON list with the seconds of thread CPU time of both in each pair. One run is as many inferences as take
10 ms, so that short ones can be measured.
"""
import json
import math
import sys
import time

import models

WARM_UPS, LEAST_SECONDS = 2, 0.01
SHAPE = {"batch": 1, "seq": 64}


def run_once(running, feeds, repeats):
    begin = time.thread_time()
    for _ in range(repeats):
        running.run(None, feeds)
    return (time.thread_time() - begin) / repeats


def pairs(paths, number):
    """Seconds of both in each pair; short runs are repeated until they can be measured."""
    sessions = [models.session(p) for p in paths]
    feeds, _ = models.runnable_feeds(sessions[0], **SHAPE)
    warm = [[run_once(s, feeds, 1) for s in sessions] for _ in range(WARM_UPS)][-1]
    repeats = max(1, math.ceil(LEAST_SECONDS / max(min(warm), 1e-6)))
    taken = []
    for n in range(number):
        order = (0, 1) if n % 2 == 0 else (1, 0)
        seconds = {i: run_once(sessions[i], feeds, repeats) for i in order}
        taken.append((seconds[0], seconds[1]))
    return taken


if __name__ == "__main__":
    print(json.dumps(pairs(sys.argv[1:3], int(sys.argv[3]))))
