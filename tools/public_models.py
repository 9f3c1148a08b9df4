#!/usr/bin/env python3
"""Optimizes every public model and checks what the README promises of the results.

    tools/public_models.py [--binary FILE] [--ids ID,ID] [--keep DIR] [-- OPTION ..]

For each model of fixtures/models.tsv: `onnxpress optimize MODEL -o OUT --target onnx --json`, then
  * parity passed, judged by ONNX Runtime;
  * the output passes onnx.checker where the input does (the full check where the input passes that);
  * a second run on the model writes the same bytes;
  * a run on the output changes nothing: equal nodes, equal bytes;
  * inputs and outputs keep name, order and type;
  * the report counts nodes and bytes as the files have them.
Prints a table and every failure, and exits 1 when there is one. OPTIONs go to each `optimize`.
Needs `tools/fetch.py all`; runs itself in the venv.
"""
import argparse
import csv
import filecmp
import json
import os
import subprocess
import sys
import tempfile

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.abspath(os.environ.get("ONNXPRESS_FIXTURES") or os.path.join(PROJECT, "fixtures", "cache"))
VENV = os.path.join(CACHE, "venv")
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(PROJECT, "target")
JUDGE = "ONNX Runtime"
COLUMNS = "%-22s %6s -> %-6s %9s -> %-9s %7s %8s %10s  %s"


class Broken(Exception):
    """A run that gave no result."""


def optimize(binary, model, out, options, environment):
    """The JSON report of one run."""
    command = [binary, "optimize", model, "-o", out, "--target", "onnx", "--json"] + options
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env=environment)
    if done.returncode:
        raise Broken("exit %d: %s" % (done.returncode, done.stderr.strip()[-800:]))
    return json.loads(done.stdout)


def check_level(onnx, path):
    """2 when onnx's full check passes, 1 when only the plain one does, 0 when neither."""
    for level, full in ((2, True), (1, False)):
        try:
            onnx.checker.check_model(path, full_check=full)
            return level
        except Exception:  # the checker raises several unrelated kinds
            continue
    return 0


def signature(onnx, path):
    graph = onnx.load(path, load_external_data=False).graph
    return [[(v.name, v.type.SerializeToString(deterministic=True)) for v in values] for values in (graph.input, graph.output)]


def count_nodes(onnx, path):
    """Every NodeProto in the file: bodies and functions too."""
    def count(nodes):
        bodies = [g for n in nodes for a in n.attribute for g in [a.g] * a.HasField("g") + list(a.graphs)]
        return len(nodes) + sum(count(g.node) for g in bodies)
    model = onnx.load(path, load_external_data=False)
    return count(model.graph.node) + sum(count(f.node) for f in model.functions)


def examine(onnx, model, folder, run):
    """The first run's report, and everything that is wrong."""
    first, repeat, again = (os.path.join(folder, name) for name in ("first.onnx", "repeat.onnx", "again.onnx"))
    report, wrong = run(model, first), []
    parity = report["parity"]
    if parity["status"] != "passed":
        wrong.append("parity %s" % parity["status"])
    if not str(parity.get("runtime") or "").startswith(JUDGE):
        wrong.append("judged by %s, not by %s" % (parity.get("runtime"), JUDGE))
    if os.path.getsize(first) != report["bytes"]["after"]:
        wrong.append("the report says %d bytes, the file has %d" % (report["bytes"]["after"], os.path.getsize(first)))
    counts = {"before": count_nodes(onnx, model), "after": count_nodes(onnx, first)}
    if any(report["nodes"][k] != n for k, n in counts.items()):
        wrong.append("the report says %s nodes, the files have %s" % (report["nodes"], counts))
    before, after = check_level(onnx, model), check_level(onnx, first)
    if after < before:
        wrong.append("onnx.checker: level %d of 2 before, %d after" % (before, after))
    for what, a, b in zip(("inputs", "outputs"), signature(onnx, model), signature(onnx, first)):
        if a != b:
            wrong.append("%s changed: %s -> %s" % (what, [n for n, _ in a], [n for n, _ in b]))
    run(model, repeat)
    if not filecmp.cmp(first, repeat, shallow=False):
        wrong.append("two runs wrote different bytes")
    second = run(first, again)
    if second["nodes"]["before"] != second["nodes"]["after"]:
        wrong.append("a second optimize goes from %(before)d to %(after)d nodes" % second["nodes"])
    if not filecmp.cmp(first, again, shallow=False):
        wrong.append("a second optimize writes different bytes")
    return report, wrong


