#!/usr/bin/env python3
"""Writes the test cases that the `onnx` package ships or generates, as plain files.

    VENV/bin/python tools/node_cases.py OUT

OUT/node-cases/NAME/             every node test of onnx.backend.test, generated
OUT/simple/NAME/                 the other categories, as the package ships them
OUT/pytorch-operator/NAME/
OUT/pytorch-converted/NAME/
OUT/light/NAME/                  nine real networks whose weights are constants

A case is model.onnx and test_data_set_N/input_K.pb, output_K.pb: one TensorProto,
SequenceProto or OptionalProto each, in the order of the graph's inputs (those
without an initializer) and outputs. Beside the cases of a category lies index.tsv:

    # onnx 1.23.2 script <sha256 of this file> cases <count>
    name  rtol  atol  sets  inputs  outputs

where inputs and outputs name one kind a file (tensor, sequence, optional, map),
joined by commas, `-` for none. A category whose index.tsv is of the same onnx
and the same script is left alone.
"""
import hashlib
import json
import os
import shutil
import sys
import warnings

import numpy as np
import onnx
from onnx import numpy_helper

CATEGORIES = ("node-cases", "simple", "pytorch-operator", "pytorch-converted", "light")
COLUMNS = ("name", "rtol", "atol", "sets", "inputs", "outputs")
KINDS = {"tensor_type": "tensor", "sequence_type": "sequence", "optional_type": "optional", "map_type": "map"}
SERIALIZERS = {"sequence": numpy_helper.from_list, "optional": numpy_helper.from_optional, "map": numpy_helper.from_dict}


def kind(info):
    return KINDS[info.type.WhichOneof("value")]


def serialize(value, info):
    if isinstance(value, onnx.TensorProto):
        return value.SerializeToString()
    return SERIALIZERS.get(kind(info), numpy_helper.from_array)(value, info.name).SerializeToString()


def fed_inputs(graph):
    held = {t.name for t in graph.initializer}
    return [i for i in graph.input if i.name not in held]


def put(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def row(name, rtol, atol, sets, model):
    """One line of index.tsv; `sets` lists (number of inputs, number of outputs) of each data set."""
    inputs, outputs = fed_inputs(model.graph), list(model.graph.output)
    for given in sets:
        if given != (len(inputs), len(outputs)):
            raise SystemExit("error: %s: data for %d inputs and %d outputs, the graph has %d and %d"
                             % ((name,) + given + (len(inputs), len(outputs))))
    kinds = [",".join(map(kind, infos)) or "-" for infos in (inputs, outputs)]
    return "\t".join([name, repr(float(rtol)), repr(float(atol)), str(len(sets))] + kinds)


def node_cases(out, _category):
    """Generates the node tests. Their random data is made at import; the seed makes it the same every time."""
    from onnx.backend.test.case import node
    warnings.simplefilter("ignore", RuntimeWarning)
    np.random.seed(0)
    rows = []
    for case in node.collect_testcases():
        graph, sets = case.model.graph, []
        put(os.path.join(out, case.name, "model.onnx"), case.model.SerializeToString(deterministic=True))
        for n, (inputs, outputs) in enumerate(case.data_sets):
            folder = os.path.join(out, case.name, "test_data_set_%d" % n)
            for word, values, infos in (("input", inputs, fed_inputs(graph)), ("output", outputs, graph.output)):
                for k, (value, info) in enumerate(zip(values, infos)):
                    put(os.path.join(folder, "%s_%d.pb" % (word, k)), serialize(value, info))
            sets.append((len(inputs), len(outputs)))
        rows.append(row(case.name, case.rtol, case.atol, sets, case.model))
    return rows


def shipped_data():
    import onnx.backend.test
    return os.path.join(os.path.dirname(onnx.backend.test.__file__), "data")


def shipped_cases(out, category):
    """Copies one category that lies in the package as files."""
    from onnx.backend.test.loader import load_model_tests
    rows = []
    for case in sorted(load_model_tests(kind=category), key=lambda c: c.name):
        shutil.copytree(case.model_dir, os.path.join(out, case.name))
        model, sets, n = onnx.load(os.path.join(case.model_dir, "model.onnx")), [], 0
        while os.path.isdir(os.path.join(case.model_dir, "test_data_set_%d" % n)):
            names = os.listdir(os.path.join(case.model_dir, "test_data_set_%d" % n))
            sets.append(tuple(sum(f.startswith(word) for f in names) for word in ("input_", "output_")))
            n += 1
        rows.append(row(case.name, case.rtol, case.atol, sets, model))
    return rows


def light_cases(out, _category):
    """Copies the light networks; their input is the ramp that the stored outputs were computed from."""
    data, rows = shipped_data(), []
    for name in sorted(os.listdir(os.path.join(data, "real"))):
        if not os.path.isdir(os.path.join(data, "real", name)):
            continue
        with open(os.path.join(data, "real", name, "data.json"), encoding="utf-8") as f:
            facts = json.load(f)
        source = os.path.join(data, "light", os.path.basename(facts["url"]))
        model, folder = onnx.load(source), os.path.join(out, name, "test_data_set_0")
        os.makedirs(folder)
        shutil.copy(source, os.path.join(out, name, "model.onnx"))
        for k, info in enumerate(fed_inputs(model.graph)):
            shape = [d.dim_value or 1 for d in info.type.tensor_type.shape.dim]
            count = int(np.prod(shape))
            ramp = (np.arange(count).reshape(shape) / count).astype(np.float32)
            put(os.path.join(folder, "input_%d.pb" % k), serialize(ramp, info))
        for k in range(len(model.graph.output)):
            shutil.copy("%s_output_%d.pb" % (source[:-len(".onnx")], k), os.path.join(folder, "output_%d.pb" % k))
        counts = (len(fed_inputs(model.graph)), len(model.graph.output))
        rows.append(row(name, facts["rtol"], facts["atol"], [counts], model))
    return rows


WRITERS = {"node-cases": node_cases, "light": light_cases}


def stored_count(folder, mark):
    """How many cases the category already holds, or None when it is missing or another version's."""
    try:
        with open(os.path.join(folder, "index.tsv"), encoding="utf-8") as f:
            head = f.readline().rstrip("\n")
    except OSError:
        return None
    return int(head[len(mark):]) if head.startswith(mark) else None


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = sys.argv[1]
    with open(os.path.abspath(__file__), "rb") as f:
        mark = "# onnx %s script %s cases " % (onnx.__version__, hashlib.sha256(f.read()).hexdigest())
    for category in CATEGORIES:
        folder = os.path.join(out, category)
        count = stored_count(folder, mark)
        if count is not None:
            print("%s: %d cases, already there" % (category, count), flush=True)
            continue
        part = folder + ".part"
        for old in (part, folder):
            shutil.rmtree(old, ignore_errors=True)
        os.makedirs(part)
        rows = WRITERS.get(category, shipped_cases)(part, category)
        if not rows or len({r.split("\t")[0] for r in rows}) != len(rows):
            sys.exit("error: %s: no cases, or two of one name" % category)
        text = "\n".join([mark + str(len(rows)), "\t".join(COLUMNS)] + sorted(rows)) + "\n"
        put(os.path.join(part, "index.tsv"), text.encode())
        os.rename(part, folder)
        print("%s: %d cases written" % (category, len(rows)), flush=True)


if __name__ == "__main__":
    main()
