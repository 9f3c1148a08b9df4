#!/usr/bin/env python3
"""Builds engines of the results that compare.py kept with TensorRT-RTX, and counts their layers.

    tools/peers/engines.py WORK --onnxpress BINARY [--only NAME,..]

For each model the original, the files of onnxsim and OnnxSlim, and ours for `--target tensorrt` (compare.py's
`onnxpress_trt`). Beside each stands what `onnxpress check --target tensorrt-rtx` said of the file beforehand: `missed`
where the compiler refuses and nothing was said, `false alarm` where it builds and a refusal was named. Dynamic dims take
the sizes at which check.py compares. WORK/engines.json holds all of it, WORK/engines.md the table. Needs
`install.py WORK rtx` and compare.py's run; runs itself in the venv of `install.py WORK peers`.
"""
import argparse
import json
import os
import subprocess
import tempfile

import venvs

venvs.enter("peers")

import models
import table
from keep import restore
from stored import Store, load_json, write_json

TOOLS = ("onnxsim", "onnxslim", "onnxpress_trt")
ORIGINAL = "original"
TAKEN, REFUSED = 0, 3
TIMEOUT_SECONDS = 900


def build(python, path, shapes):
    """What the compiler says, in a process of its own since it may crash."""
    command = [python, os.path.join(venvs.HERE, "build_engine.py"), path, json.dumps(shapes)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return {"built": False, "error": "no answer in %d s" % TIMEOUT_SECONDS}
    answers = [line for line in done.stdout.splitlines() if line.startswith('{"built"')]
    return json.loads(answers[-1]) if answers else {"built": False, "error": "the compiler crashed"}


def foretold(binary, path):
    """Whether `check` names a refusal."""
    command = [binary, "check", path, "--target", "tensorrt-rtx", "--json"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    if done.returncode not in (TAKEN, REFUSED):
        raise RuntimeError("check: exit %d: %s" % (done.returncode, done.stderr.strip()[-300:]))
    return done.returncode == REFUSED


def input_shapes(model):
    """Shapes of the first made-up inputs that the model runs on."""
    running, failure = models.session(model, optimized=False), None
    for choice in models.SHAPES:
        try:
            feeds, _ = models.runnable_feeds(running, **choice)
            return {name: list(value.shape) for name, value in feeds.items()}
        except Exception as error:  # ONNX Runtime raises several unrelated kinds
            failure = error
    raise failure


def examine(python, binary, model, row, store, scratch):
    shapes, found = input_shapes(model), {}
    for tool in (ORIGINAL,) + TOOLS:
        path = model
        if tool != ORIGINAL:
            if not table.usable(row["tools"].get(tool, {})):
                continue
            path = os.path.join(scratch, tool + ".onnx")
            restore(store.path(tool, ".kept"), model, store.pool, path)
        found[tool] = dict(build(python, path, shapes), refused=foretold(binary, path))
    return found


def verdict(result):
    if result is None:
        return "–"
    if result["built"]:
        return "%d%s" % (result["layers"], " (false alarm)" if result["refused"] else "")
    return "refused" if result["refused"] else "refused (missed)"


def render(engines):
    header = ["model", ORIGINAL] + list(TOOLS)
    rows = [[name] + [verdict(row.get(tool)) for tool in header[1:]] for name, row in sorted(engines.items())]
    return "# Layers of the engine\n\n" + table.markdown(header, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("--onnxpress", metavar="BINARY", required=True)
    parser.add_argument("--only", default="", help="only these models, joined by commas")
    arguments = parser.parse_args()
    work, only = os.path.abspath(arguments.work), list(filter(None, arguments.only.split(",")))
    binary, python = os.path.abspath(arguments.onnxpress), venvs.python_of(work, "rtx")
    results, path = load_json(os.path.join(work, "results.json")), os.path.join(work, "engines.json")
    engines = load_json(path)
    for name, row in sorted(results.items(), key=lambda item: item[1]["bytes"]):
        if only and name not in only:
            continue
        with tempfile.TemporaryDirectory(dir=work, prefix="engine-") as scratch:
            store = Store(work, name, row["sha256"])
            try:
                engines[name] = examine(python, binary, row["path"], row, store, scratch)
            except Exception as error:  # one model does not end the table
                print("%-22s failed: %s" % (name, error), flush=True)
                continue
        write_json(path, engines)
        with open(os.path.join(work, "engines.md"), "w", encoding="utf-8") as f:
            f.write(render(engines))
        print("%-22s %s" % (name, ", ".join("%s %s" % (t, verdict(r)) for t, r in engines[name].items())), flush=True)


if __name__ == "__main__":
    main()
