"""Let the network itself make its input of raw images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import Dim, symbol
from resdsl.ir.graph import Graph
from resdsl.ir.operator import Operator, Refusal
from resdsl.ir.preprocess import Crop, Normalize, Preprocess, Resize
from resdsl.ir.types import DType, TensorType
from resdsl.ops.crop_pixels import CropPixels
from resdsl.ops.input import Input
from resdsl.ops.normalize_pixels import NormalizePixels
from resdsl.ops.resize_pixels import INTERPOLATIONS, ResizePixels
from resdsl.passes.rewriting import Rewriting


def embed_preprocess(graph: Graph) -> Graph:
    """Put the steps of ``preprocess`` into the graph, whose input becomes bytes ``u8[N, rows, columns, C]``.

    The images of a batch are of one size, which is open; N and C are those of the network's own input. Resizing and
    cropping work on bytes, as Pillow does; normalising is ``(x * scale / 255 - mean) / std``. The result has no
    ``preprocess`` any more. Open sizes of the network that the preprocessing decides become numbers.

    Raises ``Refusal`` for a graph without preprocessing, for an interpolation that ONNX does not have (Lanczos), and
    for a size that the network does not take.
    """
    preprocess = graph.preprocess
    if preprocess is None:
        raise Refusal(
            catalogue.EMBED,
            f"`{graph.name}` does not say how an image becomes its input",
            helps=("write `preprocess { resize(..); crop(..); normalize(..) }` in its specification",),
        )
    wanted = graph.input.type
    rewriting = Rewriting(graph)
    pixels = TensorType(DType.U8, (wanted.shape[0], *_open_size(preprocess, wanted), wanted.channels))
    value = rewriting.keep(graph.input, Input(pixels), [])
    for name, operator in _operators(preprocess, pixels):
        value = rewriting.put(operator, [value], f"preprocess.{name}", beside=graph.input)
    _require(graph, rewriting.nodes[value].type)
    rewriting.of[graph.input.index] = value
    for node in graph.nodes[1:]:
        rewriting.keep(node)
    return replace(rewriting.finish({}, graph.parameters.values()), preprocess=None)


def _open_size(preprocess: Preprocess, wanted: TensorType) -> tuple[Dim, Dim]:
    """What the sides of a raw image are called: as the network's own where no step changes them."""
    if any(isinstance(step, Resize | Crop) for step in preprocess.steps):
        return symbol("rows"), symbol("columns")
    return wanted.shape[2], wanted.shape[3]


def _operators(preprocess: Preprocess, pixels: TensorType) -> Iterator[tuple[str, Operator]]:
    """The operators of all steps, with their names. What no step normalises has white at 1."""
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
    yield "normalize", _normalizing(normalize, pixels)


def _name(preprocess: Preprocess, number: int) -> str:
    """``resize``, or ``resize_2`` for the second."""
    kinds = [type(step).__name__.lower() for step in preprocess.steps]
    count = kinds[: number + 1].count(kinds[number])
    return f"{kinds[number]}_{count}" if count > 1 else kinds[number]


def _normalizing(step: Normalize, pixels: TensorType) -> NormalizePixels:
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
                "leave `--embed-preprocess` out, and let `resdsl predict` prepare the images",
                f"the interpolations that it has are {', '.join(f'`{name}`' for name in INTERPOLATIONS)}",
            ),
        )


def _require(graph: Graph, made: TensorType) -> None:
    """The network must take what the steps make."""
    wanted = graph.input.type
    misfits = [
        (side, size)
        for side, size in zip(wanted.shape[2:], made.shape[2:], strict=True)
        if isinstance(side, int) and side != size
    ]
    if misfits:
        sides = " x ".join(str(side) for side in made.shape[2:])
        raise Refusal(
            catalogue.EMBED,
            f"preprocessing makes images of {sides}, and `{graph.name}` takes {wanted}",
            helps=(
                f"let `preprocess` end with `crop({misfits[0][0]})`, or leave the input's size open: `f32[N, 3, H, W]`",
            ),
        )
