"""Which passes run, and in which order."""

from __future__ import annotations

from collections.abc import Callable

from resdsl.collection import collection_paused
from resdsl.ir.graph import Graph
from resdsl.ir.verify import verify
from resdsl.passes.drop_identity import drop_identity
from resdsl.passes.drop_unused import drop_unused
from resdsl.passes.fold_batch_norm import fold_batch_norm
from resdsl.passes.fold_batch_norm_forward import fold_batch_norm_forward
from resdsl.passes.fold_normalize import fold_normalize
from resdsl.passes.fold_scale import fold_scale
from resdsl.passes.merge_pads import merge_pads

Pass = Callable[[Graph], Graph]

PASSES: dict[str, Pass] = {
    "drop-unused": drop_unused,
    # Before what looks at neighbours: an identity may stand between them.
    "drop-identity": drop_identity,
    # Before the folding that needs to know whether a convolution pads.
    "merge-pads": merge_pads,
    "fold-batch-norm": fold_batch_norm,
    # Of the norms that are left: backwards costs a layer nothing, forwards it may be refused.
    "fold-batch-norm-forward": fold_batch_norm_forward,
    "fold-normalize": fold_normalize,
    "fold-scale": fold_scale,
}
"""Every pass by name, in the order in which they run."""

_EXACT = tuple(name for name in PASSES if name != "fold-scale")

LEVELS: tuple[tuple[str, ...], ...] = ((), _EXACT, tuple(PASSES))
"""What the levels 0, 1 and 2 run. 0 is the network as the specification says it. 2 moves numbers of the specification
into the weights as well, which a reader of the file would look for in the graph."""


def optimize(graph: Graph, level: int = 1, *, after: Callable[[str, Graph], None] | None = None) -> Graph:
    """The graph after the passes of a level; it computes the same.

    ``after`` is told the name of each pass that ran, and its result. Every result is verified: ``InvalidGraph`` is a
    mistake of the pass's.
    """
    verified: Graph | None = None
    for name in LEVELS[level]:
        with collection_paused():
            graph = PASSES[name](graph)
            # A pass that finds nothing gives back what it was given.
            if graph is not verified:
                verify(graph)
        verified = graph
        if after is not None:
            after(name, graph)
    return graph
