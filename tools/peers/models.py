"""What the scripts share about model files: counting, sessions, made-up inputs."""
import collections
import hashlib
import os

import numpy
import onnx
import onnxruntime

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
ONNX_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
SHAPES = ({"batch": 1, "seq": 16}, {"batch": 3, "seq": 17}, {"batch": 2, "seq": 5})
SIDES, VOCABULARIES = (224, 320, 48), (4000, 16)
SAMPLE_RATE, CHUNK = 16000, 576
TYPES = {"float": "f4", "float16": "f2", "double": "f8", "int64": "i8", "int32": "i4", "uint8": "u1", "bool": "?"}


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def graph_bodies(nodes):
    return [g for n in nodes for a in n.attribute for g in [a.g] * a.HasField("g") + list(a.graphs)]


def count_ops(model):
    """How many nodes of each domain and operator there are: bodies, functions and Constants too."""
    counts, lists = collections.Counter(), [model.graph.node] + [f.node for f in model.functions]
    while lists:
        nodes = lists.pop()
        counts.update((n.domain, n.op_type) for n in nodes)
        lists += [g.node for g in graph_bodies(nodes)]
    return counts


def describe(path):
    """Nodes, those of operators that are not ONNX's, and bytes, with those of files beside it."""
    ops = count_ops(onnx.load(path, load_external_data=False))
    foreign = {".".join(op): n for op, n in ops.items() if op[0] not in ONNX_DOMAINS}
    sizes = [os.path.getsize(p) for p in (path, path + ".data", path + "_data") if os.path.exists(p)]
    return {"nodes": sum(ops.values()), "foreign": foreign, "bytes": sum(sizes)}


def session(path, optimized=True):
    """One thread, all of ONNX Runtime's optimizations or none."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def free_size(name, rank, axis, with_past, choice):
    """A size for a dynamic dim, by what the inputs of public models are called."""
    batch, seq, side = choice["batch"], choice["seq"], choice["side"]
    if axis == 0 or (name == "state" and axis == 1):
        return batch
    if with_past and rank == 2:
        return seq + 1 if "mask" in name else 1
    if name == "input" and rank == 2 and choice["audio"]:
        return CHUNK
    if rank == 4 and not with_past:
        return 3 if axis == 1 else side
    return seq


def values(random, name, shape, kind, choice):
    if kind == "?":
        return numpy.ones(shape, kind)
    if kind[0] not in "iu":
        if name == "scales":  # noise off: what is random cannot be compared
            return numpy.array([0, 1, 0], kind)
        return (random.standard_normal(shape) * (0.1 if name == "state" else 1)).astype(kind)
    if "mask" in name:
        return numpy.ones(shape, kind)
    if "type" in name:
        return numpy.zeros(shape, kind)
    if not shape:
        return numpy.array(SAMPLE_RATE, kind)
    if "length" in name:
        return numpy.full(shape, choice["seq"], kind)
    if kind == "u1" or name == "bytes":
        return random.integers(0, 255, shape).astype(kind)
    most = {"atoms": 100, "neighbors": 3, "distances": 3, "roles": 3}.get(name, choice["vocabulary"])
    return random.integers(1, most, shape).astype(kind)


def make_feeds(inputs, **choice):
    random = numpy.random.default_rng(0)
    with_past = any("past" in i.name for i in inputs)
    choice["audio"] = any(i.name == "state" for i in inputs)
    feeds = {}
    for i in inputs:
        name, rank = i.name.lower(), len(i.shape)
        shape = [d if isinstance(d, int) else free_size(name, rank, axis, with_past, choice)
                 for axis, d in enumerate(i.shape)]
        feeds[i.name] = values(random, name, shape, TYPES[i.type[len("tensor("):-1]], choice)
    return feeds


def runnable_feeds(running, **shape):
    """The first made-up inputs that the session runs, and its answer."""
    failure = None
    for vocabulary in VOCABULARIES:
        for side in SIDES:
            feeds = make_feeds(running.get_inputs(), vocabulary=vocabulary, side=side, **shape)
            try:
                return feeds, running.run(None, feeds)
            except Exception as error:  # ONNX Runtime raises several unrelated kinds
                failure = error
    raise failure
