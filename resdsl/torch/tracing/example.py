"""The input that a module is traced with, where none is given: one image as large as its authors had it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from resdsl.diagnostics import CompileError, catalogue
from resdsl.untrusted import printable

_SIDE = 224
_BATCH = 2
"""A size of 1 would be taken for one that is always 1."""

InputShape = Sequence[int | str]


def example_of(shape: InputShape, seed: int) -> tuple[torch.Tensor, tuple[int, ...]]:
    """An input of this shape, and the axes whose size stays open: those that are names instead of numbers."""
    sizes = [size if isinstance(size, int) else _SIDE if axis else _BATCH for axis, size in enumerate(shape)]
    free = tuple(axis for axis, size in enumerate(shape) if isinstance(size, str))
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed)), free


def usual_shape(module: nn.Module, called: str) -> InputShape:
    """The shape that a module is made for, with any number of images.

    That is what timm notes in a model; else 224 x 224 pixels for a module that begins with a convolution or a norm, and
    a vector for one that begins with a linear layer. Raises ``CompileError`` for any other.
    """
    for name in ("pretrained_cfg", "default_cfg"):
        noted = getattr(module, name, None)
        size = noted.get("input_size") if isinstance(noted, dict) else None
        if isinstance(size, tuple) and all(isinstance(one, int) for one in size):
            return ("N", *size)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            return ("N", layer.in_channels, _SIDE, _SIDE)
        if isinstance(layer, nn.BatchNorm2d):
            return ("N", layer.num_features, _SIDE, _SIDE)
        if isinstance(layer, nn.Linear):
            return ("N", layer.in_features)
    raise CompileError.of(
        catalogue.COMMAND_LINE,
        f"`{printable(called)}` does not say what it takes: it has no convolution, norm or linear layer",
        helps=("state the shape of its input, such as `--input N,3,224,224`",),
    )
