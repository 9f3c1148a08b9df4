#!/usr/bin/env python3
"""Compares outputs: check.py MODEL RESULT ..

Runs all on the same made-up inputs at three shapes in ONNX Runtime, its own optimizations off, and prints one
line of JSON for each result: its verdict, and the largest difference over the largest output.
"""
import json
import sys

import numpy

from models import SHAPES, runnable_feeds, session

ALLOWED = 1e-2


def difference(expected, got):
    """The largest difference over the largest expected magnitude; infinite where shapes or NaNs differ."""
    if expected.shape != got.shape or expected.dtype != got.dtype:
        return float("inf")
    if expected.size == 0 or expected.dtype.kind not in "fiub":
        return 0.0 if numpy.array_equal(expected, got) else float("inf")
    expected, got = expected.astype("f8"), got.astype("f8")
    if not numpy.array_equal(numpy.isfinite(expected), numpy.isfinite(got)):
        return float("inf")
    finite = numpy.isfinite(expected)
    largest = numpy.abs(expected[finite]).max(initial=0)
    gap = numpy.abs(expected[finite] - got[finite]).max(initial=0)
    return float(gap / largest) if largest else float(gap)


def worst(expected, got):
    return max((difference(a, b) for a, b in zip(expected, got)), default=0.0)


def references(model):
    """Inputs and answers of the original, those at shapes that it refuses left out."""
    running, cases, failure = session(model, optimized=False), [], None
    for shape in SHAPES:
        try:
            cases.append(runnable_feeds(running, **shape))
        except Exception as error:
            failure = error
    if not cases:
        raise failure
    random = any(worst(answer, running.run(None, feeds)) > 0 for feeds, answer in cases)
    return [o.name for o in running.get_outputs()], cases, random


def check(path, names, cases, random):
    running = session(path, optimized=False)
    if [o.name for o in running.get_outputs()] != names:
        return {"verdict": "outputs renamed"}
    gap = max(worst(answer, running.run(names, feeds)) for feeds, answer in cases)
    if random:
        return {"verdict": "random", "shapes": len(cases)}
    return {"verdict": "same" if gap <= ALLOWED else "differs", "difference": gap, "shapes": len(cases)}


def main():
    names, cases, random = references(sys.argv[1])
    for path in sys.argv[2:]:
        try:
            result = check(path, names, cases, random)
        except Exception as error:
            result = {"verdict": "fails", "message": str(error)[:300]}
        print(json.dumps(dict(result, path=path)), flush=True)


if __name__ == "__main__":
    main()
