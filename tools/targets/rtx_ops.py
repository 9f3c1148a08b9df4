#!/usr/bin/env python3
"""Asks TensorRT-RTX which ops it takes in which types, by building one-node models on the CPU.

    VENV/bin/python tools/targets/rtx_ops.py write NODE_CASES    src/target/data/tensorrt-rtx.ops.toml, some 10 minutes
    VENV/bin/python tools/targets/rtx_ops.py check NODE_CASES    exits 1 where the table is not what the compiler does

NODE_CASES is the folder of tools/node_cases.py (fixtures/cache/node-cases). VENV has numpy, onnx and TensorRT-RTX:

    pip install --no-deps tensorrt-rtx-cu13-libs==1.7.1.116 tensorrt-rtx-cu13-bindings==1.7.1.116

`check` builds one model a type of a parameter of the table, and one of each op that the table does not have.
"""
import os
import re
import sys
import tempfile
import textwrap

from rtx_cases import all_cases
from rtx_probe import Compiler

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "target", "data")
TABLE = os.path.normpath(os.path.join(DATA, "tensorrt-rtx.ops.toml"))
ORDER = "float16 bfloat16 float int32 int64 bool int8 uint8 float8e4m3fn int4 float4e2m1".split()
# The model is fine; only as a whole network it would need values of a shape's elements to plan for.
HARMLESS = "is missing values for"
# Parameters whose name means something else in other versions of the op, or whose nodes are looked at on their own.
UNTYPED = {
    "Constant": "T", "Identity": "TV", "If": "BV", "Scan": "IV", "Dropout": ("T1", "T2"),
    "QuantizeLinear": ("T1", "T2", "T3"), "DequantizeLinear": ("T1", "T2", "T3"),
}


def answers(cases):
    """Each case's complaint, None where it builds."""
    compiler = Compiler()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        for case in cases:
            with open(path, "wb") as f:
                f.write(case[-1].SerializeToString())
            yield case, compiler.ask(path)
    compiler.close()


def builds(complaint):
    return complaint is None or HARMLESS in complaint


def entries(op, types):
    """What a model that builds says of the table."""
    return {(op, p, w) for p, w in types.items() if w != "double" and p not in UNTYPED.get(op, ())} | {(op, None, None)}


def measure(cases):
    """op -> parameter -> types; double is left out, since it becomes float."""
    ops = {}
    for (_, op, types, _, _), complaint in answers(all_cases(cases)):
        if builds(complaint):
            found = ops.setdefault(op, {})
            for _, parameter, word in entries(op, types):
                if parameter:
                    found.setdefault(parameter, set()).add(word)
    return ops


def write(ops):
    groups = {}
    for op, types in ops.items():
        key = tuple(sorted((p, " ".join(w for w in ORDER if w in words)) for p, words in types.items()))
        groups.setdefault(key, []).append(op)
    lines = ["# Written by `tools/targets/rtx_ops.py write`; not to be edited."]
    lines += ['source = "one-node models built with TensorRT-RTX 1.7.1 (tools/targets/rtx_ops.py)"']
    for key, names in sorted(groups.items(), key=lambda g: (-len(g[1]), g[1])):
        names = " ".join(sorted(names))
        lines += ["", "[[group]]"]
        lines += [f'ops = "{names}"'] if len(names) < 100 else ['ops = """'] + textwrap.wrap(names, 110) + ['"""']
        if key:
            lines.append("types = { " + ", ".join(f'{p} = "{words}"' for p, words in key) + " }")
    with open(TABLE, "w") as f:
        f.write("\n".join(lines) + "\n")
    print(f"{TABLE}: {len(ops)} ops in {len(groups)} groups")


def read():
    """op -> parameter -> types, of the table as `write` writes it."""
    with open(TABLE) as f:
        groups = f.read().split("[[group]]")[1:]
    table = {}
    for group in groups:
        names = re.search(r'ops = "+([^"]*)"', group).group(1)
        types = {p: set(words.split()) for p, words in re.findall(r'(\w+) = "([^"]*)"', group.partition("types =")[2])}
        table.update((op, types) for op in names.split())
    return table


def check(cases):
    """Every (op, parameter, type) of the table must build in some model, and nothing else may."""
    table = read()
    todo = {(op, p, w) for op, types in table.items() for p, words in types.items() for w in words}
    todo |= {(op, None, None) for op in table}
    allowed = set(todo)
    refused, tried = set(), 0

    def wanted():
        nonlocal tried
        for case in all_cases(cases):
            _, op, types, came, _ = case
            keys = entries(op, types)
            open_question = keys & todo if op in table else (came and op not in refused)
            new = {k for k in keys if k[1] and k not in allowed} if op in table else set()
            if open_question or (new and not new & refused):
                tried += 1
                refused.update(new if op in table else {op})
                yield case

    wrong = []
    for (name, op, types, _, _), complaint in answers(wanted()):
        keys = entries(op, types)
        if builds(complaint):
            todo -= keys
            wrong += [f"{name}: builds, and the table has not {k}" for k in keys - allowed]
    wrong += [f"no model builds: {k}" for k in sorted(todo, key=str)]
    for line in wrong:
        print(line)
    if not tried or not allowed:
        raise SystemExit("nothing was tried")
    print(f"{tried} models built or refused by TensorRT-RTX, {len(allowed)} entries of the table, {len(wrong)} wrong")
    return 1 if wrong else 0


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("write", "check"):
        raise SystemExit(__doc__)
    if sys.argv[1] == "check":
        return check(sys.argv[2])
    write(measure(sys.argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
