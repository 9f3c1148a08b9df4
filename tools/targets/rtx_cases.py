"""One-node models for TensorRT-RTX: the node cases of ONNX, each in every type that its op allows.

An operand that the case feeds may have to be a constant, so each model comes as it is and with all operands but the
first as initializers.
"""
import copy
import os

import numpy as np
import onnx
from onnx import TensorProto, defs, helper, numpy_helper

WORDS = {
    TensorProto.DataType.Value(k): v
    for k, v in dict(
        FLOAT="float", UINT8="uint8", INT8="int8", UINT16="uint16", INT16="int16", INT32="int32", INT64="int64",
        STRING="string", BOOL="bool", FLOAT16="float16", DOUBLE="double", UINT32="uint32", UINT64="uint64",
        BFLOAT16="bfloat16", FLOAT8E4M3FN="float8e4m3fn", FLOAT8E5M2="float8e5m2", INT4="int4", UINT4="uint4",
        FLOAT4E2M1="float4e2m1",
    ).items()
}
CODES = {v: k for k, v in WORDS.items()}
# Cases of one op that are tried in other types than they have.
RETYPED = 2


def extras():
    """Models of ops that have no node case, or none in the form that is in question."""
    def model(name, op, inputs, outputs, opset=17, constants=(), **attributes):
        values = lambda them: [helper.make_tensor_value_info(n, CODES[t], s) for n, t, s in them]
        node = helper.make_node(op, [i[0] for i in inputs] + [c.name for c in constants], [o[0] for o in outputs], **attributes)
        graph = helper.make_graph([node], name, values(inputs), values(outputs), list(constants))
        return name, helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)

    def constant(name, array, kind=None):
        array = np.asarray(array)
        if kind is None:
            return numpy_helper.from_array(array, name)
        return helper.make_tensor(name, CODES[kind], array.shape, array.flatten().tolist())

    for kind in ("float16", "bfloat16", "float"):
        weights = [constant("s", np.ones(4), kind), constant("b", np.zeros(4), kind)]
        yield model(f"extra_layer_norm_{kind}", "LayerNormalization", [("x", kind, [2, 4])], [("y", kind, [2, 4])], constants=weights)
        yield model(f"extra_random_{kind}", "RandomNormalLike", [("x", kind, [2, 4])], [("y", kind, [2, 4])])
        yield model(f"extra_uniform_{kind}", "RandomUniformLike", [("x", kind, [2, 4])], [("y", kind, [2, 4])])
        yield model(f"extra_normal_{kind}", "RandomNormal", [], [("y", kind, [2, 4])], shape=[2, 4], dtype=CODES[kind])
        yield model(f"extra_random_uniform_{kind}", "RandomUniform", [], [("y", kind, [2, 4])], shape=[2, 4], dtype=CODES[kind])
        heads = [(n, kind, [1, 8, 32, 64]) for n in "qkv"]
        yield model(f"extra_attention_{kind}", "Attention", heads, [("y", kind, [1, 8, 32, 64])], 23)
        for quantized in ("int8", "float8e4m3fn"):
            pair = [constant("s", np.float32(0.5), kind), constant("z", 0, quantized)]
            yield model(f"extra_q_{kind}_{quantized}", "QuantizeLinear", [("x", kind, [2, 4])], [("y", quantized, [2, 4])], 19, pair)
            yield model(f"extra_dq_{kind}_{quantized}", "DequantizeLinear", [("x", quantized, [2, 4])], [("y", kind, [2, 4])], 19, pair)
    for kind in ("float", "int32", "int64", "float16"):
        ends = [constant(n, v, kind) for n, v in (("a", 0), ("b", 5), ("c", 1))]
        yield model(f"extra_range_{kind}", "Range", [], [("y", kind, [5])], constants=ends)
    for kind in ("float16", "bfloat16", "float", "int32", "int64", "bool", "int8", "uint8"):
        value = constant("v", [1], kind)
        yield model(f"extra_fill_{kind}", "ConstantOfShape", [], [("y", kind, [2, 3])], constants=[constant("s", np.array([2, 3]))], value=value)
        yield loop(kind)
    for pooled in ("GlobalLpPool", "GlobalMaxPool"):
        yield model(f"extra_{pooled}", pooled, [("x", "float", [1, 2, 4, 4])], [("y", "float", [1, 2, 1, 1])])


