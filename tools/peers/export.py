#!/usr/bin/env python3
"""Exports the models of nets.py from both PyTorch exporters.

    tools/peers/export.py WORK [NAME ..]

Writes WORK/models/NAME.ts.onnx (TorchScript's exporter, opset 17) and NAME.dyn.onnx (the dynamo exporter at its
own opset), all of them when no NAME is given; 6.5 GB in 15 minutes on one core. What is there is left alone.
Needs `install.py WORK export`; runs itself there.
"""
import argparse
import os
import sys
import time
import warnings

import venvs

venvs.enter("export")

import torch
from nets import NETS, Wrap

TORCHSCRIPT_OPSET = 17


def export_torchscript(net, path):
    dynamic = dict(net.dynamic, **{name: {0: "batch"} for name in net.outputs})
    torch.onnx.export(net.module, net.example, path, input_names=net.inputs, output_names=net.outputs,
                      dynamic_axes=dynamic, opset_version=TORCHSCRIPT_OPSET, dynamo=False)


def export_dynamo(net, path):
    shapes = tuple({axis: torch.export.Dim.DYNAMIC for axis in net.dynamic.get(name, {})} for name in net.inputs)
    # The exporter would take a batch of 1 for a constant.
    example = tuple(t if t.shape[0] != 1 else torch.cat([t, t]) for t in net.example)
    torch.onnx.export(net.module, example, path, input_names=net.inputs, output_names=net.outputs,
                      dynamic_shapes=(shapes,) if isinstance(net.module, Wrap) else shapes, dynamo=True,
                      external_data=False, optimize=True, verbose=False)


def export(name, kind, path):
    torch.manual_seed(0)
    net = NETS[name]()
    part = path + ".part"
    try:
        with torch.no_grad():
            {"ts": export_torchscript, "dyn": export_dynamo}[kind](net, part)
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of: %s" % ", ".join(NETS))
    arguments = parser.parse_args()
    if set(arguments.names) - set(NETS):
        parser.error("no such model: %s" % ", ".join(sorted(set(arguments.names) - set(NETS))))
    folder = os.path.join(arguments.work, "models")
    os.makedirs(folder, exist_ok=True)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    # TorchScript's exporter does not know the fast path's operator.
    torch.backends.mha.set_fastpath_enabled(False)
    failed = 0
    for name in arguments.names or NETS:
        for kind in ("ts", "dyn"):
            path, begin = os.path.join(folder, "%s.%s.onnx" % (name, kind)), time.process_time()
            if os.path.exists(path):
                continue
            try:
                export(name, kind, path)
                took = time.process_time() - begin
                print("%s.%s: %d bytes, %.1f CPU s" % (name, kind, os.path.getsize(path), took), flush=True)
            except Exception as error:  # an exporter's fault must not keep the others from being exported
                failed += 1
                print("%s.%s: FAILED: %s: %s" % (name, kind, type(error).__name__, str(error)[:600]), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
