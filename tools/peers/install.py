#!/usr/bin/env python3
"""Makes the virtual environments that the comparison needs.

    tools/peers/install.py WORK [peers] [export] [rtx]

WORK/venvs/peers holds the other optimizers (0.5 GB), WORK/venvs/export PyTorch and its exporters (7 GB with
the CUDA libraries that its wheel asks for), WORK/venvs/rtx TensorRT-RTX (0.4 GB). What is there already is left alone. The versions are those of
requirements-*.txt beside this file; they need Python 3.10 or newer with venv and pip.
"""
import argparse
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ("peers", "export", "rtx")


def install(work, name):
    venv = os.path.join(work, "venvs", name)
    with open(os.path.join(HERE, "requirements-%s.txt" % name), encoding="utf-8") as f:
        wanted = f.read()
    stamp = os.path.join(venv, "installed.txt")
    if os.path.exists(stamp):
        with open(stamp, encoding="utf-8") as f:
            if f.read() == wanted:
                print("%s: already there" % venv)
                return
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    packages = wanted.split()
    subprocess.run([os.path.join(venv, "bin", "python"), "-m", "pip", "install", "--quiet"] + packages, check=True)
    with open(stamp, "w", encoding="utf-8") as f:
        f.write(wanted)
    print("%s: installed" % venv)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("names", nargs="*", metavar="NAME", help="peers, export, rtx; all when none is given")
    arguments = parser.parse_args()
    if set(arguments.names) - set(NAMES):
        parser.error("choose of: %s" % ", ".join(NAMES))
    for name in arguments.names or NAMES:
        install(os.path.abspath(arguments.work), name)


if __name__ == "__main__":
    main()
