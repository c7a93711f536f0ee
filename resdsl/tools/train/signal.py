"""The signal through a network for one real batch: before the first step, and where values stop being numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.analysis.signal import DEAD, EXPLODED, signal_warning, signal_warnings
from resdsl.diagnostics import Diagnostic
from resdsl.ir.graph import Graph
from resdsl.ir.initializers import Constant, VarianceScaling
from resdsl.ir.operator import Refusal
from resdsl.runtime.session import open_session
from resdsl.tools.train.batches import Floats
from resdsl.training.responses import SQUARES, responses
from resdsl.weights.initial import Scheme

Tensors = Mapping[str, npt.NDArray[Any]]


def initial_warnings(
    graph: Graph, head: int, values: Tensors, images: Floats, init: Scheme, threads: int | None
) -> tuple[Diagnostic, ...]:
    """A warning if the signal dies or explodes at initialisation: by the formulas, or else by a batch of images.

    Networks whose weights are loaded have none.
    """
    sources = [parameter.source for parameter in graph.parameters.values()]
    if not all(isinstance(source, Constant | VarianceScaling) for source in sources):
        return ()
    if by_formulas := tuple(signal_warnings(graph, init.variance)):
        return by_formulas
    found = dict(mean_squares(graph, head, values, images, threads))
    scale = found.get(0, 1.0) or 1.0
    for index, square in found.items():
        if not DEAD <= square / scale <= EXPLODED:
            deviation = math.sqrt(square / scale) if math.isfinite(square) else math.inf
            return (signal_warning(graph, index, deviation, "for a batch of training images"),)
    return ()


def where_it_ends(graph: Graph, head: int, values: Tensors, images: Floats, threads: int | None) -> str | None:
    """The layer whose values are the first that are not finite for these images, or else the one with the largest."""
    found = dict(mean_squares(graph, head, values, images, threads))
    for index, square in found.items():
        if not math.isfinite(square):
            where = f"`{graph.nodes[index].path}`" if index else "the images"
            return f"the values of {where} are the first that are not finite"
    index, square = max(found.items(), key=lambda one: one[1])
    return f"the largest values are those of `{graph.nodes[index].path}`, about {math.sqrt(square):.1e}"


def mean_squares(
    graph: Graph, head: int, values: Tensors, images: Floats, threads: int | None
) -> Iterator[tuple[int, float]]:
    """The mean square of each node's value in training mode; nothing for operators that have no training form."""
    try:
        model = responses(graph, head)
    except Refusal:
        return
    session = open_session(model.model, device="cpu", threads=threads, name=f"the layers of {graph.name}")
    feeds: dict[str, npt.NDArray[Any]] = {"images": images, "seed": np.array(0, np.int64)}
    feeds |= {name: values[name] for name in model.parameters}
    known = {port.name for port in session.inputs}
    squares = session.run({name: value for name, value in feeds.items() if name in known}, [SQUARES])[SQUARES]
    yield from zip(model.nodes, (float(square) for square in squares), strict=True)
