"""Builds models with TensorRT-RTX in a process of its own, which the compiler may end.

As a program it is the worker: it reads one path a line and answers one JSON line each.
"""
import json
import os
import select
import subprocess
import sys

TIMEOUT_SECONDS = 300
NOT_INSTALLED = 77


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
    try:
        import tensorrt_rtx_bindings as trt
    except ImportError:
        sys.exit(NOT_INSTALLED)

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


class Compiler:
    """The compiler in a process that is started anew whenever it has ended."""

    def __init__(self):
        self.process = None

    def start(self):
        command = [sys.executable, os.path.abspath(__file__)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def ask(self, path):
        """The complaint about a model, None where it builds; a crash is one too."""
        if self.process is None:
            self.start()
        self.process.stdin.write(path.encode() + b"\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], TIMEOUT_SECONDS)
        line = self.process.stdout.readline() if ready else b""
        if line:
            return json.loads(line)
        if not ready:
            self.process.kill()
        status = self.process.wait()
        self.process = None
        if status == NOT_INSTALLED:
            raise SystemExit("TensorRT-RTX is not installed")
        return f"the compiler crashed with status {status}" if ready else "the compiler does not end"

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()


if __name__ == "__main__":
    worker()
