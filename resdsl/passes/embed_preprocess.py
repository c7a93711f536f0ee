"""Put preprocessing into the network, so that it takes raw images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.ir.dims import Dim, symbol
from resdsl.ir.graph import Graph
from resdsl.ir.operator import Operator, Refusal
from resdsl.ir.preprocess import Crop, Normalize, Preprocess, Resize
from resdsl.ir.types import DType, TensorType
from resdsl.ops.crop_pixels import CropPixels
from resdsl.ops.input import Input
from resdsl.ops.normalize_pixels import NormalizePixels
from resdsl.ops.resize_pixels import INTERPOLATIONS, ResizePixels
from resdsl.passes.rewrite import Rewrite


def embed_preprocess(graph: Graph) -> Graph:
    """Put the steps of ``preprocess`` into the graph, whose input becomes bytes ``u8[N, rows, columns, C]``.

    The images of a batch have one size, which is open; N and C are those of the network's own input. Resizing and
    cropping work on bytes, as Pillow does; normalising is ``(x * scale / 255 - mean) / std``. The result has no
    ``preprocess``. Open sizes of the network that the preprocessing decides become numbers.

    Refused (raises ``Refusal``): a graph without preprocessing, an interpolation that ONNX does not have (Lanczos), and
    a size that the network does not take.
    """
    preprocess = graph.preprocess
    if preprocess is None:
        raise Refusal(
            catalogue.EMBED,
            f"`{graph.name}` does not say how an image becomes its input",
            helps=("write `preprocess { resize(..); crop(..); normalize(..) }` in its specification",),
        )
    expected = graph.input.type
    pixels = TensorType(DType.U8, (expected.shape[0], *_open_size(preprocess, expected), expected.channels))
    rewrite = Rewrite(graph)
    rewrite.retype(graph.input, Input(pixels), [])
    value = graph.input.index
    for name, operator in _operators(preprocess, pixels):
        value = rewrite.insert(operator, [value], f"preprocess.{name}", after=graph.input)
    _require_size(graph, rewrite.type_of(value))
    rewrite.substitute(graph.input, value)
    for node in graph.nodes[1:]:
        rewrite.retype(node, node.operator, [value if read == graph.input.index else read for read in node.inputs])
    return replace(rewrite.apply(), preprocess=None)


def _open_size(preprocess: Preprocess, expected: TensorType) -> tuple[Dim, Dim]:
    """Names for the sides of a raw image: the network's own where no step changes them."""
    if any(isinstance(step, Resize | Crop) for step in preprocess.steps):
        return symbol("rows"), symbol("columns")
    return expected.shape[2], expected.shape[3]


def _operators(preprocess: Preprocess, pixels: TensorType) -> Iterator[tuple[str, Operator]]:
    """The operators of all steps, with their names. Without a step that normalises, white is 1."""
    shortest = 1
    normalize = Normalize((0.0,), (1.0,))
    for number, step in enumerate(preprocess.steps):
        match step:
            case Resize():
                _require_interpolation(step)
                rows, columns = (symbol(f"resized_{side}{number or ''}") for side in ("rows", "columns"))
                yield _name(preprocess, number), ResizePixels(step.size, step.interpolation, step.fit, rows, columns)
                shortest = step.size
            case Crop():
                yield _name(preprocess, number), CropPixels(step.size, fits=shortest >= step.size)
                shortest = step.size
            case Normalize():
                normalize = step
            case _:
                assert_never(step)
    yield "normalize", _normalize_operator(normalize, pixels)


def _name(preprocess: Preprocess, number: int) -> str:
    """``resize``, or ``resize_2`` for the second."""
    kinds = [type(step).__name__.lower() for step in preprocess.steps]
    count = kinds[: number + 1].count(kinds[number])
    return f"{kinds[number]}_{count}" if count > 1 else kinds[number]


def _normalize_operator(step: Normalize, pixels: TensorType) -> NormalizePixels:
    channels = pixels.shape[3]
    assert isinstance(channels, int)
    mean, std = (values * channels if len(values) == 1 else values for values in (step.mean, step.std))
    return NormalizePixels(255 / step.scale, mean, std, step.order == "bgr")


def _require_interpolation(step: Resize) -> None:
    if step.interpolation not in INTERPOLATIONS:
        raise Refusal(
            catalogue.EMBED,
            f"ONNX has no `{step.interpolation}` interpolation, so the model cannot resize images as it was trained to",
            helps=(
                Text("leave ", Option("embed_preprocess"), " out, and let `resdsl predict` prepare the images"),
                f"the interpolations that it has are {', '.join(f'`{name}`' for name in INTERPOLATIONS)}",
            ),
        )


def _require_size(graph: Graph, prepared: TensorType) -> None:
    """Refuse images of a size that the network does not take."""
    expected = graph.input.type
    misfits = [
        (side, size)
        for side, size in zip(expected.shape[2:], prepared.shape[2:], strict=True)
        if isinstance(side, int) and side != size
    ]
    if misfits:
        sides = " x ".join(str(side) for side in prepared.shape[2:])
        raise Refusal(
            catalogue.EMBED,
            f"preprocessing makes images of {sides}, and `{graph.name}` takes {expected}",
            helps=(
                f"let `preprocess` end with `crop({misfits[0][0]})`, or leave the input's size open: `f32[N, 3, H, W]`",
            ),
        )
