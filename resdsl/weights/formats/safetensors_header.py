"""Read and check the header of a ``.safetensors`` file: no tensor lies outside the file or overlaps another one.

The file is the length of the header in 8 bytes, the header in JSON, and the bytes of the tensors without gaps
(https://huggingface.co/docs/safetensors, "Format"). ``docs/decisions.md`` says why the safetensors library is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from resdsl.untrusted import bounded_ints, parse_json, printable, printable_shape
from resdsl.weights.checkpoint import CheckpointError, TensorInfo, check_shape

LONGEST = 100_000_000
"""Bytes of a header; the format's own limit."""

_DTYPES = {
    "F64": ("float64", 64),
    "F32": ("float32", 32),
    "F16": ("float16", 16),
    "BF16": ("bfloat16", 16),
    "I64": ("int64", 64),
    "I32": ("int32", 32),
    "I16": ("int16", 16),
    "I8": ("int8", 8),
    "U64": ("uint64", 64),
    "U32": ("uint32", 32),
    "U16": ("uint16", 16),
    "U8": ("uint8", 8),
    "BOOL": ("bool", 8),
    # Tensors of these types are listed and cannot be read.
    "C64": ("C64", 64),
    "F8_E5M2": ("F8_E5M2", 8),
    "F8_E4M3": ("F8_E4M3", 8),
    "F8_E8M0": ("F8_E8M0", 8),
    "F8_E4M3FNUZ": ("F8_E4M3FNUZ", 8),
    "F8_E5M2FNUZ": ("F8_E5M2FNUZ", 8),
    "F6_E2M3": ("F6_E2M3", 6),
    "F6_E3M2": ("F6_E3M2", 6),
    "F4": ("F4", 4),
}
"""Element types: our name and the number of bits."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor in the file, and the range of its bytes."""

    info: TensorInfo
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """The content of a header, tensors in the order of their bytes."""

    metadata: Mapping[str, str]
    entries: Mapping[str, Entry]


def read_header(text: bytes, *, size: int, name: str) -> Header:
    """The header ``text`` of a file of ``size`` bytes called ``name``.

    Raises ``CheckpointError`` if it is not a header, inconsistent, or does not fit the size of the file.
    """
    try:
        content = parse_json(text, unique_keys=True)
    except ValueError as error:
        raise CheckpointError.damaged(name, f"its header is not JSON: {error!s:.120}") from error
    if not isinstance(content, dict):
        raise CheckpointError.damaged(name, "its header is not a JSON object")
    metadata = content.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError.damaged(name, "its metadata are not strings")

    unsorted = {key: _entry(key, entry, 8 + len(text), name) for key, entry in content.items()}
    entries = dict(sorted(unsorted.items(), key=lambda item: (item[1].start, item[1].end)))
    position = 8 + len(text)
    for key, entry in entries.items():
        if entry.start != position:
            raise CheckpointError.damaged(name, f"the bytes of `{key:.80}` do not follow those of the tensor before it")
        position = entry.end
    if position != size:
        raise CheckpointError.damaged(name, f"its tensors end at byte {position:,}, and it has {size:,}")
    return Header(metadata, entries)


def _entry(key: str, entry: object, data_start: int, name: str) -> Entry:
    if not isinstance(entry, dict):
        raise CheckpointError.damaged(name, f"the entry of `{key:.80}` is not a JSON object")
    dtype = entry.get("dtype")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise CheckpointError.damaged(name, f"`{key:.80}` has the unknown element type {printable(dtype, most=40)}")
    shape, offsets = bounded_ints(entry.get("shape")), bounded_ints(entry.get("data_offsets"))
    if shape is None or offsets is None or len(offsets) != 2:
        raise CheckpointError.damaged(name, f"the shape or offsets of `{key:.80}` are not integers")
    ours, bits = _DTYPES[dtype]
    start, end = offsets
    needed = check_shape(shape, name=name, key=key) * bits
    if 8 * (end - start) != needed:
        raise CheckpointError.damaged(
            name,
            f"`{key:.80}` has {end - start:,} bytes, and its shape {printable_shape(shape)} of {dtype} needs"
            f" {needed / 8:,.16g}",
        )
    return Entry(TensorInfo(shape, ours), data_start + start, data_start + end)
