"""From the network that a specification describes to the graph that is written: the passes that options ask for."""

from __future__ import annotations

from collections.abc import Callable

from resdsl.compiler.options import CompileOptions
from resdsl.diagnostics import CompileError, Diagnostic, Diagnostics, Option, Text, catalogue
from resdsl.ir import metadata
from resdsl.ir.graph import Graph
from resdsl.ir.operator import Refusal
from resdsl.ir.types import DType
from resdsl.passes.pipeline import PASSES_BY_OPTION, optimize, pass_of

_EMBED_PREPROCESS, _LOWER_PRECISION = PASSES_BY_OPTION

AfterPass = Callable[[str, Graph], None]
"""Called with the name of each pass that ran, and its result."""


def lower(
    graph: Graph, diagnostics: Diagnostics, options: CompileOptions, after_pass: AfterPass | None = None
) -> Graph:
    """The graph that is written. Raises ``CompileError`` if the preprocessing cannot be part of it."""
    if options.embed_preprocess:
        try:
            graph = pass_of(_EMBED_PREPROCESS)(graph)
        except Refusal as refusal:
            diagnostics.report(Diagnostic(refusal.code, refusal.message, helps=refusal.helps))
            raise CompileError(diagnostics) from None
    graph = optimize(graph, options.optimize, after=after_pass)
    if options.precision is DType.BF16:
        diagnostics.report(
            Diagnostic(
                catalogue.NO_KERNELS,
                "ONNX Runtime has no `bf16` kernels for CPU, so this model runs on CUDA alone",
                helps=(Text(Option("precision", "f16"), " runs everywhere: a CPU computes it in 32 bits"),),
            )
        )
    if options.precision is DType.F32:
        return graph
    return pass_of(_LOWER_PRECISION)(graph, options.precision)


def lowering_metadata(graph: Graph, options: CompileOptions) -> dict[str, str]:
    """Entries for the metadata of a model that differs from the network ``graph``."""
    entries: dict[str, str] = {}
    if options.embed_preprocess and graph.preprocess is not None:
        entries |= metadata.EMBEDDED_PREPROCESS.of(graph.preprocess)
    if options.precision is not DType.F32:
        entries |= metadata.PRECISION.of(str(options.precision))
    return entries
