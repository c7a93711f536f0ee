"""Compile a network to an ONNX file."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from resdsl.compiler.lower import AfterPass, lower, lowering_metadata
from resdsl.compiler.options import CompileOptions
from resdsl.compiler.provenance import provenance
from resdsl.diagnostics import CompileError, Diagnostic, Diagnostics, catalogue
from resdsl.diagnostics.errors import OutputError
from resdsl.inputs import as_one_run, record_input
from resdsl.ir import metadata
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Graph, Parameter
from resdsl.ir.initializers import Initializer
from resdsl.onnx import Emitted, emit, emit_to_stream
from resdsl.ops.opaque import opaque_text
from resdsl.passes.drop_aux import drop_aux
from resdsl.passes.include_aux import include_aux
from resdsl.specification.load import Network, load
from resdsl.specification.specification import Specification
from resdsl.weights.bundled_config import BundledConfig, changes_to, read_bundled_config
from resdsl.weights.checkpoint import Checkpoint, CheckpointError
from resdsl.weights.initial import zero_init_residual
from resdsl.weights.match import MatchReport, match
from resdsl.weights.read import read_weights
from resdsl.weights.resnet_variant import check_variant, variant_of
from resdsl.weights.values import ParameterTensor, stream
from resdsl.weights.values import prepare as prepare_values

if TYPE_CHECKING:
    import numpy as np


Value = tuple[Parameter, "np.ndarray"]

STREAM = Path("-")

Progress = Callable[[int, int], None]
"""Called with the bytes of weights written so far, and their total."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled model. ``bytes`` is the size of the model and its weights file, ``macs`` are for one image.

    ``random`` of ``tensors`` tensors have initial values. ``match`` reports how the tensors of a checkpoint were
    matched, ``adopted`` has the preprocessing and labels that came with it. ``diagnostics`` are warnings.
    """

    path: Path | None
    data_path: Path | None
    # The repr at a prompt must not print every node.
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


@as_one_run
def compile(
    network: Network,
    output: str | os.PathLike[str] | BinaryIO,
    options: CompileOptions | None = None,
    *,
    progress: Progress | None = None,
    after_pass: AfterPass | None = None,
    **changes: Any,
) -> Compiled:
    """Compile a network to an ONNX file (written atomically) or to an open stream.

    ``network`` is as for ``resdsl.load``. Pass options as a ``CompileOptions``, as keywords (its fields), or both:
    ``compile("resnet50", "model.onnx", seed=1)``.

    ``progress`` is called with the bytes of weights written so far and their total, ``after_pass`` with the name and
    result of each pass. Raises ``CompileError`` if the specification or the weights have errors, or if the file cannot
    be written, and ``ValueError`` for labels that are not one for each class.
    """
    options = replace(options or CompileOptions(), **changes)
    start = time.perf_counter()
    specification = load(network)
    with _reporting_in(specification.diagnostics), ExitStack() as files:
        prepared = prepare(specification, options, files, after_pass)
        for file in specification.files:
            record_input(file)  # it may have been read before this call
        progress_of = _Progress(prepared.lowered, progress)
        written = _written(prepared.lowered, output, prepared.metadata, options, progress_of)
    if written.path != STREAM:
        _check_name(written.path, specification.diagnostics)
    graph = prepared.graph
    return Compiled(
        path=None if written.path == STREAM else written.path,
        data_path=written.data_path,
        graph=prepared.lowered,
        parameters=graph.parameter_count,
        macs=graph.macs,
        bytes=written.bytes + written.data_bytes,
        seconds=time.perf_counter() - start,
        random=prepared.random,
        tensors=len(graph.parameters),
        match=prepared.match,
        adopted=prepared.adopted,
        diagnostics=specification.diagnostics,
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A network with its weights matched, before it is written.

    ``graph`` is the network as specified, with the heads that are compiled, ``lowered`` the result of the passes; the
    rest is as for ``Compiled``.
    """

    graph: Graph
    lowered: Graph
    metadata: Mapping[str, str]
    random: int
    match: MatchReport | None
    adopted: BundledConfig


