"""Which passes run, and in which order."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from resdsl.gc_pause import collection_paused
from resdsl.ir.graph import Graph
from resdsl.ir.verify import verify

Pass = Callable[[Graph], Graph]

PASSES: tuple[str, ...] = (
    "drop-unused",
    # Before what looks at neighbours: an identity may stand between them.
    "drop-identity",
    # Before the folding that needs to know whether a convolution pads.
    "merge-pads",
    "fold-batch-norm",
    # Of the norms that are left: backwards costs a layer nothing, forwards it may be refused.
    "fold-batch-norm-forward",
    "fold-normalize",
    "fold-scale",
)
"""Every pass by name, in the order in which they run. ``merge-pads`` is the function ``merge_pads`` in the file
``merge_pads.py``, which is imported when it runs: most networks are compiled as they are written."""

_EXACT = tuple(name for name in PASSES if name != "fold-scale")

LEVELS: tuple[tuple[str, ...], ...] = ((), _EXACT, PASSES)
"""What the levels 0, 1 and 2 run. 0 is the network as the specification says it. 2 moves numbers of the specification
into the weights as well, which a reader of the file would look for in the graph."""


def pass_of(name: str) -> Pass:
    """The pass that is called ``name``."""
    word = name.replace("-", "_")
    found: Pass = getattr(importlib.import_module(f"resdsl.passes.{word}"), word)
    return found


def optimize(graph: Graph, level: int = 1, *, after: Callable[[str, Graph], None] | None = None) -> Graph:
    """The graph after the passes of a level; it computes the same.

    ``after`` is told the name of each pass that ran, and its result. Every result is verified: ``InvalidGraph`` is a
    mistake of the pass's.
    """
    verified: Graph | None = None
    for name in LEVELS[level]:
        with collection_paused():
            graph = pass_of(name)(graph)
            # A pass that finds nothing gives back what it was given.
            if graph is not verified:
                verify(graph)
        verified = graph
        if after is not None:
            after(name, graph)
    return graph
