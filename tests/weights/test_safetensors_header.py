"""Headers that the library of the format takes are taken, and no others; the library is asked each time."""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path

import pytest
import safetensors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.formats.open import open_checkpoint

# Bits of an element, from the format's description.
BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I8": 8, "BOOL": 8, "U16": 16, "F8_E4M3": 8, "C64": 64}

Entry = dict[str, object]
File = tuple[dict[str, Entry], int]
"""A header, and how many bytes follow it."""


def written(path: Path, header: object, size: int) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(size))
    return path


def taken_by_the_library(path: Path) -> bool:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return bool(file.keys()) or True
    except (safetensors.SafetensorError, OSError):
        return False


def taken(path: Path) -> bool:
    try:
        open_checkpoint(path).close()
    except CheckpointError:
        return False
    return True


@st.composite
def files(draw: st.DrawFn) -> File:
    """A header as it should be, in some order."""
    names = draw(st.lists(st.sampled_from(["a", "b.weight", "ü", ""]), unique=True))
    header: dict[str, Entry] = {}
    position = 0
    for name in names:
        dtype = draw(st.sampled_from(sorted(BITS)))
        shape = draw(st.lists(st.integers(0, 3), max_size=3))
        end = position + prod(shape) * BITS[dtype] // 8
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, end]}
        position = end
    return dict(draw(st.permutations(list(header.items())))), position


WRONG = st.sampled_from(
    [None, True, 1, 1.0, -1, 2**63, 2**64, 2**100, "F32", "F99", "f32", [], [0], [0, 4], [4, 0], [0, 4, 8], [1.0], {}]
)


@st.composite
def damaged_files(draw: st.DrawFn) -> File:
    """One where one thing may be otherwise."""
    header, size = draw(files().filter(lambda file: file[0]))
    entry = header[draw(st.sampled_from(sorted(header)))]
    match draw(st.sampled_from(["size", "gone", "wrong", "shifted", "more"])):
        case "size":
            size += draw(st.integers(-min(size, 4), 4))
        case "gone":
            del entry[draw(st.sampled_from(sorted(entry)))]
        case "wrong":
            entry[draw(st.sampled_from(sorted(entry)))] = draw(WRONG)
        case "shifted":
            offsets = entry["data_offsets"]
            assert isinstance(offsets, list)
            offsets[draw(st.integers(0, 1))] += draw(st.integers(-4, 4))
        case "more":
            entry["more"] = draw(WRONG)
    return header, size


@given(st.one_of(files(), damaged_files()))
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_the_library_takes_is_taken(tmp_path: Path, file: File) -> None:
    path = written(tmp_path / "w.safetensors", *file)
    assert taken(path) == taken_by_the_library(path)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}   ',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}\n\t',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} x',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},}',
        b'{"a\xff":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{"k":"v"}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":null}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{"k":1}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":["k"]}',
        b'{"a":null}',
        b'{"a":[]}',
        b"{}",
    ],
)
def test_texts_that_the_library_takes_are_taken(tmp_path: Path, text: bytes) -> None:
    path = written(tmp_path / "w.safetensors", text, 0 if text == b"{}" else 4)
    assert taken(path) == taken_by_the_library(path)


def test_a_header_longer_than_the_file_or_than_the_format_allows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", 60) + b'{"a":{}}')
    assert not taken(path)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 100_000_001) + b"{}" + b" " * 600)
        file.truncate(100_000_009)
    assert not taken_by_the_library(path)
    assert not taken(path)


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    entry = b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    path = written(tmp_path / "w.safetensors", b"{" + entry + b"," + entry + b"}", 4)
    with pytest.raises(CheckpointError, match="duplicate name"):
        open_checkpoint(path)
