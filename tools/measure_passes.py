#!/usr/bin/env python3
"""Measures what the passes cost: on generated graphs of growing size, and on the public models. Linux only.

    tools/measure_passes.py [--binary FILE] [--most NODES] [--proof] [MODEL ..]

Without MODEL it makes graphs of 1,000, 10,000 and 100,000 nodes in a temporary folder: a chain, a wide
one, one constant that all nodes read, nodes that all go, equal nodes, constant nodes, bodies of If. For
each it prints the CPU seconds and the largest anonymous memory of
    onnxpress optimize GRAPH -o OUT --no-verify
and the microseconds a node: these stay the same where the cost is in proportion. It exits 1 where a node
of the largest graph costs more than 4 times one of the graph a tenth of its size. With MODEL (files, or
names of public models) it prints the seconds of each stage and pass that matter; --proof leaves the proof on.
Python is the venv that `tools/fetch.py venv` makes.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

from measure_io import CACHE, TARGET, measure

SIZES = (1_000, 10_000, 100_000)
GROWTH = 4
MAKE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "big_graphs.py")


def run(binary, model, out, proof=False):
    return measure([binary, "optimize", model, "-o", out] + ([] if proof else ["--no-verify"]))


def generated(binary, most):
    """Prints the table; returns what grows faster than the graph."""
    wrong = []
    print("%-10s %8s %10s %14s %10s" % ("graph", "nodes", "CPU s", "anonymous MB", "us a node"))
    with tempfile.TemporaryDirectory() as folder:
        python = os.path.join(CACHE, "venv", "bin", "python")
        sizes = [n for n in SIZES if n <= most]
        subprocess.run([python, MAKE, folder] + [str(n) for n in sizes], check=True)
        for kind in sorted({name.split("-")[0] for name in os.listdir(folder)}):
            last = None
            for nodes in sizes:
                model = os.path.join(folder, "%s-%d.onnx" % (kind, nodes))
                cpu, _, memory = run(binary, model, os.path.join(folder, "out.onnx"))
                each = cpu / nodes * 1e6
                print("%-10s %8d %10.3f %14.1f %10.1f" % (kind, nodes, cpu, memory / 1e6, each), flush=True)
                if nodes >= 100_000 and last is not None and each > GROWTH * last:
                    wrong.append("%s: %.1f us a node at %d, %.1f before" % (kind, each, nodes, last))
                last = each
    return wrong


def model_path(name):
    return name if os.path.exists(name) else os.path.join(CACHE, "models", name + ".onnx")


def models(binary, names, proof):
    print("%-22s %8s %14s  %s" % ("model", "CPU s", "anonymous MB", "seconds of stages and passes"))
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.onnx")
        for path in map(model_path, names):
            cpu, _, memory = run(binary, path, out, proof)
            command = [binary, "optimize", path, "-o", out, "--json"] + ([] if proof else ["--no-verify"])
            report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            parts = list(report["stages"].items()) + [(p["id"], p["seconds"]) for p in report["passes"]]
            slow = ["%s %.2f" % part for part in sorted(parts, key=lambda p: -p[1]) if part[1] >= 0.02]
            name = os.path.splitext(os.path.basename(path))[0]
            print("%-22s %8.2f %14.1f  %s" % (name, cpu, memory / 1e6, ", ".join(slow[:6])), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--binary", default=os.path.join(TARGET, "release", "onnxpress"))
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--proof", action="store_true")
    arguments = parser.parse_args()
    if not os.path.exists(arguments.binary):
        sys.exit("error: %s is missing: run `cargo build --release`" % arguments.binary)
    if arguments.models:
        models(arguments.binary, arguments.models, arguments.proof)
        return
    wrong = generated(arguments.binary, arguments.most)
    if wrong:
        sys.exit("not in proportion:\n  " + "\n  ".join(wrong))


if __name__ == "__main__":
    main()
