"""Run the passes that the options select, from the network as specified to the graph that is written."""

from __future__ import annotations

from collections.abc import Callable

from resdsl.compiler.options import CompileOptions
from resdsl.diagnostics import CompileError, Diagnostic, Diagnostics, Option, Text, catalogue
from resdsl.ir import metadata
from resdsl.ir.graph import Graph
from resdsl.ir.operator import Refusal
from resdsl.ir.types import DType
from resdsl.passes.pipeline import optimize, pass_of

AfterPass = Callable[[str, Graph], None]
"""Called with the name and the result of each pass."""


def lower(
    graph: Graph, diagnostics: Diagnostics, options: CompileOptions, after_pass: AfterPass | None = None
) -> Graph:
    """The graph to write. Raises ``CompileError`` if the preprocessing cannot be embedded."""
    if options.embed_preprocess:
        try:
            graph = pass_of("embed-preprocess")(graph)
        except Refusal as refusal:
            diagnostics.report(Diagnostic(refusal.code, refusal.message, helps=refusal.helps))
            raise CompileError(diagnostics) from None
    graph = optimize(graph, options.optimize, after=after_pass)
    if options.precision is DType.BF16:
        diagnostics.report(
            Diagnostic(
                catalogue.NO_KERNELS,
                "ONNX Runtime has no `bf16` kernels for CPU, so this model runs only on CUDA",
                helps=(Text(Option("precision", "f16"), " runs everywhere; on a CPU it is computed in fp32"),),
            )
        )
    if options.precision is DType.F32:
        return graph
    return pass_of("lower-precision")(graph, options.precision)


def lowering_metadata(graph: Graph, options: CompileOptions) -> dict[str, str]:
    """Metadata entries for how the written model differs from the network ``graph``."""
    entries: dict[str, str] = {}
    if options.embed_preprocess and graph.preprocess is not None:
        entries |= metadata.EMBEDDED_PREPROCESS.of(graph.preprocess)
    if options.precision is not DType.F32:
        entries |= metadata.PRECISION.of(str(options.precision))
    return entries
