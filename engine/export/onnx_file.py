"""The network as an ONNX file, with any number of pictures at once."""

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

OPSET = 18


def write_onnx(model: nn.Module, size: int, path: Path, half: bool) -> None:
    """Write `model` to `path`: x (N, 3, size, size) float32, t (N,) int64 → output (N, 3, size, size) float32.

    half: the weights are stored as float16 and made float32 when they are used: half the bytes, the same arithmetic.
    """
    x, t = torch.zeros(2, 3, size, size), torch.zeros(2, dtype=torch.int64)
    n = torch.export.Dim("n", min=1)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _quiet():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            (x, t),
            input_names=["x", "t"],
            output_names=["output"],
            dynamic_shapes=({0: n}, {0: n}),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    made = program.model_proto
    _strip(made)
    if half:
        halve(made)
    path.write_bytes(made.SerializeToString())


@contextlib.contextmanager
def _quiet() -> Any:
    """Silence the exporter's messages for its developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _strip(model: Any) -> None:
    """Drop the exporter's notes for its developers: stack traces, with the paths of this machine in them."""
    for thing in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del thing.metadata_props[:]
        thing.doc_string = ""
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.value_info[:]


def halve(model: Any) -> None:
    """Store each float32 weight as float16 with a cast behind it."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        name, stored = tensor.name, f"{tensor.name}.half"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
