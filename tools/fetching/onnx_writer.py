"""A small ONNX (protobuf) writer: just enough to spell the two graphs that are rebuilt from weights."""
import array
import struct

FLOAT, INT64 = 1, 7


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while True:
        low = number & 127
        number >>= 7
        if not number:
            out.append(low)
            return bytes(out)
        out.append(low | 128)


def field_int(tag, number):
    return varint(tag << 3) + varint(number)


def field_head(tag, length):
    """Tag and length of a field whose `length` bytes follow."""
    return varint(tag << 3 | 2) + varint(length)


def field_bytes(tag, data):
    if isinstance(data, str):
        data = data.encode()
    return field_head(tag, len(data)) + data


def attribute(name, value):
    out = field_bytes(1, name)
    if isinstance(value, float):
        out += varint(2 << 3 | 5) + struct.pack("<f", value) + field_int(20, 1)
    elif isinstance(value, int):
        out += field_int(3, value) + field_int(20, 2)
    else:
        out += b"".join(field_int(8, v) for v in value) + field_int(20, 7)
    return field_bytes(5, out)


def node(kind, inputs, outputs, name, **attributes):
    """A NodeProto as a field of GraphProto."""
    body = b"".join(field_bytes(1, i) for i in inputs) + b"".join(field_bytes(2, o) for o in outputs)
    body += field_bytes(3, name) + field_bytes(4, kind)
    return field_bytes(1, body + b"".join(attribute(k, v) for k, v in attributes.items()))


def value_info(name, dtype, dims):
    shape = b"".join(field_bytes(1, field_int(1, d) if isinstance(d, int) else field_bytes(2, d)) for d in dims)
    return field_bytes(1, name) + field_bytes(2, field_bytes(1, field_int(1, dtype) + field_bytes(2, shape)))


def model_head(ir_version, producer):
    return field_int(1, ir_version) + field_bytes(2, producer) + field_bytes(3, "1")


def model_tail(opset):
    return field_bytes(8, field_bytes(1, "") + field_int(2, opset))


class Graph:
    """Collects nodes and initializers; `model()` is the file."""

    def __init__(self, name, opset, ir_version):
        self.name, self.opset, self.ir_version = name, opset, ir_version
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], [], []
        self.count = 0

    def initializer(self, name, dims, data, dtype=FLOAT):
        if isinstance(data, array.array):
            data = data.tobytes()
        head = b"".join(field_int(1, d) for d in dims) + field_int(2, dtype) + field_bytes(8, name)
        self.initializers.append(field_bytes(5, head + field_bytes(9, data)))
        return name

    def constant(self, values, dtype=INT64, dims=None, name=None):
        scalar = not isinstance(values, (list, tuple))
        numbers = [values] if scalar else list(values)
        data = struct.pack("<%d%s" % (len(numbers), {INT64: "q", FLOAT: "f"}[dtype]), *numbers)
        self.count += 1
        return self.initializer(name or "c_%d" % self.count, [] if scalar else (dims or [len(numbers)]), data, dtype)

    def op(self, kind, inputs, out=None, **attributes):
        self.count += 1
        name = "%s_%d" % (kind, self.count)
        out = out or "%s_out" % name
        self.nodes.append(node(kind, inputs, [out], name, **attributes))
        return out

    def input(self, name, dtype, dims):
        self.inputs.append(field_bytes(11, value_info(name, dtype, dims)))
        return name

    def output(self, name, dtype, dims):
        self.outputs.append(field_bytes(12, value_info(name, dtype, dims)))

    def model(self):
        parts = b"".join(self.nodes) + field_bytes(2, self.name)
        parts += b"".join(self.initializers + self.inputs + self.outputs)
        return model_head(self.ir_version, "fetch_models") + field_bytes(7, parts) + model_tail(self.opset)