def prepare(
    specification: Specification, options: CompileOptions, files: ExitStack, after_pass: AfterPass | None = None
) -> Prepared:
    """Match the weights and run the passes; ``files`` closes the checkpoint. Raises ``CompileError``."""
    diagnostics = specification.diagnostics
    graph = _graph(specification, options, files)
    if unknown := opaque_text(graph.nodes):
        raise CompileError.of(
            catalogue.NOT_EXPRESSIBLE,
            f"`{specification.source.name}` cannot be compiled: the language does not have {unknown}",
            helps=("`summary`, `draw`, `view` and `diff` read the file as it is",),
        )
    graph, heads = _with_chosen_heads(graph, options)
    report: MatchReport | None = None
    source, adopted = "", BundledConfig()
    if options.weights is not None:
        graph, report, source, adopted = _with_weights(graph, options, diagnostics, files, heads)
    if options.labels is not None:
        graph = _with_labels(graph, options.labels)
    if options.preprocess is not None:
        graph = replace(graph, preprocess=options.preprocess)
    if options.zero_init_residual:
        graph = zero_init_residual(graph)
    lowered = lower(graph, diagnostics, options, after_pass)
    random = sum(isinstance(parameter.source, Initializer) for parameter in lowered.parameters.values())
    entries = {
        **provenance(
            specification.program,
            specification.arguments,
            options.optimize,
            _origin(options, report, source, random),
        ),
        # Parameters of the network as specified: folding changes tensors, not the network.
        **metadata.PARAMETERS.of(graph.parameter_count),
        **metadata.MACS.of(str(graph.macs)),
        **lowering_metadata(graph, options),
    }
    if (variant := variant_of(graph)) is not None:
        # So that loading these weights into the other variant is detected.
        entries |= metadata.VARIANT.of(str(variant))
    return Prepared(graph, lowered, entries, random, report, adopted)


@contextmanager
def _reporting_in(diagnostics: Diagnostics) -> Iterator[None]:
    """Raise errors in reading or writing files together with the diagnostics so far."""
    try:
        yield
    except (CheckpointError, OutputError) as error:
        diagnostics.absorb(error.diagnostics)
        raise CompileError(diagnostics) from None


def _check_name(path: Path, diagnostics: Diagnostics) -> None:
    if path.suffix.lower() not in ("", ".onnx"):
        message = f"`{path.name}` is an ONNX file, and its name ends in `{path.suffix}`"
        helps = (f"name it `{path.with_suffix('.onnx').name}`, so that other tools recognise it",)
        diagnostics.report(Diagnostic(catalogue.OUTPUT_NAME, message, helps=helps))


def _graph(specification: Specification, options: CompileOptions, files: ExitStack) -> Graph:
    """The network. If only its totals are wrong, the error comes with what the checkpoint says of its layers."""
    try:
        return specification.graph
    except CompileError:
        built = specification.unexpected_graph
        if built is None or options.weights is None:
            raise
        graph, heads = _with_chosen_heads(built, options)
        checkpoint = _opened(options.weights, files)
        differences = Diagnostics()
        match(graph, checkpoint, differences, renames=options.renames, ignore=options.ignore, heads=heads)
        specification.diagnostics.absorb(differences)
        raise


def _with_chosen_heads(graph: Graph, options: CompileOptions) -> tuple[Graph, tuple[str, ...]]:
    """The graph with the heads that are compiled, and the paths of those that were left out."""
    if options.aux:
        return include_aux(graph), ()
    return drop_aux(graph), tuple(head.path for head in graph.aux_heads)


def _opened(weights: str | os.PathLike[str] | Checkpoint, files: ExitStack) -> Checkpoint:
    return weights if isinstance(weights, Checkpoint) else files.enter_context(read_weights(weights))


