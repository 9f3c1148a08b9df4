"""Takes wheels with pip's own client. They are read as archives, never installed, so any platform's will do."""
import glob
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

from .store import Fail

# One fixed interpreter and platform, so that every machine gets the same files.
PYTHON_VERSION = "3.11"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def run(command):
    """Runs a command; its output is shown only when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Fail("`%s` failed (exit %d):\n%s" % (" ".join(command), done.returncode, done.stdout[-1500:].strip()))


def download(name, version, folder, python_version=PYTHON_VERSION, platforms=PLATFORMS):
    """Downloads the one wheel of a package into an empty folder and returns its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary", ":all:", "--implementation", "cp", "--python-version", python_version]
    for platform in platforms:
        command += ["--platform", platform]
    run(command + ["--dest", folder, "%s==%s" % (name, version)])
    wheels = glob.glob(os.path.join(folder, "*.whl"))
    if len(wheels) != 1:
        raise Fail("expected one wheel of %s %s, got %d" % (name, version, len(wheels)))
    return wheels[0]


class Wheels:
    """Downloaded wheels, opened; one is kept while consecutive models come from it."""

    def __init__(self):
        self.key, self.archive, self.folder = None, None, None

    def get(self, name, version):
        if self.key != (name, version):
            self.close()
            print("    downloading %s %s" % (name, version), flush=True)
            self.folder = tempfile.mkdtemp(prefix="onnxpress-fetch-")
            self.archive = zipfile.ZipFile(download(name, version, self.folder))
            self.key = (name, version)
        return self.archive

    def close(self):
        if self.archive:
            self.archive.close()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.key = self.archive = self.folder = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def read_member(archive, name):
    try:
        return archive.read(name)
    except KeyError:
        raise Fail("%s holds no %s" % (os.path.basename(archive.filename or "archive"), name)) from None


def inner_archive(archive, name):
    return zipfile.ZipFile(io.BytesIO(read_member(archive, name)))
