"""Folding what happens to each channel into the convolution or linear layer before or behind it.

A batch norm and the normalisation of images are both ``y = scale * (x - center) + shift`` with one number for each
channel. What that makes of a layer's weights is written here once, for both sides of the layer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from resdsl.ir.graph import Derived, DerivedFunction, Graph, Node, Parameter
from resdsl.ops.conv import Conv
from resdsl.ops.linear import Linear
from resdsl.ops.windows import sides

if TYPE_CHECKING:
    import numpy as np


class Channels(NamedTuple):
    """The numbers of a channel map, in double precision."""

    scale: np.ndarray
    center: np.ndarray
    shift: np.ndarray


class ChannelMap(Protocol):
    """Computes ``Channels`` from operands, such as the tensors of a batch norm. Compared and hashed by value."""

    def __call__(self, *operands: np.ndarray) -> Channels: ...


@dataclass(frozen=True)
class BatchNormMap:
    """A batch norm: ``scale = gamma / sqrt(var + eps)``, ``center = mean``, ``shift = beta``.

    The operands are its tensors in the order of a state dict; without ``affine`` gamma is 1 and beta 0.
    """

    eps: float
    affine: bool

    def __call__(self, *operands: np.ndarray) -> Channels:
        import numpy as np  # passes are listed and printed without it

        *learned, mean, variance = (array.astype(np.float64) for array in operands)
        gamma, beta = learned if self.affine else (np.ones_like(mean), np.zeros_like(mean))
        return Channels(gamma / np.sqrt(variance + self.eps), mean, beta)


@dataclass(frozen=True)
class OutputWeight(DerivedFunction):
    """``W'[o] = W[o] * scale[o]``, for a map of what the layer returns. The operands are ``W`` and those of the map."""

    name: str
    channels: ChannelMap
    rowwise = True

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        import numpy as np

        weight, *operands = arrays
        scale = self.channels(*operands).scale.reshape(-1, *(1 for _ in weight.shape[1:]))
        # Multiplied in double precision and rounded once, a few numbers at a time: NumPy makes no large copy.
        result: np.ndarray = np.multiply(weight, scale, out=np.empty_like(weight), casting="same_kind")
        return result


@dataclass(frozen=True)
class OutputBias(DerivedFunction):
    """``b'[o] = shift[o] + (b[o] - center[o]) * scale[o]``.

    The operands are ``b`` if the layer has one (``biased``), and those of the map.
    """

    name: str
    channels: ChannelMap
    biased: bool
    rowwise = True

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        scale, center, shift = self.channels(*arrays[self.biased :])
        bias = arrays[0].astype(center.dtype) if self.biased else 0.0
        result: np.ndarray = (shift + (bias - center) * scale).astype(arrays[-1].dtype)
        return result


@dataclass(frozen=True)
class InputWeight(DerivedFunction):
    """``W'[o, c] = W[o, c] * scale[g(o) + c]``, for a map of what the layer reads.

    ``g(o)`` is the first channel of the group of ``o``. The operands are ``W`` and those of the map. With ``reverse``
    the channels of ``W'`` are reversed.
    """

    name: str
    channels: ChannelMap
    groups: int = 1
    reverse: bool = False

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        weight, *operands = arrays
        scale = _by_input_channel(self.channels(*operands).scale, weight, self.groups)
        result: np.ndarray = (weight * scale).astype(weight.dtype)
        return result[:, ::-1] if self.reverse else result


@dataclass(frozen=True)
class InputBias(DerivedFunction):
    """``b'[o] = b[o] + sum_{c, u, v} W[o, c, u, v] * t[g(o) + c]`` with ``t = shift - center * scale``.

    Exact where the layer pads nothing. The operands are ``W``, ``b`` if the layer has one (``biased``), and those of
    the map.
    """

    name: str
    channels: ChannelMap
    biased: bool
    groups: int = 1

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        weight, *rest = arrays
        scale, center, shift = self.channels(*rest[self.biased :])
        constant = _by_input_channel(shift - center * scale, weight, self.groups)
        added = (weight * constant).sum(axis=tuple(range(1, weight.ndim)))
        result: np.ndarray = (added + (rest[0] if self.biased else 0)).astype(weight.dtype)
        return result


def _by_input_channel(values: np.ndarray, weight: np.ndarray, groups: int) -> np.ndarray:
    """``values``, one for each input channel, in the shape ``[out, in / groups, 1, ..]`` of a kernel."""
    import numpy as np

    rows = np.repeat(values.reshape(groups, -1), weight.shape[0] // groups, axis=0)
    return rows.reshape(*rows.shape, *(1,) * (weight.ndim - 2))


def ignores_borders(graph: Graph, layer: Node) -> bool:
    """Whether a constant added to the layer's input adds a constant to its result: it pads nothing."""
    match layer.operator:
        case Linear():
            return True
        case Conv() as conv:
            (x,) = graph.input_types(layer)
            return not any(sides(conv.pad, x, conv.kernel, conv.stride, conv.dilation))
    return False


def fold_after(
    graph: Graph, layer: Node, name: str, channels: ChannelMap, operands: tuple[Parameter, ...]
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a layer that does what ``channels`` did to its result."""
    weight, *bias = graph.parameters_of(layer)
    return (
        replace(weight, source=Derived(OutputWeight(f"{name}.weight", channels), (weight, *operands))),
        _bias(layer, weight, Derived(OutputBias(f"{name}.bias", channels, bool(bias)), (*bias, *operands))),
    )


def fold_before(
    graph: Graph,
    layer: Node,
    name: str,
    channels: ChannelMap,
    operands: tuple[Parameter, ...],
    *,
    reverse: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a layer that does what ``channels`` did to its input.

    The bias is right only where ``ignores_borders``.
    """
    weight, *bias = graph.parameters_of(layer)
    groups = layer.operator.groups if isinstance(layer.operator, Conv) else 1
    new_weight = Derived(InputWeight(f"{name}.weight", channels, groups, reverse), (weight, *operands))
    new_bias = Derived(InputBias(f"{name}.bias", channels, bool(bias), groups), (weight, *bias, *operands))
    return replace(weight, source=new_weight), _bias(layer, weight, new_bias)


def _bias(layer: Node, weight: Parameter, source: Derived) -> Parameter:
    return Parameter(f"{layer.path}.bias", (weight.shape[0],), weight.dtype, True, source, layer.index)
