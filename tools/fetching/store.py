"""The cache folder: digests of files, and a stamp that spares hashing what did not change."""
import hashlib
import json
import os


class Fail(Exception):
    """A failure told to the user in one line."""


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


class Cache:
    """A folder of verified files. `verified.json` holds path -> [sha256, size, mtime in ns] of each."""

    def __init__(self, root):
        self.root = root
        self.stamps = os.path.join(root, "verified.json")
        try:
            with open(self.stamps, encoding="utf-8") as f:
                self.known = json.load(f)
        except (OSError, ValueError):
            self.known = {}

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def holds(self, name, digest):
        """Whether `name` is there with this sha256; hashes it unless its stamp still fits."""
        try:
            stat = os.stat(self.path(name))
        except OSError:
            return False
        stamp = [digest, stat.st_size, stat.st_mtime_ns]
        if self.known.get(name) == stamp:
            return True
        if sha256(self.path(name)) != digest:
            return False
        self._stamp(name, stamp)
        return True

    def put(self, name, data, digest):
        """Writes bytes whose sha256 must be `digest`; the old file stays until they are complete."""
        got = hashlib.sha256(data).hexdigest()
        if got != digest:
            raise Fail("sha256 mismatch for %s: expected %s, got %s (%d bytes)" % (name, digest, got, len(data)))
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".part", "wb") as f:
            f.write(data)
        os.replace(path + ".part", path)
        stat = os.stat(path)
        self._stamp(name, [digest, stat.st_size, stat.st_mtime_ns])

    def _stamp(self, name, stamp):
        self.known[name] = stamp
        with open(self.stamps + ".part", "w", encoding="utf-8") as f:
            json.dump(self.known, f, indent=1, sort_keys=True)
        os.replace(self.stamps + ".part", self.stamps)
