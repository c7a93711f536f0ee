"""A convolution or linear layer that takes in what was done to each channel of its input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resdsl.ir.graph import Derived, DerivedFunction, Graph, Node, Parameter
from resdsl.ops.conv import Conv
from resdsl.ops.linear import Linear
from resdsl.ops.windows import sides

if TYPE_CHECKING:
    import numpy as np

ChannelMap = Callable[..., "tuple[np.ndarray, np.ndarray]"]
"""From its operands to ``scale`` and ``shift``, one number each for every channel of the input, in double precision."""


@dataclass(frozen=True)
class ScaledWeight(DerivedFunction):
    """``W'[o, c] = W[o, c] * scale[g(o) + c]``: of ``W (scale * x + shift)``, what multiplies ``x``.

    ``g(o)`` is the first channel of the group of ``o``. The operands are ``W`` and those of ``channels``. With
    ``reverse`` the channels of ``W`` are turned around afterwards.
    """

    name: str
    channels: ChannelMap
    groups: int = 1
    reverse: bool = False

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        weight, *operands = arrays
        scale, _ = self.channels(*operands)
        result: np.ndarray = (weight * _for_each(scale, weight, self.groups)).astype(weight.dtype)
        return result[:, ::-1] if self.reverse else result


@dataclass(frozen=True)
class ShiftedBias(DerivedFunction):
    """``b'[o] = b[o] + sum_{c, u, v} W[o, c, u, v] * shift[g(o) + c]``, which is exact where no padding is added.

    The operands are ``W``, ``b`` if there is one, and those of ``channels``.
    """

    name: str
    channels: ChannelMap
    biased: bool
    groups: int = 1

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        weight, *rest = arrays
        _, shift = self.channels(*rest[self.biased :])
        axes = tuple(range(1, weight.ndim))
        added = (weight * _for_each(shift, weight, self.groups)).sum(axis=axes)
        result: np.ndarray = (added + (rest[0] if self.biased else 0)).astype(weight.dtype)
        return result


def _for_each(values: np.ndarray, weight: np.ndarray, groups: int) -> np.ndarray:
    """``values``, one for each input channel, in the shape ``[out, in / groups, 1, ..]`` of a kernel."""
    import numpy as np  # passes are listed and printed without it

    rows = np.repeat(values.reshape(groups, -1), weight.shape[0] // groups, axis=0)
    return rows.reshape(*rows.shape, *(1,) * (weight.ndim - 2))


def takes_a_shift(graph: Graph, layer: Node) -> bool:
    """Whether a constant in each channel of the layer's input is a constant in its result, up to the borders."""
    match layer.operator:
        case Linear():
            return True
        case Conv() as conv:
            (x,) = graph.input_types(layer)
            return not any(sides(conv.pad, x, conv.kernel, conv.stride, conv.dilation))
    return False


def scaled(
    graph: Graph,
    layer: Node,
    name: str,
    channels: ChannelMap,
    operands: tuple[Parameter, ...],
    *,
    reverse: bool = False,
) -> Parameter:
    """The layer's weight after it took in ``scale``."""
    weight = graph.parameters_of(layer)[0]
    function = ScaledWeight(f"{name}.weight", channels, _groups(layer), reverse)
    return replace(weight, source=Derived(function, (weight, *operands)))


def shifted(graph: Graph, layer: Node, name: str, channels: ChannelMap, operands: tuple[Parameter, ...]) -> Parameter:
    """The layer's bias after it took in ``shift``."""
    weight, *bias = graph.parameters_of(layer)
    function = ShiftedBias(f"{name}.bias", channels, bool(bias), _groups(layer))
    source = Derived(function, (weight, *bias, *operands))
    return Parameter(f"{layer.path}.bias", (weight.shape[0],), weight.dtype, True, source, layer.index)


def _groups(layer: Node) -> int:
    return layer.operator.groups if isinstance(layer.operator, Conv) else 1
