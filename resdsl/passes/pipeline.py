"""Which passes run, and in which order."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from resdsl.gc_pause import collection_paused
from resdsl.ir.graph import Graph
from resdsl.ir.verify import verify

Pass = Callable[..., Graph]
"""Called with a graph; a pass by option may need the value of the option too."""

PASSES: tuple[str, ...] = (
    "drop-unused",
    # Before the passes that look at neighbours: an identity may stand between them.
    "drop-identity",
    # Before the folding that needs to know whether a convolution pads.
    "merge-pads",
    "fold-batch-norm",
    "fold-normalize",
    "fold-scale",
)
"""The passes that levels run, by name and in order. ``merge-pads`` is the function ``merge_pads`` in the file
``merge_pads.py``, which is imported when it runs: most networks are compiled as they are written."""

PASSES_BY_OPTION: tuple[str, ...] = ("drop-aux", "include-aux", "embed-preprocess", "lower-precision")
"""The passes that an option of ``compile`` selects, before and after those of the level."""

_EXACT = tuple(name for name in PASSES if name != "fold-scale")

LEVELS: tuple[tuple[str, ...], ...] = ((), _EXACT, PASSES)
"""What the levels 0, 1 and 2 run. 0 leaves the network as it is written. 2 also moves numbers of the specification into
the weights, where a reader of the file would not look for them."""


def pass_of(name: str) -> Pass:
    """The pass called ``name``."""
    function = name.replace("-", "_")
    result: Pass = getattr(importlib.import_module(f"resdsl.passes.{function}"), function)
    return result


def optimize(graph: Graph, level: int = 1, *, after: Callable[[str, Graph], None] | None = None) -> Graph:
    """The graph after the passes of a level; it computes the same.

    ``after`` is called with the name and the result of each pass. Every result is verified; ``InvalidGraph`` means
    that the pass has a bug.
    """
    verified: Graph | None = None
    for name in LEVELS[level]:
        with collection_paused():
            graph = pass_of(name)(graph)
            # A pass with nothing to change returns the graph it was given.
            if graph is not verified:
                verify(graph)
        verified = graph
        if after is not None:
            after(name, graph)
    return graph