def print_row(model, report):
    nodes, size, largest = report["nodes"], report["bytes"], report["parity"].get("max_abs")
    print(COLUMNS % (model, nodes["before"], nodes["after"], "%.2f" % (size["before"] / 1e6),
                     "%.2f" % (size["after"] / 1e6), "%.2f" % report["seconds"],
                     "%.0f" % (report["peak_memory_bytes"] / 1e6), "-" if largest is None else "%.2g" % float(largest),
                     "%s, %s" % (report["parity"]["status"], report["parity"].get("runtime"))), flush=True)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=os.path.join(TARGET, "release", "onnxpress"))
    parser.add_argument("--ids", default="", help="only these models, joined by commas")
    parser.add_argument("--keep", help="leave the outputs in this folder")
    parser.add_argument("options", nargs="*", help="after `--`: more options of `onnxpress optimize`")
    return parser.parse_args()


def judge_environment():
    """The environment of each run: the fetched ONNX Runtime unless another is named."""
    environment = dict(os.environ)
    if "ORT_DYLIB_PATH" not in environment:
        folder = os.path.join(CACHE, "ort")
        found = sorted(n for n in os.listdir(folder) if n.startswith("libonnxruntime.") and not n.endswith(".part"))
        if not found:
            raise SystemExit("error: no ONNX Runtime in %s: run `tools/fetch.py ort`" % folder)
        environment["ORT_DYLIB_PATH"] = os.path.join(folder, found[-1])
    return environment


def main(onnx):
    arguments, environment, failures = read_arguments(), judge_environment(), []
    with open(os.path.join(PROJECT, "fixtures", "models.tsv"), encoding="utf-8", newline="") as f:
        ids = [row["id"] for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)]
    chosen = arguments.ids.split(",") if arguments.ids else ids
    if set(chosen) - set(ids):
        raise SystemExit("error: not in fixtures/models.tsv: %s" % ", ".join(sorted(set(chosen) - set(ids))))

    def run(model, out):
        return optimize(arguments.binary, model, out, arguments.options, environment)

    print(COLUMNS % ("model", "nodes", "", "MB", "", "s", "peak MB", "max abs", "parity"), flush=True)
    with tempfile.TemporaryDirectory(prefix="onnxpress-models-") as scratch:
        for model in chosen:
            folder = os.path.join(arguments.keep or scratch, model)
            os.makedirs(folder, exist_ok=True)
            try:
                report, wrong = examine(onnx, os.path.join(CACHE, "models", model + ".onnx"), folder, run)
                print_row(model, report)
            except (Broken, OSError, ValueError, KeyError, TypeError) as error:
                wrong = ["%s: %s" % (type(error).__name__, error)]
            failures += ["%s: %s" % (model, w) for w in wrong]
            for w in wrong:
                print("    FAILED %s" % w, flush=True)
    print("\n%d models, %d failures" % (len(chosen), len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    if os.path.realpath(sys.prefix) != os.path.realpath(VENV):
        python = os.path.join(VENV, "bin", "python")
        if not os.path.exists(python):
            sys.exit("error: %s is missing: run `tools/fetch.py all`" % python)
        os.execv(python, [python] + sys.argv)
    import onnx as onnx_module
    import onnx.checker
    sys.exit(main(onnx_module))
