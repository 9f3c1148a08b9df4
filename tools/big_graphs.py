#!/usr/bin/env python3
"""Makes graphs of many small nodes, for tools/measure_passes.py.

    tools/big_graphs.py FOLDER NODES ..

Writes FOLDER/KIND-NODES.onnx for each kind; needs the Python package `onnx`.
"""
import os
import sys

import onnx
from onnx import TensorProto, helper

OPSET = 17


def floats(name, values):
    return helper.make_tensor(name, TensorProto.FLOAT, [len(values)], values)


def chain(count):
    """Each node reads the one before it and a constant of its own."""
    nodes = [helper.make_node(("Add", "Mul")[i % 2], ["v%d" % i, "c%d" % i], ["v%d" % (i + 1)]) for i in range(count)]
    return nodes, [floats("c%d" % i, [1.0, i + 2.0]) for i in range(count)], "v%d" % count


def wide(count):
    """Every node but the last reads the input."""
    nodes = [helper.make_node("Mul", ["v0", "c%d" % i], ["w%d" % i]) for i in range(count - 1)]
    nodes.append(helper.make_node("Sum", [n.output[0] for n in nodes], ["y"]))
    return nodes, [floats("c%d" % i, [1.0, i + 2.0]) for i in range(count - 1)], "y"


def shared(count):
    """A chain whose nodes all read one constant."""
    nodes = [helper.make_node("Add", ["v%d" % i, "c"], ["v%d" % (i + 1)]) for i in range(count)]
    return nodes, [floats("c", [1.0, 2.0])], "v%d" % count


def identities(count):
    """A chain of which only every tenth node stays."""
    nodes = [helper.make_node("Identity" if i % 10 else "Sin", ["v%d" % i], ["v%d" % (i + 1)]) for i in range(count)]
    return nodes, [], "v%d" % count


def duplicates(count):
    """Ten equal chains, summed."""
    each, nodes = count // 10, []
    for k in range(10):
        before = "v0"
        for i in range(each):
            nodes.append(helper.make_node("Sin", [before], ["k%d_%d" % (k, i)]))
            before = nodes[-1].output[0]
    nodes.append(helper.make_node("Sum", ["k%d_%d" % (k, each - 1) for k in range(10)], ["y"]))
    return nodes, [], "y"


def constants(count):
    """A chain of constant nodes, added to the input at its end."""
    nodes = [helper.make_node("Add", ["f%d" % i, "c"], ["f%d" % (i + 1)]) for i in range(count)]
    nodes.append(helper.make_node("Add", ["v0", "f%d" % count], ["y"]))
    return nodes, [floats("f0", [0.0, 0.0]), floats("c", [1.0, 2.0])], "y"


def bodies(count):
    """A chain of Ifs, four nodes in each body, one body in five inside another."""
    def body(name, source, inner):
        lines = [helper.make_node("Sin", [source if k == 0 else "%s_%d" % (name, k - 1)], ["%s_%d" % (name, k)]) for k in range(4)]
        if inner:
            lines.append(branch("%s_in" % name, "%s_3" % name, "%s_4" % name, False))
        return helper.make_graph(lines, name, [], [helper.make_tensor_value_info(lines[-1].output[0], TensorProto.FLOAT, [2])])

    def branch(name, source, result, inner):
        return helper.make_node("If", ["b"], [result], then_branch=body(name + "t", source, inner), else_branch=body(name + "e", source, False))

    steps = count // 11
    nodes = [branch("n%d" % i, "v%d" % i, "v%d" % (i + 1), i % 5 == 0) for i in range(steps)]
    return nodes, [], "v%d" % steps


def main():
    folder, sizes = sys.argv[1], [int(n) for n in sys.argv[2:]]
    for make in (chain, wide, shared, identities, duplicates, constants, bodies):
        for size in sizes:
            nodes, initializers, result = make(size)
            inputs = [helper.make_tensor_value_info("v0", TensorProto.FLOAT, [2])]
            if make is bodies:
                inputs.append(helper.make_tensor_value_info("b", TensorProto.BOOL, []))
            outputs = [helper.make_tensor_value_info(result, TensorProto.FLOAT, [2])]
            graph = helper.make_graph(nodes, make.__name__, inputs, outputs, initializers)
            model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
            onnx.save(model, os.path.join(folder, "%s-%d.onnx" % (make.__name__, size)))


if __name__ == "__main__":
    main()
