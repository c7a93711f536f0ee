"""Values of files that are out of bounds, by cause: each ends as a diagnostic, in little time and memory."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from resdsl.diagnostics.render import render
from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.formats.open import open_checkpoint

DIGITS = 5000
HUGE = 10**DIGITS
"""More digits than Python converts to text."""


def in_safetensors(entry: str) -> bytes:
    header = f'{{"w": {entry}}}'.encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


def in_zip(members: dict[str, bytes]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return write


def in_npz(header: str) -> Callable[[Path], None]:
    text = header.encode().ljust(117) + b"\n"
    return in_zip({"w.npy": b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(4)})


def integer(value: int) -> bytes:
    """A pickled integer of any size (``LONG4``)."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return pickle.LONG4 + struct.pack("<i", len(data)) + data


def in_pth(
    *, offset: int = 0, stride: int = 1, size: int = 1, count: int = 1, base: int | None = None
) -> Callable[[Path], None]:
    """``{"w": a tensor}`` with these numbers, in PyTorch's zip container."""
    view = b"N" if base is None else b"(N" + integer(base) + integer(count) + b"t"
    storage = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpu" + integer(count) + view + b"tQ"
    arguments = b"(" + storage + integer(offset) + integer(size) + b"\x85" + integer(stride) + b"\x85\x89Nt"
    content = b"\x80\x02}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"Rs."
    return in_zip({"a/data.pkl": content, "a/data/0": bytes(4)})


def in_pickle(content: bytes) -> Callable[[Path], None]:
    return in_zip({"a/data.pkl": content})


