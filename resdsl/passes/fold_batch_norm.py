"""Fold a batch norm into the convolution or linear layer before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resdsl.ir.graph import Derived, DerivedFunction, Graph, Node, Parameter
from resdsl.ir.operator import Operator
from resdsl.ops.bn import BatchNorm
from resdsl.ops.conv import Conv
from resdsl.ops.linear import Linear
from resdsl.passes.rebuild import Changes, rebuild

if TYPE_CHECKING:
    import numpy as np


def fold_batch_norm(graph: Graph) -> Graph:
    """Make of ``y = gamma * (W x + b - mean) / sqrt(var + eps) + beta`` (Ioffe & Szegedy 2015, algorithm 2)::

        W' = W * gamma / sqrt(var + eps)
        b' = beta + (b - mean) * gamma / sqrt(var + eps)

    for each channel of the result. The layer keeps its name and gets a bias, the batch norm goes. The new weights are
    computed when they are asked for, in double precision, one tensor at a time.

    Refused: a layer whose value something else reads too, or which is an output, as that would see the scaled value;
    a batch norm after anything but a convolution or linear layer (in a pre-activation block it comes first).
    """
    readers = Counter(read for node in graph.nodes for read in node.inputs)
    readers.update(output.node for output in graph.outputs)
    gone: dict[int, int | None] = {}
    operators: dict[int, Operator] = {}
    weights: dict[int, tuple[Parameter, ...]] = {}
    for norm in graph.nodes:
        if not isinstance(norm.operator, BatchNorm):
            continue
        layer = graph.nodes[norm.inputs[0]]
        # A layer that took in a norm already has a reader that is gone; a second norm after the first stays.
        if isinstance(layer.operator, Conv | Linear) and readers[layer.index] == 1:
            gone[norm.index] = layer.index
            operators[layer.index] = replace(layer.operator, bias=True)
            weights[layer.index] = _folded(graph, layer, norm, norm.operator)
    return rebuild(graph, Changes(gone, operators, weights))


def _folded(graph: Graph, layer: Node, norm: Node, operator: BatchNorm) -> tuple[Parameter, Parameter]:
    weight, *bias = graph.parameters_of(layer)
    statistics = graph.parameters_of(norm)
    shape = (weight.shape[0],)
    new_weight = Derived(FoldedWeight(operator.eps, operator.affine), (weight, *statistics))
    new_bias = Derived(FoldedBias(operator.eps, operator.affine, bool(bias)), (*bias, *statistics))
    return (
        replace(weight, source=new_weight),
        Parameter(f"{layer.path}.bias", shape, weight.dtype, True, new_bias, layer.index),
    )


@dataclass(frozen=True)
class _Norm:
    """A batch norm's tensors for computing: what each channel is multiplied by, its mean, and what is added."""

    scale: np.ndarray
    mean: np.ndarray
    shift: np.ndarray


def _norm(statistics: Sequence[np.ndarray], eps: float, affine: bool) -> _Norm:
    import numpy as np  # passes are listed and printed without it

    *learned, mean, variance = (array.astype(np.float64) for array in statistics)
    gamma, beta = learned if affine else (np.ones_like(mean), np.zeros_like(mean))
    return _Norm(gamma / np.sqrt(variance + eps), mean, beta)


@dataclass(frozen=True)
class FoldedWeight(DerivedFunction):
    """``W * gamma / sqrt(var + eps)``; the operands are ``W`` and the norm's tensors in their order."""

    eps: float
    affine: bool
    name = "fold_batch_norm.weight"
    rowwise = True

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        import numpy as np

        weight, *statistics = arrays
        scale = _norm(statistics, self.eps, self.affine).scale
        # Multiplied in double precision and rounded once, a few numbers at a time: NumPy makes no large copy.
        result: np.ndarray = np.multiply(
            weight, scale.reshape(-1, *(1 for _ in weight.shape[1:])), out=np.empty_like(weight), casting="same_kind"
        )
        return result


@dataclass(frozen=True)
class FoldedBias(DerivedFunction):
    """``beta + (b - mean) * gamma / sqrt(var + eps)``.

    The operands are ``b``, if there is one, and the norm's tensors in their order.
    """

    eps: float
    affine: bool
    biased: bool
    name = "fold_batch_norm.bias"
    rowwise = True

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        norm = _norm(arrays[self.biased :], self.eps, self.affine)
        bias = arrays[0].astype(norm.mean.dtype) if self.biased else 0.0
        result: np.ndarray = (norm.shift + (bias - norm.mean) * norm.scale).astype(arrays[-1].dtype)
        return result
