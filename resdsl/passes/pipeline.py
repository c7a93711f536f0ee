"""Which passes run, and in which order."""

from __future__ import annotations

from collections.abc import Callable

from resdsl.ir.graph import Graph
from resdsl.ir.verify import verify
from resdsl.passes.drop_identity import drop_identity
from resdsl.passes.drop_unused import drop_unused
from resdsl.passes.fold_batch_norm import fold_batch_norm

Pass = Callable[[Graph], Graph]

PASSES: dict[str, Pass] = {
    "drop-unused": drop_unused,
    "drop-identity": drop_identity,
    # After drop-identity, which may stand between a layer and its norm.
    "fold-batch-norm": fold_batch_norm,
}
"""Every pass by name, in the order in which they run."""

LEVELS: tuple[tuple[str, ...], ...] = ((), tuple(PASSES), tuple(PASSES))
"""What the levels 0, 1 and 2 run. 0 is the network as the specification says it. 2 is for what is exact only within
rounding and slower to find; there is no such pass yet."""


def optimize(graph: Graph, level: int = 1, *, after: Callable[[str, Graph], None] | None = None) -> Graph:
    """The graph after the passes of a level; it computes the same.

    ``after`` is told the name of each pass that ran, and its result. Every result is verified: ``InvalidGraph`` is a
    mistake of the pass's.
    """
    for name in LEVELS[level]:
        graph = PASSES[name](graph)
        verify(graph)
        if after is not None:
            after(name, graph)
    return graph
