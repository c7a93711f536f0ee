"""Fold a batch norm into the convolution or linear layer behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resdsl.ir.graph import Graph, Parameter
from resdsl.ir.operator import Operator
from resdsl.ops.bn import BatchNorm
from resdsl.ops.conv import Conv
from resdsl.ops.linear import Linear
from resdsl.passes.input_scaling import scaled, shifted, takes_a_shift
from resdsl.passes.readers import Readers
from resdsl.passes.rebuild import Changes, rebuild

if TYPE_CHECKING:
    import numpy as np

_NAME = "fold_batch_norm_forward"


def fold_batch_norm_forward(graph: Graph) -> Graph:
    """Make of ``y = W (scale * x + shift) + b``, where a batch norm gives ``scale = gamma / sqrt(var + eps)`` and
    ``shift = beta - mean * scale``::

        W'[o, c] = W[o, c] * scale[c]
        b'[o] = b[o] + sum_{c, u, v} W[o, c, u, v] * shift[c]

    The norm goes; the layer keeps its name and gets a bias. Computed in double precision when it is asked for.

    Refused: a convolution that pads, as the zeros around the norm's result are not the norm of zeros (at the border
    fewer ``shift`` would have to be added); anything between the two, such as the ``relu`` of a pre-activation block or
    of DenseNet, as ``max(scale * x + shift, 0)`` is no multiple of ``max(x, 0)``; a norm that something else reads too.
    """
    readers = Readers(graph)
    gone: dict[int, int | None] = {}
    operators: dict[int, Operator] = {}
    weights: dict[int, tuple[Parameter, ...]] = {}
    for norm in graph.nodes:
        layer = readers.only(norm) if isinstance(norm.operator, BatchNorm) else None
        if layer is None or not isinstance(layer.operator, Conv | Linear) or not takes_a_shift(graph, layer):
            continue
        assert isinstance(norm.operator, BatchNorm)
        channels = NormOfChannels(norm.operator.eps, norm.operator.affine)
        statistics = graph.parameters_of(norm)
        gone[norm.index] = norm.inputs[0]
        operators[layer.index] = replace(layer.operator, bias=True)
        weights[layer.index] = (
            scaled(graph, layer, _NAME, channels, statistics),
            shifted(graph, layer, _NAME, channels, statistics),
        )
    return rebuild(graph, Changes(gone, operators, weights))


@dataclass(frozen=True)
class NormOfChannels:
    """A batch norm as ``scale`` and ``shift``; the operands are its tensors in their order."""

    eps: float
    affine: bool

    def __call__(self, *statistics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np  # passes are listed and printed without it

        *learned, mean, variance = (array.astype(np.float64) for array in statistics)
        scale = 1 / np.sqrt(variance + self.eps)
        shift = np.zeros_like(mean)
        if self.affine:
            gamma, shift = learned
            scale = gamma * scale
        return scale, shift - mean * scale
