#!/usr/bin/env python3
"""Runs the other optimizers and onnxpress over models, each in a process of its own, and tabulates what they give.

    tools/peers/compare.py WORK [--onnxpress BINARY] [--only NAME,..] [--tools TOOL,..] [--again]
                           [FOLDER ..]

FOLDER holds models (WORK/models when none is given). For each model and tool: nodes, CPU seconds, peak memory, bytes,
and whether ONNX Runtime answers as on the original. WORK/results.json holds all of it and WORK/table.md the
tables, rewritten after each model. A result is kept with its file in WORK/kept by (tool, version, model sha256)
and not measured again; a new onnxpress binary is a new version. Needs `install.py WORK peers`; runs itself there.
"""
import argparse
import fcntl
import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version

import venvs

venvs.enter("peers")

import models
import table
from keep import keep
from process import measure
from stored import Store, load_json, write_json

PACKAGES = {"onnxsim": "onnxsim", "onnxslim": "onnxslim", "onnxoptimizer": "onnxoptimizer",
            "onnxscript": "onnxscript", "onnxscript_rewriter": "onnxscript", "polygraphy": "polygraphy",
            "ort_basic": "onnxruntime", "ort_extended": "onnxruntime", "ort_all": "onnxruntime",
            "ort_transformers": "onnxruntime"}


class Tools:
    """The tools to run: their versions and command lines."""

    def __init__(self, chosen, binary):
        self.binary = binary
        self.versions = {t: version(p) for t, p in PACKAGES.items() if not chosen or t in chosen}
        for ours in table.OURS if binary else ():
            if not chosen or ours in chosen:
                self.versions[ours] = models.sha256(binary)[:16]

    def command(self, tool, model, out):
        if tool in table.OURS:
            return [self.binary, "optimize", model, "-o", out, "--target", table.OURS[tool], "--no-verify"]
        if tool == "polygraphy":
            program = os.path.join(os.path.dirname(sys.executable), "polygraphy")
            return [program, "surgeon", "sanitize", model, "--fold-constants", "--cleanup", "-o", out]
        return [sys.executable, os.path.join(venvs.HERE, "run_tool.py"), tool, model, out]


def run_tool(tools, tool, model, out, timeout):
    result = measure(tools.command(tool, model, out), timeout, os.path.dirname(out), {"ORT_DISABLE_TELEMETRY": "1"})
    result["version"] = tools.versions[tool]
    last = result["tail"].rstrip().rpartition("\n")[2].split()
    if last[:1] == ["imports"]:
        result["imports"] = float(last[1])
    if result["status"] == "ok" and not os.path.exists(out):
        result["status"] = "no output"
    if result["status"] == "ok":
        result.update(models.describe(out), tail="")
    return result


def check(model, outputs, timeout):
    """The verdict on each output, by path."""
    command = [sys.executable, os.path.join(venvs.HERE, "check.py"), model] + outputs
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    verdicts = {v.pop("path"): v for v in lines}
    lost = {"verdict": "fails", "message": done.stderr.strip()[-300:]}
    return {path: verdicts.get(path, lost) for path in outputs}


def examine(model, tools, store, scratch, timeout, again):
    """Measures what is not stored yet (all of it `again` if so wanted), and returns the result of each tool."""
    results, fresh = {}, {}
    for tool, wanted in tools.versions.items():
        results[tool] = store.load(tool)
        if results[tool].get("version") == wanted and not again:
            continue
        out = os.path.join(scratch, tool + ".onnx")
        results[tool] = run_tool(tools, tool, model, out, timeout)
        if results[tool]["status"] == "ok":
            fresh[out] = tool
        elif results[tool]["status"] != "timeout":  # that may have been the machine's doing
            store.save(tool, results[tool])
    verdicts = check(model, list(fresh), timeout) if fresh else {}
    for out, tool in fresh.items():
        results[tool]["check"] = verdicts[out]
        keep(out, model, store.pool, store.path(tool, ".kept"))
        store.save(tool, results[tool])
    return results


def record(work, name, row):
    """Adds to results.json, and writes the tables anew; several runs may do so at once."""
    path = os.path.join(work, "results.json")
    with open(path + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        results = load_json(path)
        known = results.get(name, {})
        if known.get("sha256") == row["sha256"]:
            row["tools"] = dict(known["tools"], **row["tools"])
        results[name] = row
        write_json(path, results)
        with open(os.path.join(work, "table.md"), "w", encoding="utf-8") as f:
            f.write(table.render(results))


def find_models(folders, only):
    """Paths of the models by name, smallest first."""
    paths = [os.path.abspath(os.path.join(d, n)) for d in folders for n in os.listdir(d) if n.endswith(".onnx")]
    named = {os.path.basename(p)[:-len(".onnx")]: p for p in sorted(paths, key=os.path.getsize)}
    if set(only) - set(named):
        raise SystemExit("error: no such model: %s" % ", ".join(sorted(set(only) - set(named))))
    return {name: path for name, path in named.items() if not only or name in only}


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("folders", nargs="*", metavar="FOLDER")
    parser.add_argument("--onnxpress", metavar="BINARY")
    parser.add_argument("--only", default="", help="only these models, joined by commas")
    parser.add_argument("--tools", default="", help="of: %s" % ", ".join(list(PACKAGES) + list(table.OURS)))
    parser.add_argument("--again", action="store_true", help="measure anew what is stored")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for each run (default: 900)")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    work = os.path.abspath(arguments.work)
    chosen, only = (list(filter(None, s.split(","))) for s in (arguments.tools, arguments.only))
    tools = Tools(chosen, arguments.onnxpress and os.path.abspath(arguments.onnxpress))
    for name, model in find_models(arguments.folders or [os.path.join(work, "models")], only).items():
        sha = models.sha256(model)
        store = Store(work, name, sha)
        with tempfile.TemporaryDirectory(dir=work, prefix="run-") as scratch:
            found = examine(model, tools, store, scratch, arguments.timeout, arguments.again)
        record(work, name, dict(models.describe(model), sha256=sha, path=model, tools=found))
        nodes = ", ".join("%s %s" % (t, r.get("nodes", r["status"])) for t, r in found.items())
        print("%-22s %s" % (name, nodes), flush=True)


if __name__ == "__main__":
    main()
