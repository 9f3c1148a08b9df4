# Builds argv[1] with the first of the modules argv[3:] and writes what came of it to argv[2]; status 77 where none is there.
# Where argv[1] is empty, that is all that is found out.
import importlib
import json
import re
import sys

model, answer, modules = sys.argv[1], sys.argv[2], sys.argv[3:]
for name in modules:
    try:
        trt = importlib.import_module(name)
        break
    except ImportError:
        continue
else:
    sys.exit(77)
if not model:
    sys.exit(0)


class Logger(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
        self.errors, self.layers = [], []

    def log(self, severity, message):
        if severity <= trt.ILogger.ERROR:
            self.errors.append(message)
        self.layers += LAYER.findall(message)


# A layer of the engine as the compiler lists it at the end: name, kind, and all else.
LAYER = re.compile(r"^Name: (.+?), LayerType: (\S+), Inputs: (.*)$", re.MULTILINE)
# Layers that it generates compute products only where their names say so.
GENERATED = re.compile(r"Corr|Gemm|Fc|Matr")


def int8_nodes(layers):
    """Nodes of the model whose products a layer computes of Int8 constants."""
    nodes = set()
    for name, kind, rest in layers:
        inputs, _, rest = rest.partition("Constants: [")
        constants = rest.partition("], Outputs: [")[0]
        generated = kind == "kgen"
        takes = bool(GENERATED.search(name)) if generated else "Datatype: Int8" in inputs
        if takes and "Datatype: Int8" in constants:
            nodes.update(re.findall(r"\[ONNX Layer: ([^\]]*)\]", rest))
    return sorted(nodes)


# What a dynamic dim is where nothing is fixed.
SIZE = 8

logger = Logger()
builder = trt.Builder(logger)
network = builder.create_network(0)
parser = trt.OnnxParser(network, logger)
errors, plan, profiles = [], None, {}
parsed = parser.parse_from_file(model)
for i in range(parser.num_errors):
    e = parser.get_error(i)
    errors.append("node %d '%s' [%s]: %s" % (e.node(), e.node_name(), e.node_operator(), e.desc()))
if parsed:
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    profile = builder.create_optimization_profile()
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        shape = tuple(tensor.shape)
        if -1 in shape:
            size = [SIZE if d == -1 else d for d in shape]
            profile.set_shape(tensor.name, size, size, size)
            profiles[tensor.name] = size
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    errors += [] if plan is not None else logger.errors[:10]
with open(answer, "w") as f:
    compiler = "%s %s" % (trt.__name__, trt.__version__)
    answer = dict(compiler=compiler, built=plan is not None, errors=errors, profile=profiles)
    if plan is not None and logger.layers:
        answer.update(layers=len(logger.layers), int8_nodes=int8_nodes(logger.layers))
    json.dump(answer, f)
