#!/usr/bin/env python3
"""Builds a model with TensorRT-RTX, which needs no GPU for that: build_engine.py MODEL SHAPES

SHAPES is JSON: the shape of each input by name, at which dynamic dims are built. Prints one line of JSON: `built`, and
`layers` of the engine or the first `error`. Runs in the venv of `install.py WORK rtx`.
"""
import json
import re
import sys

import tensorrt_rtx_bindings as trt


LAYER = re.compile(r"^Name: .+?, LayerType: ", re.MULTILINE)


class Logger(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
        self.errors, self.layers = [], 0

    def log(self, severity, message):
        if severity <= trt.ILogger.ERROR:
            self.errors.append(message)
        self.layers += len(LAYER.findall(message))


def profile_of(builder, network, shapes):
    profile, dynamic = builder.create_optimization_profile(), False
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        if -1 in tuple(tensor.shape):
            profile.set_shape(tensor.name, *[shapes[tensor.name]] * 3)
            dynamic = True
    return profile if dynamic else None


def build(path, shapes):
    """Layers of the engine as its inspector lists them, or the first complaint."""
    logger = Logger()
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(path):
        return {"built": False, "error": parser.get_error(0).desc() if parser.num_errors else "refused by the parser"}
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    profile = profile_of(builder, network, shapes)
    if profile:
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        return {"built": False, "error": (logger.errors or ["refused by the builder"])[0]}
    return {"built": True, "layers": logger.layers}


def main():
    print(json.dumps(build(sys.argv[1], json.loads(sys.argv[2]))), flush=True)


if __name__ == "__main__":
    main()
