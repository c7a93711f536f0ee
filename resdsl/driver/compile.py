"""From a specification to an ONNX file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from resdsl.backends.onnx import Emitted, emit, emit_to_stream
from resdsl.diagnostics import CompileError, Diagnostics
from resdsl.driver.metadata import provenance
from resdsl.files import OutputError
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Graph, Initializer, Parameter
from resdsl.passes import optimize
from resdsl.weights.initial import Scheme, zero_init_residual
from resdsl.weights.values import stream

if TYPE_CHECKING:
    import numpy as np

    from resdsl.driver.specification import Specification

Value = tuple[Parameter, "np.ndarray"]

Progress = Callable[[int, int], None]
"""Told how many bytes of weights are done, of how many."""

AfterPass = Callable[[str, Graph], None]
"""Told the name of a pass that ran, and its result."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a specification is compiled.

    ``scheme`` and ``seed`` decide what is drawn at random; with ``zero_init_residual`` every residual block starts as
    the identity. ``optimize`` is the level: 0 is the graph as written, 1 drops what computes nothing, 2 also folds
    batch norms. With ``external_data`` the weights go to a file beside the model; ``None`` does that for models of
    more than 2 GB.
    """

    scheme: Scheme = Scheme.HE_NORMAL
    seed: int = 0
    zero_init_residual: bool = False
    optimize: int = 0
    external_data: bool | None = None


@dataclass(frozen=True, slots=True)
class Compiled:
    """What was made. ``bytes`` are those of the model and of its file of weights, ``macs`` are for one image.

    ``random`` are the tensors that were drawn at random or start from a constant, of ``tensors`` in all.
    ``diagnostics`` are warnings.
    """

    path: Path | None
    data_path: Path | None
    graph: Graph
    parameters: int
    macs: Dim
    bytes: int
    seconds: float
    random: int
    tensors: int
    checkpoint: str | None
    diagnostics: Diagnostics


def compile_specification(
    specification: Specification,
    output: str | os.PathLike[str] | BinaryIO,
    options: Options,
    *,
    progress: Progress | None = None,
    after_pass: AfterPass | None = None,
) -> Compiled:
    """Write the network as ONNX to a file, whole or not at all, or to an open stream.

    ``after_pass`` is told each graph on the way, by the name of what made it. Raises ``CompileError`` where the
    specification or the weights have mistakes, or the file cannot be written.
    """
    start = time.perf_counter()
    found = specification.diagnostics
    graph = specification.graph
    if options.zero_init_residual:
        graph = zero_init_residual(graph)
    origin = _origin(options)
    optimized = optimize(graph, options.optimize, after=after_pass)
    metadata = provenance(specification.program, specification.arguments, options.optimize, origin)
    values = _told(stream(optimized.parameters.values(), options.seed, options.scheme), optimized, progress)
    try:
        if isinstance(output, str | os.PathLike):
            written = emit(optimized, Path(output), values, metadata=metadata, external_data=options.external_data)
        else:
            written = Emitted(Path("-"), emit_to_stream(optimized, output, values, metadata=metadata))
    except OutputError as error:
        found.report(error.diagnostic)
        raise CompileError(found) from None
    return Compiled(
        path=written.path if isinstance(output, str | os.PathLike) else None,
        data_path=written.data_path,
        graph=optimized,
        parameters=graph.parameter_count,
        macs=graph.macs,
        bytes=written.bytes + written.data_bytes,
        seconds=time.perf_counter() - start,
        random=sum(isinstance(parameter.source, Initializer) for parameter in graph.parameters.values()),
        tensors=len(graph.parameters),
        checkpoint=None,
        diagnostics=found,
    )


def _origin(options: Options) -> dict[str, object]:
    """Where the weights are from, for the metadata."""
    return {"scheme": str(options.scheme), "seed": options.seed}


def _told(values: Iterator[Value], graph: Graph, progress: Progress | None) -> Iterator[Value]:
    """The same values; ``progress`` is told how far they are."""
    total = sum(parameter.bytes for parameter in graph.parameters.values())
    done = 0
    for parameter, value in values:
        yield parameter, value
        done += parameter.bytes
        if progress is not None:
            progress(done, total)
