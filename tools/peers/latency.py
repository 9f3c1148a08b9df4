#!/usr/bin/env python3
"""Measures how fast ONNX Runtime runs the results that compare.py kept.

    tools/peers/latency.py WORK [--pairs N] [--only NAME,..] [--tools TOOL,..] [--all-pairs]

One thread, all of ONNX Runtime's optimizations on. For each model every peer's result runs against the original, in
pairs: both in turn, in an order that alternates, spread over three processes since where things land in memory
matters too. A ratio is the median over the pairs of thread CPU time, which other load on the machine disturbs
least, with its distribution-free 95 % interval. Then each result of onnxpress runs against the original and against the
peer with the smallest ratio (and, with --all-pairs, against each peer). It counts as slower where the interval's
lower end is above a limit: 1.02 for --target onnx, 1.00 for --target ort-cpu, whose rivals are ONNX Runtime's own
optimizers too. WORK/latency.json holds all of it, WORK/latency.md the table. Ratios of results that
stay the same are not measured again. Needs compare.py's run; runs itself in the venv of `install.py WORK peers`.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

import venvs

venvs.enter("peers")

import models
import table
from keep import restore
from stored import load_json, write_json

PROCESSES = 3
# Against whom each of ours runs, who counts as a rival, and above which lower end of the interval it is slower.
CONTESTS = {"onnxpress": (table.PEERS, table.counts, 1.02),
            "onnxpress_ort": (table.PEERS + table.OWN, lambda row, result: table.usable(result), 1.00)}


def binomial_rank(n):
    """The rank whose order statistic bounds the median of n values from below with 97.5 %."""
    below, rank = 0.0, 0
    while below + math.comb(n, rank) / 2 ** n <= 0.025:
        below += math.comb(n, rank) / 2 ** n
        rank += 1
    return max(rank, 1)


def summarize(taken):
    ratios = sorted(b / a for a, b in taken)
    rank = binomial_rank(len(ratios))
    return {"ratio": statistics.median(ratios), "low": ratios[rank - 1], "high": ratios[-rank], "pairs": len(ratios),
            "milliseconds": [statistics.median(t[i] for t in taken) * 1e3 for i in (0, 1)]}


def measure(first, second, number):
    """The ratio of the second to the first."""
    taken = []
    for turn in range(PROCESSES):
        share = number // PROCESSES + (turn < number % PROCESSES)
        command = [sys.executable, os.path.join(venvs.HERE, "pairs.py"), first, second, str(share)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            return {"fails": done.stderr.strip()[-300:]}
        taken += json.loads(done.stdout.splitlines()[-1])
    return summarize(taken)


class Contest:
    """The results for one model: restored to plain files where they are needed."""

    def __init__(self, work, name, row, number, scratch, known):
        self.row, self.number, self.scratch, self.known = row, number, scratch, known
        self.folder = os.path.join(work, "kept", "%s-%s" % (name, row["sha256"][:12]))
        self.pool = os.path.join(work, "kept", "pool")

    def path(self, tool):
        if tool == "original":
            return self.row["path"]
        plain = os.path.join(self.scratch, tool + ".onnx")
        if not os.path.exists(plain):
            restore(os.path.join(self.folder, tool + ".kept"), self.row["path"], self.pool, plain)
        return plain

    def identity(self, tool):
        """What a file is known by, to see whether it was measured before."""
        if tool == "original":
            return self.row["sha256"]
        return models.sha256(os.path.join(self.folder, tool + ".kept"))

    def ratio(self, first, second):
        """The ratio of the second to the first, from before when both are the same."""
        key, identity = "%s/%s" % (second, first), [self.identity(first), self.identity(second), self.number]
        before = self.known.get(key, {})
        if "ratio" not in before or before["identity"] != identity:
            self.known[key] = dict(measure(self.path(first), self.path(second), self.number), identity=identity)
        return self.known[key]

    def drop(self, tool):
        plain = os.path.join(self.scratch, tool + ".onnx")
        if os.path.exists(plain):
            os.remove(plain)


def contest(match, ours, tools, all_pairs):
    """Measures what is missing; returns the names of the peers, the fastest first."""
    peers, may_count, _ = CONTESTS[ours]
    standing = {}
    for peer in peers:
        if not may_count(match.row, match.row["tools"].get(peer, {})):
            continue
        if peer in tools:
            match.ratio("original", peer)
            match.drop(peer)
        standing[peer] = match.known.get(peer + "/original", {}).get("ratio", math.inf)
    order = sorted(standing, key=standing.get)
    if ours in tools and table.usable(match.row["tools"].get(ours, {})):
        match.ratio("original", ours)
        for peer in order if all_pairs else order[:1]:
            match.ratio(peer, ours)
            match.drop(peer)
    return order


def show(result):
    if "ratio" not in result:
        return "–"
    return "%.3f (%.3f–%.3f)" % (result["ratio"], result["low"], result["high"])


def verdict(against, limit):
    if "ratio" not in against:
        return "–"
    return "slower" if against["low"] > limit else "not slower"


def render(latency, ours):
    peers, _, limit = CONTESTS[ours]
    header = ["model", "original ms"] + list(peers) + [ours, "best peer", ours + " / best peer", "verdict"]
    rows = []
    for name, row in sorted(latency.items()):
        ratios, best = row["ratios"], (row["order"].get(ours) or ["original"])[0]
        original = [r["milliseconds"][0] for k, r in ratios.items() if k.endswith("/original") and "ratio" in r]
        against = ratios.get("%s/%s" % (ours, best), {})
        each = [show(ratios.get(tool + "/original", {})) for tool in peers + (ours,)]
        rows.append([name, "%.2f" % min(original, default=0)] + each + [best, show(against), verdict(against, limit)])
    title = "# Latency, as a ratio to the original (95 %% interval), --target %s" % table.OURS[ours]
    return title + "\n\nONNX Runtime, one thread, all its optimizations on.\n\n" + table.markdown(header, rows)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--only", default="", help="only these models, joined by commas")
    parser.add_argument("--tools", default=",".join(table.TOOLS), help="only these, joined by commas")
    parser.add_argument("--all-pairs", action="store_true")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    work = os.path.abspath(arguments.work)
    results = load_json(os.path.join(work, "results.json"))
    only = list(filter(None, arguments.only.split(",")))
    if set(only) - set(results):
        raise SystemExit("error: no results of: %s" % ", ".join(sorted(set(only) - set(results))))
    saved = os.path.join(work, "latency.json")
    for name, row in sorted(results.items(), key=lambda item: item[1]["bytes"]):
        if only and name not in only:
            continue
        latency = load_json(saved)
        known = latency.get(name, {}).get("ratios", {})
        with tempfile.TemporaryDirectory(dir=work, prefix="run-") as scratch:
            match = Contest(work, name, row, arguments.pairs, scratch, known)
            tools = arguments.tools.split(",")
            order = {ours: contest(match, ours, tools, arguments.all_pairs) for ours in CONTESTS}
        latency = load_json(saved)
        latency[name] = {"order": order, "ratios": known}
        write_json(saved, latency)
        with open(os.path.join(work, "latency.md"), "w", encoding="utf-8") as f:
            f.write("\n".join(render(latency, ours) for ours in CONTESTS))
        print("%-22s %s" % (name, ", ".join("%s %s" % (k, show(r)) for k, r in sorted(known.items()))), flush=True)


if __name__ == "__main__":
    main()
