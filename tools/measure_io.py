#!/usr/bin/env python3
"""Measures reading and writing of large models: onnxpress against Python's onnx and cp. Linux only.

    tools/measure_io.py [--binary FILE] [--runs N] [MODEL ..]

Prints, for each model, the median CPU seconds (user + system, by the kernel's account), the median
wall seconds and the largest anonymous memory (RssAnon, polled each millisecond) of
    onnxpress optimize MODEL -o OUT -O0 --no-verify
    onnx.load + onnx.save   (interpreter start and imports subtracted from its CPU seconds)
    cp
and exits 1 unless onnxpress takes at most 1/5 of Python's CPU seconds, at most twice those of cp,
and less than 64 MB. Defaults: target/release/onnxpress, 5 runs, and the 0.4 and 1.9 GB models of
tools/big_models.py. Python is the venv that `tools/fetch.py venv` makes.
"""
import argparse
import filecmp
import os
import statistics
import subprocess
import sys
import tempfile
import time

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.environ.get("ONNXPRESS_FIXTURES") or os.path.join(PROJECT, "fixtures", "cache")
MODELS = [os.path.join(CACHE, "big", name + ".onnx") for name in ("big-400mb", "big-1900mb")]
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(PROJECT, "target")
LOAD_SAVE = """
import os, sys, onnx
print(sum(os.times()[:2]))
onnx.save(onnx.load(sys.argv[1]), sys.argv[2])
"""
PYTHON_SHARE, CP_TIMES, ANONYMOUS_MB = 5, 2, 64


def anonymous_bytes(pid):
    try:
        with open("/proc/%d/status" % pid, encoding="ascii") as f:
            for line in f:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def measure(command):
    """(CPU seconds, wall seconds, peak anonymous bytes) of one run; what it prints first is CPU to subtract."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin, peak, pid, status = time.monotonic(), 0, 0, 0
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        while not pid:
            peak = max(peak, anonymous_bytes(child.pid))
            time.sleep(0.001)
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        wall = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            err.seek(0)
            sys.exit("error: `%s` ended with %d:\n%s" % (" ".join(command[:2]), child.returncode,
                                                         err.read().decode(errors="replace").strip()))
        out.seek(0)
        start = float(out.read() or 0) if "-c" in command else 0.0
    return usage.ru_utime + usage.ru_stime - start, wall, peak


def contenders(binary, model, out):
    return {
        "onnxpress": [binary, "optimize", model, "-o", out, "-O0", "--no-verify"],
        "onnx.load + save": [os.path.join(CACHE, "venv", "bin", "python"), "-c", LOAD_SAVE, model, out],
        "cp": ["cp", model, out],
    }


def warm(path):
    with open(path, "rb") as f:
        while f.read(1 << 24):
            pass


def compare(binary, model, runs):
    """Prints one model's table; returns what is wrong with it."""
    print("\n%s, %.2f GB, median of %d" % (os.path.basename(model), os.path.getsize(model) / 1e9, runs))
    print("  %-18s %10s %10s %14s" % ("", "CPU s", "wall s", "anonymous MB"))
    cpu, memory, same = {}, {}, False
    warm(model)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(model)) as folder:
        out = os.path.join(folder, "out.onnx")
        for name, command in contenders(binary, model, out).items():
            results = []
            for _ in range(runs):
                if os.path.exists(out):
                    os.remove(out)
                results.append(measure(command))
            cpu[name], wall = (statistics.median(r[k] for r in results) for k in (0, 1))
            memory[name] = max(r[2] for r in results) / 1e6
            if name == "onnxpress":
                same = filecmp.cmp(model, out, shallow=False)
            print("  %-18s %10.3f %10.3f %14.1f" % (name, cpu[name], wall, memory[name]), flush=True)
    ours, python, cp = cpu["onnxpress"], cpu["onnx.load + save"], cpu["cp"]
    print("  CPU: 1/%.1f of Python's, %.2f times cp's; output %s" % (
        python / max(ours, 1e-9), ours / max(cp, 1e-9), "equal to the input, byte for byte" if same else "bytes differ from the input's"))
    checks = (("more than 1/%d of Python's CPU" % PYTHON_SHARE, ours * PYTHON_SHARE > python),
              ("more than %d times the CPU of cp" % CP_TIMES, ours > CP_TIMES * cp),
              ("not under %d MB" % ANONYMOUS_MB, memory["onnxpress"] >= ANONYMOUS_MB))
    return ["%s: %s" % (os.path.basename(model), text) for text, wrong in checks if wrong]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--binary", default=os.path.join(TARGET, "release", "onnxpress"))
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    python = os.path.join(CACHE, "venv", "bin", "python")
    for path, hint in [(arguments.binary, "cargo build --release"), (python, "tools/fetch.py venv")] + [
            (m, "tools/big_models.py") for m in arguments.models]:
        if not os.path.exists(path):
            sys.exit("error: %s is missing: run `%s`" % (path, hint))
    wrong = [w for m in arguments.models for w in compare(arguments.binary, m, arguments.runs)]
    print()
    if wrong:
        sys.exit("not reached:\n  " + "\n  ".join(wrong))
    print("all limits kept")


if __name__ == "__main__":
    main()
