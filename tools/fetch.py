#!/usr/bin/env python3
"""Fetches what the demo and the tests need into fixtures/cache, checked by sha256.

    tools/fetch.py ort             ONNX Runtime's shared library, out of its wheel
    tools/fetch.py models [ID ..]  the models of fixtures/models.tsv (all when no id is given)
    tools/fetch.py venv            a virtual environment with fixtures/requirements.txt
    tools/fetch.py node-cases      the test cases of onnx.backend.test (makes the venv first)
    tools/fetch.py all             all of these

What is there already is left alone. Needs Python 3.9 with pip; venv and node-cases need
Python 3.10 or newer, because the pinned onnx does ($ONNXPRESS_PYTHON names another one).
$ONNXPRESS_FIXTURES names another folder than fixtures/cache.
"""
import argparse
import csv
import hashlib
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

from fetching import bert, effnet
from fetching.packages import Wheels, download, read_member, run
from fetching.store import Cache, Fail

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIXTURES = os.path.join(PROJECT, "fixtures")
REQUIREMENTS = os.path.join(FIXTURES, "requirements.txt")
BUILDERS = {"bert": bert.build, "effnet": effnet.build}
OLDEST_FOR_VENV = (3, 10)
PROBE = "import sys, venv, pip; print(sys.executable, *sys.version_info[:2], sep='\\n')"


def table(name):
    with open(os.path.join(FIXTURES, name), encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def say(what, how):
    print("%-20s %s" % (what, how), flush=True)


def fetch_ort(cache):
    here = "%s-%s" % (sys.platform, platform.machine())
    rows = table("onnxruntime.tsv")
    row = next((r for r in rows if r["platform"] == here), None)
    if row is None:
        raise Fail("no ONNX Runtime is pinned for %s, only for %s: add a row to fixtures/onnxruntime.tsv"
                   % (here, ", ".join(r["platform"] for r in rows)))
    wheel, library = "ort/" + row["wheel"], "ort/" + os.path.basename(row["library"])
    held = cache.holds(wheel, row["wheel_sha256"])
    if held and cache.holds(library, row["library_sha256"]):
        return say("onnxruntime", "already there")
    if not held:
        say("onnxruntime", "downloading %s" % row["version"])
        with tempfile.TemporaryDirectory(prefix="onnxpress-fetch-") as folder:
            got = download("onnxruntime", row["version"], folder, row["python"], row["tags"].split())
            with open(got, "rb") as f:
                cache.put(wheel, f.read(), row["wheel_sha256"])
    with zipfile.ZipFile(cache.path(wheel)) as archive:
        cache.put(library, read_member(archive, row["library"]), row["library_sha256"])
        for notice in ("LICENSE", "ThirdPartyNotices.txt"):
            text = read_member(archive, "onnxruntime/" + notice)
            cache.put("ort/" + notice, text, hashlib.sha256(text).hexdigest())
    say("onnxruntime", "ok, %s" % cache.path(library))


def fetch_models(cache, ids):
    rows = table("models.tsv")
    unknown = sorted(set(ids) - {r["id"] for r in rows})
    if unknown:
        raise Fail("not in fixtures/models.tsv: %s" % ", ".join(unknown))
    rows = [r for r in rows if not ids or r["id"] in ids]
    with Wheels() as wheels:
        for row in rows:
            name = "models/%s.onnx" % row["id"]
            if cache.holds(name, row["sha256"]):
                say(row["id"], "already there")
                continue
            archive = wheels.get(row["package"], row["version"])
            builder, colon, member = row["path"].partition(":")
            data = BUILDERS[builder](archive, member) if colon else read_member(archive, row["path"])
            cache.put(name, data, row["sha256"])
            say(row["id"], "ok, %d bytes" % len(data))


def newest_python():
    """The first Python at hand that is new enough and has venv and pip, as (path, version)."""
    names = [os.environ.get("ONNXPRESS_PYTHON"), sys.executable] + ["python3.%d" % n for n in range(14, 9, -1)]
    for name in filter(None, names):
        try:
            probe = subprocess.run([name, "-c", PROBE], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        except OSError:
            continue
        path, *version = probe.stdout.split("\n")[:3] if probe.returncode == 0 else ("", "0", "0")
        if tuple(map(int, version)) >= OLDEST_FOR_VENV:
            return path, ".".join(version)
    raise Fail("the pinned onnx needs Python %d.%d or newer with venv and pip; none was found "
               "(set ONNXPRESS_PYTHON to one)" % OLDEST_FOR_VENV)


def venv_python(cache):
    return cache.path("venv", "bin", "python")


def fetch_venv(cache):
    with open(REQUIREMENTS, "rb") as f:
        wanted = hashlib.sha256(f.read()).hexdigest()
    stamp = cache.path("venv", "requirements.sha256")
    if os.path.exists(venv_python(cache)) and os.path.exists(stamp):
        with open(stamp, encoding="utf-8") as f:
            if f.read() == wanted:
                return say("venv", "already there")
    python, version = newest_python()
    say("venv", "installing fixtures/requirements.txt for Python %s" % version)
    shutil.rmtree(cache.path("venv"), ignore_errors=True)
    # Some systems ship venv without the pip that it would copy: the outer pip installs from outside.
    run([python, "-m", "venv", "--without-pip", cache.path("venv")])
    site = cache.path("venv", "lib", "python" + version, "site-packages")
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps",
         "--only-binary", ":all:", "--target", site, "--requirement", REQUIREMENTS])
    run([venv_python(cache), "-c", "import onnx"])
    with open(stamp, "w", encoding="utf-8") as f:
        f.write(wanted)
    say("venv", "ok, %s" % venv_python(cache))


def fetch_node_cases(cache):
    fetch_venv(cache)
    script = os.path.join(PROJECT, "tools", "node_cases.py")
    if subprocess.run([venv_python(cache), script, cache.root], stdin=subprocess.DEVNULL).returncode:
        raise Fail("tools/node_cases.py failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["ort", "models", "venv", "node-cases", "all"])
    parser.add_argument("ids", nargs="*", help="ids of models, after `models`")
    arguments = parser.parse_args()
    if arguments.ids and arguments.what != "models":
        parser.error("ids follow `models` only")
    if sys.version_info < (3, 9):
        raise Fail("Python 3.9 or newer is needed")
    root = os.path.abspath(os.environ.get("ONNXPRESS_FIXTURES") or os.path.join(FIXTURES, "cache"))
    os.makedirs(root, exist_ok=True)
    cache = Cache(root)
    if arguments.what in ("ort", "all"):
        fetch_ort(cache)
    if arguments.what in ("models", "all"):
        fetch_models(cache, arguments.ids)
    if arguments.what == "venv":
        fetch_venv(cache)
    if arguments.what in ("node-cases", "all"):
        fetch_node_cases(cache)


if __name__ == "__main__":
    try:
        main()
    except (Fail, OSError, KeyError, ValueError, struct.error, zipfile.BadZipFile) as error:
        sys.exit("error: %s" % (error if isinstance(error, Fail) else "%s: %s" % (type(error).__name__, error)))
