#!/usr/bin/env python3
"""How much of each model's shapes is known without running it: onnxpress beside onnx and ONNX Runtime.

    python3 tools/shape_coverage.py target/release/onnxpress MODEL.onnx... > table.md

Counted are the outputs of all nodes of the main graph of the model as it is, Constants and
what the graph returns apart. A value has a *rank* when
its shape is told, and *dims* when each dim is a number or an expression of sizes of the inputs; `unk__1` of ONNX
Runtime's script, `?` and unnamed dims are not known. Needs onnx, onnxruntime (with its tool `symbolic_shape_infer`,
which needs sympy) in the running Python.
"""

import contextlib
import pathlib
import re
import subprocess
import sys
import tempfile

import onnx

UNKNOWN = re.compile(r"unk__\d+|\?")


def known(dim, inputs):
    """Whether a dim is a number, or made of names of the inputs' dims."""
    if dim.HasField("dim_value"):
        return dim.dim_value >= 0
    text = dim.dim_param
    if not text or UNKNOWN.search(text):
        return False
    words = set(re.findall(r"[A-Za-z_][A-Za-z_0-9.:]*", text)) - {"floor", "ceiling", "Max", "Min", "max", "min", "broadcast"}
    return all(word in inputs for word in words)


def coverage(model, wanted):
    """Of the wanted values: how many have a rank, how many have all dims."""
    types = {v.name: v.type for v in [*model.graph.value_info, *model.graph.output]}
    inputs = set()
    for value in model.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            inputs.update(re.findall(r"[A-Za-z_][A-Za-z_0-9.:]*", dim.dim_param))
    ranked = sized = 0
    for name in wanted:
        ty = types.get(name)
        if ty is None or not ty.HasField("tensor_type") or not ty.tensor_type.HasField("shape"):
            continue
        ranked += 1
        sized += all(known(d, inputs) for d in ty.tensor_type.shape.dim)
    return ranked, sized


def stripped(path):
    """The model without the types that its file declares inside, so that nobody reads them off."""
    model = onnx.load(path)
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return model


def by_onnx(path, _):
    return onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True)


def by_ort(path, _):
    from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference

    return SymbolicShapeInference.infer_shapes(onnx.load(path), auto_merge=True)


def by_onnxpress(path, binary):
    out = pathlib.Path(path).with_suffix(".inferred.onnx")
    command = [binary, "optimize", path, "-o", str(out), "--only", "infer-shapes", "--only", "declare-shapes",
               "--no-verify", "-q"]
    subprocess.run(command, check=True, capture_output=True)
    return onnx.load(out, load_external_data=False)


def main():
    binary, *paths = (str(pathlib.Path(a).resolve()) for a in sys.argv[1:])
    tools = {"onnx": by_onnx, "ONNX Runtime": by_ort, "onnxpress": by_onnxpress}
    print("| model | values |" + "".join(f" {t}: rank | dims |" for t in tools))
    print("|---|---:|" + "---:|---:|" * len(tools))
    totals = {tool: [0, 0] for tool in tools}
    all_values = 0
    for path in paths:
        # ONNX Runtime's script leaves files where it runs.
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            model = stripped(path)
            returned = {o.name for o in model.graph.output}
            nodes = [n for n in model.graph.node if n.op_type != "Constant"]
            wanted = [o for n in nodes for o in n.output if o and o not in returned]
            all_values += len(wanted)
            bare = str(pathlib.Path(folder) / "m.onnx")
            onnx.save(model, bare)
            del model
            row = f"| {pathlib.Path(path).stem} | {len(wanted)} |"
            for tool, infer in tools.items():
                try:
                    ranked, sized = coverage(infer(bare, binary), wanted)
                    totals[tool][0] += ranked
                    totals[tool][1] += sized
                    row += f" {100 * ranked / len(wanted):.1f} | {100 * sized / len(wanted):.1f} |"
                except Exception as error:
                    print(f"{tool} on {path}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
                    row += " failed | – |"
            print(row, flush=True)
    row = f"| **all** | {all_values} |"
    for ranked, sized in totals.values():
        row += f" {100 * ranked / all_values:.1f} | {100 * sized / all_values:.1f} |"
    print(row)


if __name__ == "__main__":
    main()
