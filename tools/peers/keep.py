"""Keeps models small: tensors are stored once by content, those of the original not at all."""
import hashlib
import os

import onnx

from models import graph_bodies

LEAST_BYTES = 1 << 16
KEY = "kept"


def tensors(model):
    graphs, lists = [model.graph], [f.node for f in model.functions]
    while graphs or lists:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            lists.append(graph.node)
        nodes = lists.pop()
        for attribute in (a for n in nodes for a in n.attribute):
            yield from [attribute.t] * attribute.HasField("t") + list(attribute.tensors)
        graphs += graph_bodies(nodes)


def digest(data):
    return hashlib.blake2b(data, digest_size=20).hexdigest()


def large_tensors(model):
    return {digest(t.raw_data): t for t in tensors(model) if len(t.raw_data) >= LEAST_BYTES}


def keep(path, original, pool, kept):
    """Writes the model of `path` to `kept`, its large tensors to the folder `pool`."""
    os.makedirs(pool, exist_ok=True)
    known = large_tensors(onnx.load(original))
    model = onnx.load(path)
    for tensor in tensors(model):
        if len(tensor.raw_data) < LEAST_BYTES:
            continue
        key = digest(tensor.raw_data)
        stored = os.path.join(pool, key)
        if key not in known and not os.path.exists(stored):
            with open(stored + ".part", "wb") as f:
                f.write(tensor.raw_data)
            os.replace(stored + ".part", stored)
        tensor.ClearField("raw_data")
        tensor.external_data.add(key=KEY, value=key)
    with open(kept, "wb") as f:
        f.write(model.SerializeToString())


def restore(kept, original, pool, out):
    """The reverse of `keep`."""
    known = large_tensors(onnx.load(original))
    model = onnx.load(kept, load_external_data=False)
    for tensor in tensors(model):
        keys = [e.value for e in tensor.external_data if e.key == KEY]
        if not keys:
            continue
        del tensor.external_data[:]
        if keys[0] in known:
            tensor.raw_data = known[keys[0]].raw_data
        else:
            with open(os.path.join(pool, keys[0]), "rb") as f:
                tensor.raw_data = f.read()
    onnx.save(model, out)