def loop(kind):
    """A loop that carries one value of a type."""
    code = CODES[kind]
    value = lambda name, c, shape: helper.make_tensor_value_info(name, c, shape)
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["go"]), helper.make_node("Identity", ["v"], ["w"])],
        "body",
        [value("i", CODES["int64"], []), value("c", CODES["bool"], []), value("v", code, [2, 3])],
        [value("go", CODES["bool"], []), value("w", code, [2, 3])],
    )
    constants = [numpy_helper.from_array(np.array(3), "n"), numpy_helper.from_array(np.array(True), "yes")]
    node = helper.make_node("Loop", ["n", "yes", "x"], ["y"], body=body)
    graph = helper.make_graph([node], "loop", [value("x", code, [2, 3])], [value("y", code, [2, 3])], constants)
    return f"extra_loop_{kind}", helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def formal(params, at):
    return params[min(at, len(params) - 1)]


def schema_of(model):
    node = model.graph.node[0]
    versions = {o.domain: o.version for o in model.opset_import}
    try:
        return defs.get_schema(node.op_type, versions.get(node.domain, 1), node.domain)
    except defs.SchemaError:
        return None


def parameters(model, schema):
    """Type parameter -> its values, and its type; None where a value is no tensor."""
    node = model.graph.node[0]
    kinds = {v.name: v.type for v in list(model.graph.input) + list(model.graph.output)}
    constants = {t.name: t.data_type for t in model.graph.initializer}
    values, types = {}, {}
    for side, params in ((node.input, schema.inputs), (node.output, schema.outputs)):
        for at, name in enumerate(side):
            parameter = formal(params, at).type_str if name else None
            if name in constants:
                types.setdefault(parameter, constants[name])
            elif name in kinds:
                if not kinds[name].HasField("tensor_type"):
                    return None
                values.setdefault(parameter, []).append(name)
                types.setdefault(parameter, kinds[name].tensor_type.elem_type)
    return values, types


def in_types(model, values, types):
    model = copy.deepcopy(model)
    for value in list(model.graph.input) + list(model.graph.output):
        for parameter, names in values.items():
            if value.name in names:
                value.type.tensor_type.elem_type = types[parameter]
    node = model.graph.node[0]
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to":
            attribute.i = types.get("T2", attribute.i)
    return model


def with_constants(model, data):
    """All operands but the first as initializers; None where that changes nothing or cannot be."""
    model = copy.deepcopy(model)
    first = next(iter(model.graph.node[0].input), None)
    kept = []
    for value in model.graph.input:
        tensor, code = data.get(value.name), value.type.tensor_type.elem_type
        if value.name == first or tensor is None:
            kept.append(value)
            continue
        if tensor.data_type != code:
            array = numpy_helper.to_array(tensor)
            if array.dtype == object:
                return None
            try:
                numbers = array.astype(np.float64).flatten().tolist()
                tensor = helper.make_tensor(value.name, code, tensor.dims, numbers)
            except (TypeError, ValueError, OverflowError):
                return None
        model.graph.initializer.append(tensor)
    if len(kept) == len(model.graph.input):
        return None
    del model.graph.input[:]
    model.graph.input.extend(kept)
    return model


def fed(folder, model):
    data = {}
    for at, value in enumerate(model.graph.input):
        path = os.path.join(folder, "test_data_set_0", f"input_{at}.pb")
        if os.path.exists(path) and value.type.HasField("tensor_type"):
            tensor = TensorProto()
            with open(path, "rb") as f:
                tensor.ParseFromString(f.read())
            tensor.name = value.name
            data[value.name] = tensor
    return data


def variants(name, model, data, retype):
    """(name, op, types by parameter, whether it is as it came, model)."""
    schema = schema_of(model)
    bound = schema and parameters(model, schema)
    if not bound:
        return
    values, types = bound
    combinations = [types]
    if retype:
        for constraint in schema.type_constraints:
            parameter = constraint.type_param_str
            for spelled in constraint.allowed_type_strs:
                code = CODES.get(spelled[len("tensor("):-1]) if spelled.startswith("tensor(") else None
                if code and parameter in types and types[parameter] != code:
                    combinations.append({**types, parameter: code})
    for at, combination in enumerate(combinations):
        typed = in_types(model, values, combination)
        words = {p: WORDS.get(c, "other") for p, c in combination.items() if p and not p.startswith("tensor(")}
        for form, its in (("", typed), (".constants", with_constants(typed, data))):
            if its is not None:
                yield f"{name}.{at}{form}", model.graph.node[0].op_type, words, at == 0, its


def all_cases(cases):
    seen = {}
    for name in sorted(os.listdir(cases)):
        path = os.path.join(cases, name, "model.onnx")
        if not os.path.exists(path):
            continue
        model = onnx.load(path)
        if len(model.graph.node) != 1 or model.functions or model.graph.node[0].domain:
            continue
        op = model.graph.node[0].op_type
        seen[op] = seen.get(op, 0) + 1
        yield from variants(name, model, fed(os.path.join(cases, name), model), seen[op] <= RETYPED)
    for name, model in extras():
        yield from variants(name, model, {}, False)
