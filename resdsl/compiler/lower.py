"""From the network that a specification says to the graph that is written: the passes that options ask for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from resdsl.diagnostics import CompileError, Diagnostic, Diagnostics, Option, Text, catalogue
from resdsl.ir.graph import Graph
from resdsl.ir.operator import Refusal
from resdsl.ir.types import DType
from resdsl.passes import optimize

EMBEDDED_KEY = "resdsl.preprocess.embedded"
"""Where a model that takes raw images says what it does to them, in the form of ``resdsl.preprocess``.

That itself it does not have: it says what is still to be done to an image.
"""

PRECISION_KEY = "resdsl.precision"

_BFLOAT16_OPSET = 22
"""From this operator set on ONNX has convolutions and pools of bfloat16."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How the graph that is written differs from the one that was elaborated; ``Options`` says more of each."""

    optimize: int = 0
    embed_preprocess: bool = False
    precision: DType = DType.F32


def lowered(
    graph: Graph, found: Diagnostics, ways: Ways, after_pass: Callable[[str, Graph], None] | None = None
) -> Graph:
    """The graph that is written. Raises ``CompileError`` where the preprocessing cannot be part of it."""
    if ways.embed_preprocess:
        from resdsl.passes.embed_preprocess import embed_preprocess  # few ask for it

        try:
            graph = embed_preprocess(graph)
        except Refusal as refusal:
            found.report(Diagnostic(refusal.code, refusal.message, helps=refusal.helps))
            raise CompileError(found) from None
    graph = optimize(graph, ways.optimize, after=after_pass)
    if ways.precision is DType.BF16:
        found.report(
            Diagnostic(
                catalogue.NO_KERNELS,
                "ONNX Runtime has no kernels for `bf16` on a processor, so this model will not run there",
                helps=(Text(Option("precision", "f16"), " runs everywhere: a CPU computes it in float32"),),
            )
        )
    if ways.precision is DType.F32:
        return graph
    from resdsl.passes.lower_precision import lower_precision  # few ask for it

    return lower_precision(graph, ways.precision)


def said_of(graph: Graph, ways: Ways) -> dict[str, str]:
    """What the metadata says of a model that is not the network ``graph`` as it is."""
    said: dict[str, str] = {}
    if ways.embed_preprocess and graph.preprocess is not None:
        said[EMBEDDED_KEY] = json.dumps(graph.preprocess.to_data())
    if ways.precision is not DType.F32:
        said[PRECISION_KEY] = str(ways.precision)
    return said


def opset_for(precision: DType, opset: int) -> int:
    """The operator set to write: the one that is asked for, or the first that has the precision."""
    return max(opset, _BFLOAT16_OPSET) if precision is DType.BF16 else opset
