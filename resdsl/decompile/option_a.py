"""Shortcuts of option A (He et al. 2015, section 3.3), which text calls ``pad``."""

from __future__ import annotations

from collections.abc import Set

from resdsl.decompile.tree import Op, Residual, Sequence, all_sequences
from resdsl.elaborate.residual import option_a
from resdsl.elaborate.values import ZEROS
from resdsl.ir.graph import Graph


def find_option_a(graph: Graph, top: Sequence, named: Set[int]) -> None:
    """Mark the residuals whose shortcut takes every s-th pixel and adds channels of zeros.

    ``named`` are the nodes that stand in the text by name: values that are tapped or outputs.
    """
    for sequence in all_sequences(top):
        for item in sequence.items:
            if not isinstance(item, Residual) or item.shortcut.source is not None:
                continue
            item.zeros = _zeros(graph, item, item.shortcut, named)
            if not item.zeros and item.scale is None and (zeros := _zeros(graph, item, item.main, named)):
                # The longer path was taken for the main one.
                item.main, item.shortcut, item.zeros = item.shortcut, item.main, zeros


def _zeros(graph: Graph, item: Residual, path: Sequence, named: Set[int]) -> str:
    """Where a shortcut adds its channels, as an argument of ``pad``; empty where it is no ``pad``."""
    nodes = [one.node for one in path.items if isinstance(one, Op)]
    if not nodes or len(nodes) < len(path.items) or any(node.index in named for node in nodes):
        return ""
    found = [graph.applications[node.index].canonical for node in nodes]
    for zeros in ZEROS:
        built = option_a(graph.nodes[path.start].type, item.node.type, zeros)
        if built and found == [operator.canonical(x) for x, operator in built]:
            return zeros
    return ""
