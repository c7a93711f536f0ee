"""Writing a graph as ONNX.

The model is never built as a whole: its weights come one at a time and are written straight from their arrays, so
emitting needs memory for the largest tensor, not for the model. The order of the bytes is decided by the graph alone,
so the same graph and weights give the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from resdsl.backends.onnx import protobuf
from resdsl.backends.onnx.model import build_graph, build_model, model_metadata
from resdsl.backends.onnx.tensors import Piece, Values, Write, place_tensors, tensor_head, write_inline, write_side_file
from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.files import OutputError, PendingFile, explained, is_stream, pending_file, real_target, whole_file
from resdsl.ir.graph import Graph
from resdsl.ir.operator import OPSET


@dataclass(frozen=True, slots=True)
class Emitted:
    """What was written: the model and, where the weights have a file of their own, that; sizes in bytes."""

    path: Path
    bytes: int
    data_path: Path | None = None
    data_bytes: int = 0


def emit(
    graph: Graph,
    path: Path,
    values: Values,
    *,
    metadata: Mapping[str, str] | None = None,
    external_data: bool | None = None,
    opset: int = OPSET,
) -> Emitted:
    """Write ``graph`` as ONNX to ``path``, whole or not at all.

    ``values`` are the graph's parameters with their tensors, in order. ``metadata`` joins what the model says of
    itself, and wins. With ``external_data`` the weights go to a file beside the model, ``NAME.<hash>.data``; ``None``
    does that where the model would be larger than protobuf's 2 GB. ``opset`` is from ``OPSET`` to ``NEWEST_OPSET``.
    Raises ``OutputError`` where the file cannot be written.
    """
    skeleton = _Skeleton(graph, metadata, opset)
    if external_data is None:
        external_data = skeleton.inline_length > protobuf.MESSAGE_LIMIT
    if external_data:
        return _emit_with_side_file(skeleton, path, values)
    skeleton.require_small()
    with whole_file(path) as stream:
        skeleton.write_inline(stream.write, values)
        superseded = _side_files_of(real_target(path))
    _remove(superseded)
    return Emitted(path, skeleton.inline_length)


def emit_to_stream(
    graph: Graph,
    stream: BinaryIO,
    values: Values,
    *,
    metadata: Mapping[str, str] | None = None,
    opset: int = OPSET,
) -> int:
    """Write ``graph`` as ONNX to an open stream; gives the number of bytes. Raises ``OutputError`` as ``emit`` does."""
    skeleton = _Skeleton(graph, metadata, opset)
    skeleton.require_small()

    def write(piece: Piece) -> None:
        with explained(Path("-")):
            stream.write(piece)

    skeleton.write_inline(write, values)
    with explained(Path("-")):
        stream.flush()
    return skeleton.inline_length


class _Skeleton:
    """A model before its weights: everything whose bytes are known without them."""

    def __init__(self, graph: Graph, metadata: Mapping[str, str] | None, opset: int) -> None:
        self.name = graph.name
        self.parameters = tuple(graph.parameters.values())
        self.graph = build_graph(graph)
        model = build_model({**model_metadata(graph), **(metadata or {})}, opset)
        self._model_bytes = model.SerializeToString(deterministic=True)
        self._graph_bytes = self.graph.SerializeToString(deterministic=True)
        self._heads = [tensor_head(parameter) for parameter in self.parameters]
        self._graph_length = len(self._graph_bytes) + sum(head.length for head in self._heads)
        self._graph_prefix = protobuf.prefix(protobuf.MODEL_GRAPH, self._graph_length)

    @property
    def inline_length(self) -> int:
        """Bytes of the model with its weights in it."""
        return len(self._model_bytes) + len(self._graph_prefix) + self._graph_length

    def require_small(self) -> None:
        """Refuse a model that no reader could load from one file."""
        if self.inline_length <= protobuf.MESSAGE_LIMIT:
            return
        size = self.inline_length / 1e9
        raise OutputError(
            Diagnostic(
                catalogue.MODEL_TOO_LARGE,
                f"`{self.name}` takes {size:.1f} GB, and an ONNX file with its weights inside holds 2 GB at most",
                helps=("write to a named file and let the weights have a file of their own beside it",),
            )
        )

    def write_inline(self, write: Write, values: Values) -> None:
        for piece in (self._model_bytes, self._graph_prefix, self._graph_bytes):
            write(piece)
        write_inline(self._heads, values, write)

    def write_referring(self, write: Write, graph: onnx.GraphProto) -> int:
        """Write the model around ``graph``, which has its initializers already; gives the number of bytes."""
        graph_bytes = graph.SerializeToString(deterministic=True)
        prefix = protobuf.prefix(protobuf.MODEL_GRAPH, len(graph_bytes))
        for piece in (self._model_bytes, prefix, graph_bytes):
            write(piece)
        return len(self._model_bytes) + len(prefix) + len(graph_bytes)


def _emit_with_side_file(skeleton: _Skeleton, path: Path, values: Values) -> Emitted:
    """Write the weights, then the model that refers to them.

    The side file's name has a hash of its content in it, so a new one never replaces one that an existing model reads:
    until the model itself is renamed, the old pair stands untouched, and after that the new one does.
    """
    if is_stream(path):
        raise OutputError(
            Diagnostic(
                catalogue.SIDE_FILE,
                f"`{path}` is no file, and the weights of `{skeleton.name}` need a file beside the model",
                helps=("name a file to write to",),
            )
        )
    target = real_target(path)
    with pending_file(path) as data:
        digest = hashlib.blake2b(digest_size=4)

        def write(piece: Piece) -> None:
            digest.update(piece)
            data.stream.write(piece)

        side = write_side_file(skeleton.parameters, values, write)
        data_path = target.with_name(f"{target.stem}.{digest.hexdigest()}.data")
        place_tensors(skeleton.parameters, side, data_path.name, skeleton.graph)
        with pending_file(path) as model:
            length = skeleton.write_referring(model.stream.write, skeleton.graph)
            superseded = _side_files_of(target) - {data_path}
            _commit_pair(data if side.length else None, data_path, model, target)
    _remove(superseded)
    return Emitted(path, length, data_path if side.length else None, side.length)


def _commit_pair(data: PendingFile | None, data_path: Path, model: PendingFile, target: Path) -> None:
    """Rename the weights, then the model; where the second fails, the first vanishes again."""
    existed = data_path.exists()
    if data is not None:
        data.commit(data_path)
    try:
        model.commit(target)
    except BaseException:
        if not model.committed and not existed:
            data_path.unlink(missing_ok=True)
        raise


def _remove(files: set[Path]) -> None:
    for file in files:
        with contextlib.suppress(OSError):  # the model is written; what is left over does no harm
            file.unlink()


def _side_files_of(model_path: Path) -> set[Path]:
    """The side files, named as we name them, that an existing model refers to."""
    pattern = re.compile(re.escape(model_path.stem) + r"\.[0-9a-f]{8}\.data")
    candidates = {file.name for file in model_path.parent.glob("*.data") if pattern.fullmatch(file.name)}
    # Most models have none, and reading a large one to learn that would take its size in memory.
    if not candidates or not model_path.exists():
        return set()
    try:
        model = onnx.load_model(model_path, load_external_data=False)
    except (DecodeError, OSError):
        return set()
    locations = {
        entry.value for tensor in model.graph.initializer for entry in tensor.external_data if entry.key == "location"
    }
    return {model_path.with_name(name) for name in candidates & locations}