def _with_weights(
    graph: Graph, options: CompileOptions, diagnostics: Diagnostics, files: ExitStack, heads: tuple[str, ...]
) -> tuple[Graph, MatchReport, str, BundledConfig]:
    """The graph with the tensors of a checkpoint, the match report, the origin, and the adopted configuration.

    ``files`` closes the checkpoint. The configuration has preprocessing and labels that differ from the graph's.
    """
    assert options.weights is not None
    checkpoint = _opened(options.weights, files)
    graph, report = match(
        graph,
        checkpoint,
        diagnostics,
        partial=options.partial,
        new_head=options.new_head,
        renames=options.renames,
        ignore=options.ignore,
        heads=heads,
    )
    if diagnostics.errors:
        raise CompileError(diagnostics)
    check_variant(graph, checkpoint, diagnostics)
    adopted = (
        BundledConfig() if options.keep_preprocess else changes_to(read_bundled_config(checkpoint.path, graph), graph)
    )
    graph = replace(graph, preprocess=adopted.preprocess or graph.preprocess, labels=adopted.labels or graph.labels)
    return graph, report, checkpoint.origin, adopted


def _with_labels(graph: Graph, labels: tuple[str, ...]) -> Graph:
    shapes = [graph.nodes[output.node].type.shape for output in graph.outputs if not output.aux]
    classes = {shape[1] for shape in shapes if len(shape) == 2}
    if classes and len(labels) not in classes:
        raise ValueError(f"{len(labels)} labels, and {' or '.join(sorted(map(str, classes)))} classes")
    return replace(graph, labels=labels)


def _written(
    graph: Graph,
    output: str | os.PathLike[str] | BinaryIO,
    metadata: Mapping[str, str],
    options: CompileOptions,
    progress: _Progress,
) -> Emitted:
    parameters = graph.parameters.values()
    prepare_values(parameters)
    opset = options.written_opset
    if isinstance(output, str | os.PathLike):
        values = (
            (one, _CountedTensor(ParameterTensor(one, options.seed, options.init), progress)) for one in parameters
        )
        if not options.for_runtime:
            return emit(
                graph, Path(output), values, metadata=metadata, external_data=options.external_data, opset=opset
            )

        def write_plain(path: Path, more: Mapping[str, str]) -> None:
            emit(graph, path, values, metadata={**metadata, **more}, external_data=True, opset=opset)

        from resdsl.compiler.for_runtime import write_for_runtime  # imports ONNX Runtime

        return write_for_runtime(Path(output), write_plain)
    if options.for_runtime:
        from resdsl.compiler.for_runtime import no_stream_for_runtime

        raise no_stream_for_runtime(STREAM)
    # A stream is written sequentially, so the next tensors are computed in threads.
    prefetched = progress.following(stream(parameters, options.seed, options.init))
    return Emitted(STREAM, emit_to_stream(graph, output, prefetched, metadata=metadata, opset=opset))


def _origin(options: CompileOptions, report: MatchReport | None, source: str, random: int) -> dict[str, object]:
    """The origin of the weights, for the metadata."""
    origin: dict[str, object] = {}
    if report is not None:
        origin |= {"checkpoint": report.checkpoint, "tensors": len(report.loaded)}
    if source:
        origin["from"] = source
    if random:
        origin |= {"scheme": str(options.init), "seed": options.seed}
    return origin


class _Progress:
    """Counts the bytes of weights written. Thread-safe."""

    def __init__(self, graph: Graph, report: Progress | None) -> None:
        self._total = sum(parameter.bytes for parameter in graph.parameters.values())
        self._done = 0
        self._report = report
        self._lock = threading.Lock()

    def add(self, written: int) -> None:
        if self._report is None:
            return
        with self._lock:
            self._done += written
            self._report(self._done, self._total)

    def following(self, values: Iterator[Value]) -> Iterator[Value]:
        """Yield the same values; each counts as written when the next one is requested."""
        for parameter, value in values:
            yield parameter, value
            self.add(parameter.bytes)


@dataclass(frozen=True, slots=True)
class _CountedTensor:
    """A tensor whose bytes count as written when the next ones are requested."""

    tensor: ParameterTensor
    progress: _Progress

    def raw(self) -> Iterator[memoryview]:
        for piece in self.tensor.raw():
            yield piece
            self.progress.add(piece.nbytes)
