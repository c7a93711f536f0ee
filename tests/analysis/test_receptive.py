"""Receptive fields, against published ones and against the pixels that affect an output."""

from __future__ import annotations

import io
import itertools

import numpy as np
import onnxruntime
import pytest

from resdsl.analysis.receptive import Reach, receptive_fields
from resdsl.ir.graph import Graph
from resdsl.onnx import emit_to_stream

from ..building import build, network, tensors


def last(graph: Graph) -> tuple[Reach, Reach]:
    field = receptive_fields(graph)[graph.outputs[0].node]
    assert field is not None
    return field.rows, field.columns


# Araujo, Norris and Sim 2019, table 1. Their ResNets are TF-Slim's, which stride in the last unit of a stage.
@pytest.mark.parametrize(
    ("blocks", "size"), [((3, 4, 6, 3), 483), ((3, 4, 23, 3), 1027), ((3, 8, 36, 3), 1507)], ids=["50", "101", "152"]
)
def test_resnets_see_what_was_published(blocks: tuple[int, ...], size: int) -> None:
    stages = "\n".join(
        f"{count - 1} x unit(4)\n  unit(4, stride = {1 if stage == 3 else 2})" for stage, count in enumerate(blocks)
    )
    graph = build(
        f"""
        block unit(width, stride = 1) {{
          residual {{
            a: conv(width, 1x1);  b: conv(width, 3x3, stride = stride);  c: conv(width, 1x1)
          }} shortcut projection {{ d: conv(width, 1x1, stride = stride) }}
        }}
        model net() {{
          input x: f32[N, 3, 224, 224]
          conv(4, 7x7, stride = 2);  maxpool(3x3, stride = 2)
          {stages}
          output y
        }}
        """
    )
    rows, columns = last(graph)
    assert rows.size == columns.size == size
    assert rows.stride == 32


def test_alexnet_sees_195_pixels() -> None:
    # Same table: AlexNet v2 has a receptive field of 195 at a stride of 32, after its third pool.
    graph = network(
        """conv(4, 11x11, stride = 4, pad = valid);  maxpool(3x3, stride = 2, pad = valid)
        conv(4, 5x5);  maxpool(3x3, stride = 2, pad = valid)
        conv(4, 3x3);  conv(4, 3x3);  conv(4, 3x3);  maxpool(3x3, stride = 2, pad = valid)
        output y""",
        "N, 3, 224, 224",
    )
    rows, _ = last(graph)
    assert (rows.size, rows.stride) == (195, 32)


SEEN = {
    "plain": "conv(2, 3x3);  conv(2, 3x5)",
    "strided": "conv(2, 3x3, stride = 2);  maxpool(3x3, stride = 2);  conv(2, 3x1)",
    "dilated": "conv(2, 3x3, dilation = 2);  conv(2, 2x2, dilation = 3, pad = valid)",
    "uneven padding": "conv(2, 3x3, stride = 2, pad = [0, 1, 2, 0]);  avgpool(2x2)",
    "same": "conv(2, 4x4, stride = 2, pad = same);  conv(2, 3x3, pad = same)",
    "padded apart": "pad([2, 1, 0, 0]);  conv(2, 3x3, pad = valid)",
    "branches": "concat { { conv(2, 3x3); conv(2, 3x3, stride = 2) };  maxpool(2x2, stride = 2, pad = valid) }",
    "residual": "residual { conv(3, 3x3);  conv(3, 1x5) }",
}


@pytest.mark.parametrize("kind", SEEN)
def test_the_pixels_in_the_field_are_those_that_matter(kind: str) -> None:
    size = 24
    graph = network(f"{SEEN[kind]}\n  output y", f"1, 3, {size}, {size}")
    stream = io.BytesIO()
    emit_to_stream(graph, stream, tensors(graph))
    session = onnxruntime.InferenceSession(stream.getvalue(), providers=["CPUExecutionProvider"])
    rows, columns = last(graph)
    # Weights are positive, so a pixel that is seen changes the value. Max pools: a single bright pixel shows.
    base = np.zeros((1, 3, size, size), np.float32)
    (dark,) = session.run(None, {"x": base})
    i, j = dark.shape[2] // 2, dark.shape[3] // 2
    seen = np.zeros((size, size), bool)
    for row, column in itertools.product(range(size), repeat=2):
        bright = base.copy()
        bright[:, :, row, column] = 1
        (y,) = session.run(None, {"x": bright})
        seen[row, column] = (y[0, :, i, j] != dark[0, :, i, j]).any()
    found_rows, found_columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    assert (found_rows[0], found_rows[-1]) == (rows.first + i * rows.stride, rows.last + i * rows.stride)
    assert (found_columns[0], found_columns[-1]) == (
        columns.first + j * columns.stride,
        columns.last + j * columns.stride,
    )


@pytest.mark.parametrize(
    "body",
    [
        "conv(2, 3x3);  avgpool(global)",
        "avgpool(global);  flatten;  linear(3)",
        "flatten;  linear(3)",
        "mul { identity;  { avgpool(global);  sigmoid } }",
        "conv(2, 3x3);  upsample(2)",
    ],
)
def test_a_field_without_borders_is_none(body: str) -> None:
    graph = network(f"{body}\n  output y", "1, 3, 8, 8")
    assert receptive_fields(graph)[graph.outputs[0].node] is None


def test_unknown_sizes_do_not_matter() -> None:
    body = "conv(2, 7x7, stride = 2);  maxpool(3x3, stride = 2)\n  output y"
    assert last(network(body, "N, 3, H, W")) == last(network(body, "N, 3, 64, 64"))


def test_flattening_one_pixel_sees_what_the_pixel_sees() -> None:
    graph = network("conv(4, 8x8, pad = valid);  flatten;  linear(2)\n  output y", "1, 3, 8, 8")
    assert last(graph)[0] == Reach(0, 7, 1)
