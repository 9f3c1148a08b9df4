"""Runs a script in a virtual environment that install.py made."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def python_of(work, name):
    return os.path.join(os.path.abspath(work), "venvs", name, "bin", "python")


def enter(name):
    """Starts this script again in WORK/venvs/NAME, WORK being its first argument, unless it runs there."""
    help_text = sys.modules["__main__"].__doc__
    if {"-h", "--help"} & set(sys.argv):
        print(help_text)
        sys.exit()
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit("error: the first argument is to be the folder to work in\n" + help_text)
    python = python_of(sys.argv[1], name)
    if os.path.realpath(sys.prefix) == os.path.realpath(os.path.dirname(os.path.dirname(python))):
        return
    if not os.path.exists(python):
        sys.exit("error: %s is missing: run `tools/peers/install.py %s %s`" % (python, sys.argv[1], name))
    os.execv(python, [python] + sys.argv)
