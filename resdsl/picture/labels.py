"""The labels of boxes, as in papers: ``3x3 conv, 64, /2`` (He et al. 2015, figure 3)."""

from __future__ import annotations

from resdsl.ir.dims import Dim
from resdsl.ir.operator import Operator
from resdsl.ir.print import describe
from resdsl.ir.types import TensorType


def layer_label(operator: Operator) -> str:
    """The text of an operator's box: ``7x7 conv, 64, /2``, ``avg pool``, ``fc 1000``; by default its call."""
    return operator.label() or describe(operator)


def size_label(type: TensorType) -> str:
    """Height and width of an image, one number if they are equal: ``112``, ``8x16``; ``1`` for a vector."""
    rows, columns = spatial(type)
    if rows == columns:
        return str(rows)
    return f"{rows}x{columns}" if isinstance(rows, int) and isinstance(columns, int) else f"{rows} x {columns}"


def spatial(type: TensorType) -> tuple[Dim, Dim]:
    """Height and width of an image; a vector is one pixel."""
    return (type.shape[2], type.shape[3]) if type.rank == 4 else (1, 1)


def shape_label(type: TensorType) -> str:
    """A shape without the batch dimension, channels last, as in papers: ``56 x 56 x 256``, ``1000``."""
    rest = type.shape[1:]
    return " x ".join(str(dim) for dim in (*rest[1:], rest[0])) if rest else str(type)