def diagnostic_of(path: Path, content: bytes | Callable[[Path], None]) -> str:
    """The code of the error in opening and reading, after rendering its message."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    with pytest.raises(CheckpointError) as caught, open_checkpoint(path) as checkpoint:
        for key in checkpoint.tensors:
            checkpoint.read(key)
    assert caught.value.diagnostic.helps
    assert len(caught.value.diagnostic.message) < 1000
    render([caught.value.diagnostic], width=100).encode()
    return caught.value.diagnostic.code.id


OUT_OF_BOUNDS = {
    "an integer is converted to float or text before it is bounded": {
        "safetensors shape 10**400": in_safetensors(
            f'{{"dtype": "F32", "shape": [{10**400}], "data_offsets": [0, 4]}}'
        ),
        "safetensors shape of 2**62 thrice": in_safetensors(
            f'{{"dtype": "F32", "shape": {[2**62] * 32}, "data_offsets": [0, 4]}}'
        ),
        "safetensors offset 10**400": in_safetensors(
            f'{{"dtype": "F32", "shape": [1], "data_offsets": [0, {10**400}]}}'
        ),
        "safetensors type 10**400": in_safetensors(f'{{"dtype": {10**400}, "shape": [1], "data_offsets": [0, 4]}}'),
        "pth offset": in_pth(offset=HUGE),
        "pth negative offset": in_pth(offset=-HUGE),
        "pth stride": in_pth(stride=HUGE),
        "pth stride of two": in_pth(stride=HUGE, size=2),
        "pth shape": in_pth(size=HUGE),
        "pth count": in_pth(count=HUGE),
        "pth count of a huge tensor": in_pth(count=HUGE, size=2**32),
        "pth base of a view": in_pth(base=HUGE),
        "npz shape": in_npz(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({10**400},)}}"),
        "pth key": in_pickle(b"\x80\x02}" + integer(HUGE) + b"Ns."),
    },
    "a bool in place of an integer": {
        "npz shape (True,)": in_npz("{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}"),
        "safetensors shape [true]": in_safetensors('{"dtype": "F32", "shape": [true], "data_offsets": [0, 4]}'),
    },
    "text that cannot be encoded becomes a name": {
        "safetensors name": in_safetensors('{}, "\\ud800": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'),
        "pth name": in_pickle(b"\x80\x02}X\3\0\0\0\xed\xa0\x80Ns."),
        "pth global": in_pickle(b"\x80\x04\x8c\3\xed\xa0\x80\x8c\1b\x93."),
    },
}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(content, id=f"{cause}: {name}")
        for cause, cases in OUT_OF_BOUNDS.items()
        for name, content in cases.items()
    ],
)
def test_a_value_out_of_bounds_is_an_error_of_the_file(tmp_path: Path, content: bytes | Callable[[Path], None]) -> None:
    assert diagnostic_of(tmp_path / "w", content) in ("E0702", "E0704", "E0705", "E0708")


def test_the_tensor_of_these_tests_is_read_where_its_numbers_are_small(tmp_path: Path) -> None:
    in_pth(base=0)(tmp_path / "w")
    with open_checkpoint(tmp_path / "w") as checkpoint:
        assert checkpoint.read("w").tolist() == [0]


# Python's hash of an integer is its remainder modulo 2^61 - 1: all of these have the hash 7.
COLLIDING = [((1 << 61) - 1) * (k + 1) + 7 for k in range(30_000)]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x80\x02}(" + b"".join(integer(key) + b"N" for key in COLLIDING) + b"u.", id="keys of a dict"),
        pytest.param(b"\x80\x02N" + b"".join(b"p%d\n" % key for key in COLLIDING) + b".", id="memo indices"),
    ],
)
def test_integers_that_collide_in_a_hash_table_take_no_time(tmp_path: Path, content: bytes) -> None:
    def seconds(content: bytes) -> float:
        start = time.process_time()
        assert diagnostic_of(tmp_path / "w", in_pickle(content)) in ("E0702", "E0704")
        return time.process_time() - start

    harmless = b"\x80\x02}(" + b"".join(integer(key) + b"N" for key in range(len(COLLIDING))) + b"u."
    # Of 30,000 colliding keys each is compared with all before it: 50 times the time of others.
    assert seconds(content) < 10 * seconds(harmless) + 0.5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    code = f"import resdsl; resdsl.read_weights({str(tmp_path / name)!r})"
    # In a process of its own: without the check it waits for ever.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "it is a pipe or a device" in done.stderr


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_takes_its_own_size_of_memory_once(tmp_path: Path, order: str) -> None:
    import tracemalloc

    size = 64 << 20
    np.savez_compressed(tmp_path / "w.npz", w=np.zeros((2, size // 8), np.float32, order="F" if order == "F" else "C"))
    with open_checkpoint(tmp_path / "w.npz") as checkpoint:
        tracemalloc.start()
        try:
            array = checkpoint.read("w")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert array.nbytes == size
    # An array in Fortran's order is turned into C's, which takes a copy.
    assert peak < (1.2 if order == "C" else 2.2) * size


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": [10**400] * 3},
        {"std": [10**400] * 3},
        {"mean": [1e300] * 3},
        {"crop_pct": 10**400},
        {"std": [True] * 3},
        {"mean": ["1"] * 3},
    ],
    ids=["mean", "std", "large mean", "crop_pct", "bool", "text"],
)
def test_statistics_out_of_bounds_in_a_config_are_ignored(tmp_path: Path, changes: dict[str, object]) -> None:
    import resdsl
    from resdsl.weights.bundled_config import read_bundled_config

    described = {
        "input_size": [3, 8, 8],
        "crop_pct": 1.0,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "interpolation": "bilinear",
    }
    graph = resdsl.loads("model m { input x: f32[N, 3, 8, 8]; flatten; fc: linear(2); output y }").graph

    def read(described: dict[str, object]) -> object:
        (tmp_path / "config.json").write_text(json.dumps({"architecture": "m", "pretrained_cfg": described}))
        config = read_bundled_config(tmp_path / "w.safetensors", graph)
        return config and config.preprocess

    assert read(described) is not None
    assert read(described | changes) is None
