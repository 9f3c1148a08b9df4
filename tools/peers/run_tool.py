#!/usr/bin/env python3
"""Runs one optimizer on one model: run_tool.py TOOL MODEL OUT

Each tool is a generator: it imports, yields, and does the work. The last line printed is `imports SECONDS`, the CPU
seconds until the yield.
"""
import os
import sys


def save(onnx, model, out):
    try:
        onnx.save(model, out)
    except ValueError:  # past protobuf's 2 GiB
        onnx.save(model, out, save_as_external_data=True, location=os.path.basename(out) + ".data")


def onnxsim(model, out):
    import onnx
    import onnxsim
    yield
    simplified, _ = onnxsim.simplify(model)
    save(onnx, simplified, out)


def onnxslim(model, out):
    import onnxslim
    yield
    onnxslim.slim(model, out)


def onnxoptimizer(model, out):
    import onnx
    import onnxoptimizer
    yield
    passes = onnxoptimizer.get_fuse_and_elimination_passes()
    save(onnx, onnxoptimizer.optimize(onnx.load(model), passes, fixed_point=True), out)


def onnxscript(model, out):
    import onnx
    from onnxscript import optimizer
    yield
    save(onnx, optimizer.optimize(onnx.load(model)), out)


def onnxscript_rewriter(model, out):
    import onnx
    from onnxscript import optimizer, rewriter
    yield
    save(onnx, optimizer.optimize(rewriter.rewrite(optimizer.optimize(onnx.load(model)))), out)


def ort_offline(model, out, level):
    import onnxruntime
    yield
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = out
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def ort_basic(model, out):
    return ort_offline(model, out, "ORT_ENABLE_BASIC")


def ort_extended(model, out):
    return ort_offline(model, out, "ORT_ENABLE_EXTENDED")


def ort_all(model, out):
    return ort_offline(model, out, "ORT_ENABLE_ALL")


def ort_transformers(model, out):
    from onnxruntime.transformers import optimizer
    yield
    name = os.path.basename(model)
    kind = next((kind for kind in ("gpt2", "vit", "swin", "t5") if name.startswith(kind)), "bert")
    # Without the passes that ONNX Runtime does again when it loads the result: they would want PyTorch.
    done = optimizer.optimize_model(model, model_type=kind, num_heads=0, hidden_size=0, opt_level=0)
    done.save_model_to_file(out)


TOOLS = {f.__name__: f for f in (
    onnxsim, onnxslim, onnxoptimizer, onnxscript, onnxscript_rewriter, ort_basic, ort_extended, ort_all,
    ort_transformers)}


def main():
    steps = TOOLS[sys.argv[1]](*sys.argv[2:4])
    next(steps)
    imports = sum(os.times()[:2])
    for _ in steps:
        pass
    print("\nimports %.3f" % imports)


if __name__ == "__main__":
    main()
