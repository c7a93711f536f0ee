"""Fold a batch norm into the convolution or linear layer before it, or else into the one behind it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from resdsl.ir.graph import Graph
from resdsl.ops.bn import BatchNorm
from resdsl.ops.conv import Conv
from resdsl.ops.linear import Linear
from resdsl.passes.folding import BatchNormMap, fold_after, fold_before, ignores_borders
from resdsl.passes.readers import Readers
from resdsl.passes.rewrite import Rewrite


def fold_batch_norm(graph: Graph, *, only: Collection[str] | None = None) -> Graph:
    """Fold ``norm(x) = s * (x - mean) + beta``, ``s = gamma / sqrt(var + eps)`` (Ioffe & Szegedy 2015, algorithm 2).

    Into the layer before it, ``y = norm(W x + b)``::

        W'[o] = W[o] * s[o]
        b'[o] = beta[o] + (b[o] - mean[o]) * s[o]

    A norm that is left after that, into the layer behind it, ``y = W norm(x) + b``::

        W'[o, c] = W[o, c] * s[c]
        b'[o] = b[o] + sum_{c, u, v} W[o, c, u, v] * (beta[c] - mean[c] * s[c])

    The layer keeps its name and gets a bias, the norm is removed. The new weights are computed when they are read, in
    double precision, one tensor at a time.

    Refused: a value between layer and norm that is an output or has another reader, which would see other numbers;
    anything between the two, such as the ``relu`` of a pre-activation block; and, for the layer behind, a convolution
    that pads, as the zeros around the norm's result are not the norm of zeros. Of two norms in a row one is folded.

    With ``only``, norms of other paths stay.
    """
    return _fold_into_next(_fold_into_previous(graph, only), only)


def _fold_into_previous(graph: Graph, only: Collection[str] | None) -> Graph:
    readers = Readers(graph)
    rewrite = Rewrite(graph)
    for norm in graph.nodes:
        if not isinstance(norm.operator, BatchNorm) or (only is not None and norm.path not in only):
            continue
        layer = graph.nodes[norm.inputs[0]]
        if isinstance(layer.operator, Conv | Linear) and readers.only(layer) is norm:
            channels = BatchNormMap(norm.operator.eps, norm.operator.affine)
            weights = fold_after(graph, layer, "fold_batch_norm", channels, graph.parameters_of(norm))
            rewrite.remove(norm, layer.index)
            rewrite.replace(layer, replace(layer.operator, bias=True), weights)
    return rewrite.apply()


def _fold_into_next(graph: Graph, only: Collection[str] | None) -> Graph:
    readers = Readers(graph)
    rewrite = Rewrite(graph)
    for norm in graph.nodes:
        if not isinstance(norm.operator, BatchNorm) or (only is not None and norm.path not in only):
            continue
        layer = readers.only(norm)
        if layer is not None and isinstance(layer.operator, Conv | Linear) and ignores_borders(graph, layer):
            channels = BatchNormMap(norm.operator.eps, norm.operator.affine)
            weights = fold_before(graph, layer, "fold_batch_norm.next", channels, graph.parameters_of(norm))
            rewrite.remove(norm, norm.inputs[0])
            rewrite.replace(layer, replace(layer.operator, bias=True), weights)
    return rewrite.apply()
