"""What the oracles of operators say in training: batch norms by the statistics of the batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from resdsl.ir.graph import Graph

from ..ops.harness import name_of
from ..ops.oracles import ORACLES

Array = np.ndarray


def answers_in_training(graph: Graph, weights: Mapping[str, Array], *, upto: int | None = None) -> Array:
    """The value of the node ``upto`` (``None``: the last) for ``images``, which are among the weights."""
    found = [weights["images"]]
    for node in graph.nodes[1:] if upto is None else graph.nodes[1 : upto + 1]:
        own = {
            parameter.name.removeprefix(f"{node.path}."): weights[parameter.name]
            for parameter in graph.parameters_of(node)
        }
        inputs = [found[index] for index in node.inputs]
        if name_of(node.operator) == "bn":
            axes = (0, *range(2, inputs[0].ndim))
            own |= {"running_mean": inputs[0].mean(axes), "running_var": inputs[0].var(axes)}
        found.append(ORACLES[name_of(node.operator)](node.operator, inputs, own).value)
    return found[-1]
