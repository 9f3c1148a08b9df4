#!/usr/bin/env python3
"""Writes large models for the speed check, a weight at a time. Standard library only.

    tools/big_models.py [OUT] [--only NAME,NAME]

OUT (default fixtures/cache/big) gets
    big-400mb.onnx      25 layers, 0.42 GB
    big-1900mb.onnx     113 layers, 1.90 GB, just under the 2 GB that protobuf allows
    big-external.onnx   136 layers, 2.28 GB in big-external.onnx.data

A layer is MatMul by 2048 x 2048 floats, Add, Relu. The same call writes the same bytes;
a file of the right size is left alone.
"""
import argparse
import os
import random
import sys

from fetching.onnx_writer import (FLOAT, field_bytes, field_head, field_int, model_head, model_tail, node, value_info)

WIDTH = 2048
WEIGHT_BYTES = 4 * WIDTH * WIDTH
BIAS_BYTES = 4 * WIDTH
ALIGNMENT = 4096
SIGN_AND_EXPONENT = bytes(0x3C | byte & 0x80 for byte in range(256))
MODELS = {"big-400mb": (25, False), "big-1900mb": (113, False), "big-external": (136, True)}


def floats(seed, size):
    """`size` bytes of small floats (0.0078 to 0.031, either sign): random but for the exponent's top bits."""
    data = bytearray(random.Random(seed).randbytes(size))
    data[3::4] = data[3::4].translate(SIGN_AND_EXPONENT)
    return data


def tensors(layers):
    """(name, dims, bytes) of every initializer, in order."""
    for n in range(layers):
        yield "weight_%d" % n, [WIDTH, WIDTH], WEIGHT_BYTES
        yield "bias_%d" % n, [WIDTH], BIAS_BYTES


def nodes(layers):
    out, x = b"", "x"
    for n in range(layers):
        y = "y" if n == layers - 1 else "relu_%d_out" % n
        out += node("MatMul", [x, "weight_%d" % n], ["matmul_%d_out" % n], "matmul_%d" % n)
        out += node("Add", ["matmul_%d_out" % n, "bias_%d" % n], ["add_%d_out" % n], "add_%d" % n)
        out += node("Relu", ["add_%d_out" % n], [y], "relu_%d" % n)
        x = y
    return out


def tensor_head(name, dims):
    return b"".join(field_int(1, d) for d in dims) + field_int(2, FLOAT) + field_bytes(8, name)


def external_tensor(name, dims, location, offset, size):
    entries = (("location", location), ("offset", str(offset)), ("length", str(size)))
    places = b"".join(field_bytes(13, field_bytes(1, k) + field_bytes(2, v)) for k, v in entries)
    return field_bytes(5, tensor_head(name, dims) + places + field_int(14, 1))


def inline_head(name, dims, size):
    """What stands before the bytes of a tensor that lies in the model file."""
    head = tensor_head(name, dims) + field_head(9, size)
    return field_head(5, len(head) + size) + head


def layout(layers, data_name):
    """The graph as parts in file order: bytes, or (seed, size) of weights; and the parts of the data file."""
    border = [field_bytes(11, value_info("x", FLOAT, ["batch", WIDTH])),
              field_bytes(12, value_info("y", FLOAT, ["batch", WIDTH]))]
    parts, data, offset = [nodes(layers) + field_bytes(2, "big")], [], 0
    for seed, (name, dims, size) in enumerate(tensors(layers)):
        if data_name is None:
            parts += [inline_head(name, dims, size), (seed, size)]
            continue
        gap = -offset % ALIGNMENT
        data += [b"\0" * gap, (seed, size)]
        offset += gap
        parts.append(external_tensor(name, dims, data_name, offset, size))
        offset += size
    return parts + border, data


def length(part):
    return part[1] if isinstance(part, tuple) else len(part)


def write(path, parts):
    """Writes the parts unless a file of their size is there; says which."""
    total = sum(map(length, parts))
    if os.path.exists(path) and os.path.getsize(path) == total:
        print("%-24s %13d bytes, already there" % (os.path.basename(path), total), flush=True)
        return
    with open(path + ".part", "wb") as f:
        for part in parts:
            f.write(floats(*part) if isinstance(part, tuple) else part)
    os.replace(path + ".part", path)
    print("%-24s %13d bytes" % (os.path.basename(path), total), flush=True)


def make(out, name):
    layers, external = MODELS[name]
    path = os.path.join(out, name + ".onnx")
    graph, data = layout(layers, os.path.basename(path) + ".data" if external else None)
    if external:
        write(path + ".data", data)
    head = model_head(8, "big_models") + field_head(7, sum(map(length, graph)))
    write(path, [head] + graph + [model_tail(17)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    project = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    cache = os.environ.get("ONNXPRESS_FIXTURES") or os.path.join(project, "fixtures", "cache")
    parser.add_argument("out", nargs="?", default=os.path.join(cache, "big"))
    parser.add_argument("--only", default=",".join(MODELS), help="names, joined by commas")
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    unknown = sorted(set(names) - set(MODELS))
    if unknown:
        sys.exit("error: no such model: %s (there are %s)" % (", ".join(unknown), ", ".join(MODELS)))
    os.makedirs(arguments.out, exist_ok=True)
    for name in names:
        make(arguments.out, name)


if __name__ == "__main__":
    main()
