"""Writing a graph as ONNX.

The model is never built as a whole: all but the values of its weights is, and then these are made and written piece by
piece, each at its place, so emitting needs memory for the nodes and a few pieces, not for the model. The order of the
bytes is decided by the graph alone, so the same graph and weights give the same file.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from resdsl import protobuf
from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.diagnostics.errors import OutputError
from resdsl.files import PendingFile, explained, is_stream, pending_file, real_target, whole_file
from resdsl.ir.graph import Graph, Parameter
from resdsl.ir.operator import OPSET
from resdsl.onnx.model import encode_graph, encode_model, model_metadata
from resdsl.onnx.tensors import (
    INLINE_BELOW,
    Field,
    Piece,
    Tensor,
    Values,
    inline_field,
    raw_pieces,
    referring_initializers,
    side_fields,
)
from resdsl.onnx.writing import write_in_order, write_in_place


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
    if is_stream(path):
        with whole_file(path) as stream:
            stream.write(skeleton.beginning)
            write_in_order(skeleton.fields, values, stream.write)
        return Emitted(path, skeleton.inline_length)
    with pending_file(path) as file:
        with file.section(0) as section:
            section.write(skeleton.beginning)
        write_in_place(file, len(skeleton.beginning), skeleton.fields, values)
        target = real_target(path)
        superseded = side_files_of(target)
        file.commit(target)
    remove_files(superseded)
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

    write(skeleton.beginning)
    write_in_order(skeleton.fields, values, write)
    with explained(Path("-")):
        stream.flush()
    return skeleton.inline_length


class _Skeleton:
    """A model before its weights: everything whose bytes are known without them."""

    def __init__(self, graph: Graph, metadata: Mapping[str, str] | None, opset: int) -> None:
        self.name = graph.name
        self.parameters = tuple(graph.parameters.values())
        self._model = encode_model({**model_metadata(graph), **(metadata or {})}, opset)
        self._graph = encode_graph(graph)
        self.fields = [inline_field(parameter) for parameter in self.parameters]
        weights = sum(field.length for field in self.fields)
        self.beginning = self._around(weights)
        self.inline_length = len(self.beginning) + weights

    def _around(self, initializers: int) -> bytes:
        """The model up to its initializers, which are the end of the graph and of the model: so many bytes."""
        return self._model + protobuf.prefix(protobuf.MODEL_GRAPH, len(self._graph) + initializers) + self._graph

    def referring(self, initializers: bytes) -> bytes:
        """The whole model, with initializers that refer to a side file."""
        return self._around(len(initializers)) + initializers

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
    beside = side_fields(skeleton.parameters)
    inside: dict[str, bytes] = {}
    checksums: dict[str, int] = {}
    with pending_file(path) as data, pending_file(path) as model:
        write_in_place(data, 0, beside, _large(values, inside), checksums)
        data_path = target.with_name(f"{target.stem}.{_digest(checksums, beside)}.data")
        content = skeleton.referring(referring_initializers(skeleton.parameters, inside, beside, data_path.name))
        model.stream.write(content)
        superseded = side_files_of(target) - {data_path}
        _commit_pair(data if beside else None, data_path, model, target)
    remove_files(superseded)
    length = sum(field.length for field in beside)
    return Emitted(path, len(content), data_path if beside else None, length)


def _large(values: Values, inside: dict[str, bytes]) -> Iterator[tuple[Parameter, Tensor]]:
    """The tensors for the side file. The bytes of others are put ``inside`` by name."""
    for parameter, tensor in values:
        if parameter.bytes < INLINE_BELOW:
            inside[parameter.name] = b"".join(raw_pieces(parameter, tensor))
        else:
            yield parameter, tensor


def _digest(checksums: Mapping[str, int], beside: Sequence[Field]) -> str:
    """Eight digits that identify a side file: a hash of the names, lengths and checksums of the tensors, in order.

    Not of the bytes of the file, which would have to be there in order, and be read by one thread.
    """
    digest = blake2b(digest_size=4)
    for field in beside:
        name = field.parameter.name
        digest.update(f"{name}:{field.bytes}:{checksums[name]};".encode())
    return digest.hexdigest()


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


def remove_files(files: set[Path]) -> None:
    """What a new model has superseded, as far as that goes."""
    for file in files:
        with contextlib.suppress(OSError):  # the model is written; what is left over does no harm
            file.unlink()


def side_files_of(model_path: Path) -> set[Path]:
    """The side files, named as we name them, that an existing model refers to."""
    pattern = re.compile(re.escape(model_path.stem) + r"\.[0-9a-f]{8}\.data")
    candidates = {file.name for file in model_path.parent.glob("*.data") if pattern.fullmatch(file.name)}
    # Most models have none, and reading a large one to learn that would take its size in memory.
    if not candidates or not model_path.exists():
        return set()
    import onnx  # only to replace a model of before
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model(model_path, load_external_data=False)
    except (DecodeError, OSError):
        return set()
    locations = {
        entry.value for tensor in model.graph.initializer for entry in tensor.external_data if entry.key == "location"
    }
    return {model_path.with_name(name) for name in candidates & locations}
