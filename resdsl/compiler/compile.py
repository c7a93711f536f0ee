"""From a specification to an ONNX file."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from resdsl.compiler.lower import Ways, lowered, opset_for, said_of
from resdsl.compiler.provenance import provenance
from resdsl.diagnostics import CompileError, Diagnostics
from resdsl.files import OutputError
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Graph, Initializer, Parameter
from resdsl.ir.operator import OPSET
from resdsl.ir.types import DType
from resdsl.onnx import Emitted, emit, emit_to_stream
from resdsl.weights.bundled_config import BundledConfig, changes_to, read_bundled_config
from resdsl.weights.checkpoint import Checkpoint, CheckpointError
from resdsl.weights.initial import Scheme, zero_init_residual
from resdsl.weights.match import MatchReport, match
from resdsl.weights.read import read_weights
from resdsl.weights.resnet_variant import METADATA_KEY, check_variant, variant_of
from resdsl.weights.values import ParameterTensor, prepare, stream

if TYPE_CHECKING:
    import numpy as np

    from resdsl.specification.specification import Specification

Value = tuple[Parameter, "np.ndarray"]

STREAM = Path("-")

Progress = Callable[[int, int], None]
"""Told how many bytes of weights are done, of how many."""

AfterPass = Callable[[str, Graph], None]
"""Told the name of a pass that ran, and its result."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a specification is compiled.

    ``weights`` are a file or an open checkpoint, whose tensors go to where their names say, after ``renames`` (parts of
    names in the checkpoint, and what the network calls them). All must fit, unless ``partial``. ``scheme`` and
    ``seed`` decide what is drawn at random for the rest; with ``zero_init_residual`` every residual block starts as
    the identity. ``optimize`` is the level of the passes (see ``resdsl.passes``): 0 is the graph as written, from 1 on
    what computes nothing is dropped and batch norms are folded. With ``external_data`` the weights go to a file beside
    the model; ``None`` does that for models of more than 2 GB.
    ``opset`` is the ONNX operator set, from ``resdsl.ir.operator.OPSET`` to ``NEWEST_OPSET``.
    Preprocessing and labels are the weights' own where they come with timm's ``config.json`` beside them, unless
    ``keep_preprocess``.

    With ``embed_preprocess`` the model takes raw images, bytes ``[N, rows, columns, channels]``, and prepares them
    itself. ``precision`` is the type of its weights and of its arithmetic: ``f32``, ``f16`` or ``bf16`` (which raises
    ``opset`` to 22). With ``for_runtime`` ONNX Runtime optimises the model for the processor of this machine, where it
    starts at once and which alone it is for.
    """

    weights: str | os.PathLike[str] | Checkpoint | None = None
    partial: bool = False
    renames: Mapping[str, str] = field(default_factory=dict)
    scheme: Scheme = Scheme.HE_NORMAL
    seed: int = 0
    zero_init_residual: bool = False
    optimize: int = 0
    external_data: bool | None = None
    opset: int = OPSET
    keep_preprocess: bool = False
    embed_preprocess: bool = False
    precision: DType = DType.F32
    for_runtime: bool = False


@dataclass(frozen=True, slots=True)
class Compiled:
    """What was made. ``bytes`` are those of the model and of its file of weights, ``macs`` are for one image.

    ``random`` are the tensors that were drawn at random or start from a constant, of ``tensors`` in all; ``match`` is
    what became of a checkpoint's, ``adopted`` what came along with it in place of what the specification says.
    ``diagnostics`` are warnings.
    """

    path: Path | None
    data_path: Path | None
    # Whoever types `spec.compile(..)` at a prompt is shown the result, and not every node.
    graph: Graph = field(repr=False)
    parameters: int
    macs: Dim
    bytes: int
    seconds: float
    random: int
    tensors: int
    match: MatchReport | None = field(repr=False)
    adopted: BundledConfig = field(repr=False)
    diagnostics: Diagnostics = field(repr=False)


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
    with _reporting_in(found), ExitStack() as files:
        report: MatchReport | None = None
        source, adopted = "", BundledConfig()
        if options.weights is not None:
            graph, report, source, adopted = _with_weights(graph, options, found, files)
        if options.zero_init_residual:
            graph = zero_init_residual(graph)
        ways = Ways(options.optimize, options.embed_preprocess, options.precision)
        optimized = lowered(graph, found, ways, after_pass)
        random = sum(isinstance(parameter.source, Initializer) for parameter in graph.parameters.values())
        origin = _origin(options, report, source, random)
        metadata = {
            **provenance(specification.program, specification.arguments, options.optimize, origin),
            # Of the network as it is written: folding makes other tensors, not another network.
            "resdsl.parameters": str(graph.parameter_count),
            **said_of(graph, ways),
        }
        if (variant := variant_of(graph)) is not None:
            # So that weights taken out of this model cannot go into the other variant unnoticed.
            metadata[METADATA_KEY] = str(variant)
        written = _written(optimized, output, metadata, options, _Progress(optimized, progress))
    return Compiled(
        path=None if written.path == STREAM else written.path,
        data_path=written.data_path,
        graph=optimized,
        parameters=graph.parameter_count,
        macs=graph.macs,
        bytes=written.bytes + written.data_bytes,
        seconds=time.perf_counter() - start,
        random=random,
        tensors=len(graph.parameters),
        match=report,
        adopted=adopted,
        diagnostics=found,
    )


@contextmanager
def _reporting_in(found: Diagnostics) -> Iterator[None]:
    """Errors of files that are read or written, raised behind the warnings there were."""
    try:
        yield
    except (CheckpointError, OutputError) as error:
        found.absorb(error.diagnostics)
        raise CompileError(found) from None


def _with_weights(
    graph: Graph, options: Options, found: Diagnostics, files: ExitStack
) -> tuple[Graph, MatchReport, str, BundledConfig]:
    """The graph with a checkpoint's tensors, which stays open as long as ``files``; where that was fetched from.

    With them, what the checkpoint's repository says of images and classes, where that is not as the graph has it.
    """
    checkpoint = options.weights
    if not isinstance(checkpoint, Checkpoint):
        assert checkpoint is not None
        checkpoint = files.enter_context(read_weights(checkpoint))
    graph, report = match(graph, checkpoint, found, partial=options.partial, renames=options.renames)
    if found.errors:
        raise CompileError(found)
    check_variant(graph, checkpoint, found)
    adopted = (
        BundledConfig() if options.keep_preprocess else changes_to(read_bundled_config(checkpoint.path, graph), graph)
    )
    graph = replace(graph, preprocess=adopted.preprocess or graph.preprocess, labels=adopted.labels or graph.labels)
    return graph, report, checkpoint.origin, adopted


def _written(
    graph: Graph,
    output: str | os.PathLike[str] | BinaryIO,
    metadata: Mapping[str, str],
    options: Options,
    progress: _Progress,
) -> Emitted:
    parameters = graph.parameters.values()
    prepare(parameters)
    opset = opset_for(options.precision, options.opset)
    if isinstance(output, str | os.PathLike):
        values = ((one, _Told(ParameterTensor(one, options.seed, options.scheme), progress)) for one in parameters)
        if not options.for_runtime:
            return emit(
                graph, Path(output), values, metadata=metadata, external_data=options.external_data, opset=opset
            )

        def write_plain(path: Path, more: Mapping[str, str]) -> None:
            emit(graph, path, values, metadata={**metadata, **more}, external_data=True, opset=opset)

        from resdsl.compiler.for_runtime import write_for_runtime  # only this needs the runtime

        return write_for_runtime(Path(output), write_plain)
    if options.for_runtime:
        from resdsl.compiler.for_runtime import no_stream_for_runtime

        raise no_stream_for_runtime(STREAM)
    # A stream takes one tensor after another, so the next ones are made meanwhile.
    ahead = progress.following(stream(parameters, options.seed, options.scheme))
    return Emitted(STREAM, emit_to_stream(graph, output, ahead, metadata=metadata, opset=opset))


def _origin(options: Options, report: MatchReport | None, source: str, random: int) -> dict[str, object]:
    """Where the weights are from, for the metadata."""
    origin: dict[str, object] = {}
    if report is not None:
        origin |= {"checkpoint": report.checkpoint, "tensors": len(report.loaded)}
    if source:
        origin["from"] = source
    if random:
        origin |= {"scheme": str(options.scheme), "seed": options.seed}
    return origin


class _Progress:
    """How far the weights are, in bytes. Threads may tell it at once."""

    def __init__(self, graph: Graph, tell: Progress | None) -> None:
        self._total = sum(parameter.bytes for parameter in graph.parameters.values())
        self._done = 0
        self._tell = tell
        self._lock = threading.Lock()

    def add(self, written: int) -> None:
        if self._tell is None:
            return
        with self._lock:
            self._done += written
            self._tell(self._done, self._total)

    def following(self, values: Iterator[Value]) -> Iterator[Value]:
        """The same values; each counts as written when the next is asked for."""
        for parameter, value in values:
            yield parameter, value
            self.add(parameter.bytes)


@dataclass(frozen=True, slots=True)
class _Told:
    """A tensor whose bytes count as written when the next are asked for."""

    tensor: ParameterTensor
    progress: _Progress

    def raw(self) -> Iterator[memoryview]:
        for piece in self.tensor.raw():
            yield piece
            self.progress.add(piece.nbytes)
