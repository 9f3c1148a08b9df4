"""Builds models with TensorRT-RTX, a process a batch: the compiler may end its process, and the model it died on is named.

As a program it is the worker: it reads one path a line and answers one JSON line each.
"""
import json
import os
import subprocess
import sys

TIMEOUT_SECONDS = 120


def build(trt, builder, logger, path):
    """What parser and builder say of one model: None where it is taken, else the first complaint."""
    logger.errors.clear()
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(path):
        return parser.get_error(0).desc() if parser.num_errors else "the parser refuses it"
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        if -1 in tuple(tensor.shape):
            sizes = [8 if d == -1 else d for d in tensor.shape]
            profile.set_shape(tensor.name, sizes, sizes, sizes)
    config.add_optimization_profile(profile)
    if builder.build_serialized_network(network, config) is None:
        return logger.errors[0] if logger.errors else "the builder refuses it"
    return None


def worker():
    import tensorrt_rtx_bindings as trt

    class Logger(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)
            self.errors = []

        def log(self, severity, message):
            if severity <= trt.ILogger.ERROR:
                self.errors.append(message)

    logger = Logger()
    builder = trt.Builder(logger)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(build(trt, builder, logger, line.strip())) + "\n")
        answers.flush()


def probe(paths, python=sys.executable):
    """The complaint of each path, in order; a crash is one too."""
    answers, pending = [], list(paths)
    while pending:
        command = [python, os.path.abspath(__file__)]
        text = "".join(p + "\n" for p in pending)
        limit = TIMEOUT_SECONDS + 2 * len(pending)
        quiet = dict(stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            run = subprocess.run(command, input=text.encode(), timeout=limit, **quiet)
            output, status = run.stdout, run.returncode
        except subprocess.TimeoutExpired as stopped:
            output, status = stopped.stdout or b"", None
        lines = output.decode().split("\n")[:-1]
        answers += [json.loads(line) for line in lines]
        pending = pending[len(lines):]
        if pending and not (status is None and lines):
            if not lines and status == 1:
                raise SystemExit("TensorRT-RTX could not be started")
            answers.append("the compiler does not end" if status is None else f"the compiler crashed with status {status}")
            pending = pending[1:]
    return answers


if __name__ == "__main__":
    worker()
