"""Where the scripts keep what they measured."""
import json
import os


class Store:
    """WORK/kept: one folder for each model, results and files by tool."""

    def __init__(self, work, name, sha):
        self.folder = os.path.join(work, "kept", "%s-%s" % (name, sha[:12]))
        self.pool = os.path.join(work, "kept", "pool")
        os.makedirs(self.folder, exist_ok=True)

    def path(self, tool, ending):
        return os.path.join(self.folder, tool + ending)

    def load(self, tool):
        return load_json(self.path(tool, ".json"))

    def save(self, tool, result):
        write_json(self.path(tool, ".json"), result)


def write_json(path, data):
    with open(path + ".part", "w", encoding="utf-8") as f:
        json.dump(data, f, indent=1, sort_keys=True)
    os.replace(path + ".part", path)


def load_json(path):
    """What a file holds; nothing where there is none."""
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return {}
