"""Tensors are written to their positions in a file, by any number of threads."""

from __future__ import annotations

import os
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from resdsl.diagnostics import catalogue
from resdsl.files import OutputError
from resdsl.ir.graph import Graph
from resdsl.onnx import emit, emit_to_stream, writing
from resdsl.onnx.tensors import Values

from ..building import network, tensors

MEGABYTE = 1 << 20


@pytest.fixture
def four_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four threads, each of which takes as much at once as makes more than a hundred bytes."""
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(writing, "RUN", 100)


@dataclass(frozen=True)
class Slow:
    """An array in pieces of three numbers, each after a while that is different for each."""

    array: np.ndarray

    def raw(self) -> Iterator[memoryview]:
        flat = self.array.reshape(-1)
        for start in range(0, flat.size, 3):
            time.sleep(float(flat[start]) / 10_000)
            yield flat[start : start + 3].data.cast("B")


def many() -> Graph:
    """Tensors of 2 to 576 numbers, in no order of size."""
    layers = ";  ".join(
        f"conv({width}, {kernel}, bias = true)" for width, kernel in ((2, "3x3"), (4, "1x1"), (16, "3x3"))
    )
    return network(";  ".join([layers, "bn"] * 4) + "\n  output y")


def slow(graph: Graph) -> Values:
    return ((parameter, Slow(array)) for parameter, array in tensors(graph))


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize("external_data", [False, True])
def test_threads_write_what_one_thread_writes(tmp_path: Path, external_data: bool) -> None:
    graph = many()
    emit(graph, tmp_path / "m.onnx", slow(graph), external_data=external_data)
    read = {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(tmp_path / "m.onnx").graph.initializer}
    assert len(read) == len(graph.parameters)
    for parameter, array in tensors(graph):
        np.testing.assert_array_equal(read[parameter.name], array, err_msg=parameter.name)


@pytest.mark.usefixtures("four_threads")
def test_the_file_has_the_bytes_of_the_stream(tmp_path: Path) -> None:
    graph = many()
    emit(graph, tmp_path / "file", slow(graph))
    with (tmp_path / "stream").open("wb") as stream:
        emit_to_stream(graph, stream, tensors(graph))
    assert (tmp_path / "file").read_bytes() == (tmp_path / "stream").read_bytes()


@dataclass(frozen=True)
class Failing:
    """A tensor that fails in the middle, and says in which thread."""

    count: int
    failure: BaseException

    def raw(self) -> Iterator[memoryview]:
        yield memoryview(bytes(self.count * 2))
        raise self.failure


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ValueError("no"), SystemExit(3)])
@pytest.mark.parametrize("external_data", [False, True])
def test_a_failure_in_any_thread_ends_all_and_leaves_nothing(
    tmp_path: Path, failure: BaseException, external_data: bool
) -> None:
    graph = many()
    for broken in list(graph.parameters)[::4]:
        values = (
            (parameter, Failing(array.size, failure) if parameter.name == broken else Slow(array))
            for parameter, array in tensors(graph)
        )
        with pytest.raises(type(failure)):
            emit(graph, tmp_path / "m.onnx", values, external_data=external_data)
        assert list(tmp_path.iterdir()) == []
        assert not [thread for thread in threading.enumerate() if thread.name == "weights"]


@pytest.mark.usefixtures("four_threads")
def test_a_disk_that_fills_up_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, pwrite = many(), os.pwrite
    written = emit(graph, tmp_path / "m.onnx", tensors(graph))
    written.path.unlink()
    room = written.bytes - 1000

    def into_little_room(descriptor: int, data: bytes, position: int) -> int:
        if position + len(data) > room:
            raise OSError(28, "No space left on device")
        return pwrite(descriptor, data, position)

    monkeypatch.setattr(os, "pwrite", into_little_room)
    with pytest.raises(OutputError) as caught:
        emit(graph, tmp_path / "m.onnx", slow(graph))
    assert caught.value.diagnostic.code == catalogue.DISK_FULL
    assert list(tmp_path.iterdir()) == []


def test_a_tensor_of_another_length_is_a_bug(tmp_path: Path) -> None:
    graph = network("conv: conv(4, 1x1)\n  output y")
    (parameter,) = graph.parameters.values()
    for count, found in ((11, "44 bytes, not 48"), (13, "52 bytes, not 48")):
        with pytest.raises(AssertionError, match=rf"conv\.weight should be f32\[4, 3, 1, 1\].* gives {found}"):
            emit(graph, tmp_path / "m.onnx", [(parameter, Slow(np.zeros(count, np.float32)))])
    with pytest.raises(AssertionError, match="gives float64"):
        emit(graph, tmp_path / "m.onnx", [(parameter, np.zeros((4, 3, 1, 1)))])
    assert list(tmp_path.iterdir()) == []


@dataclass(frozen=True)
class Zeros:
    """A large tensor that is never there as a whole."""

    count: int

    def raw(self) -> Iterator[memoryview]:
        for _ in range(0, self.count, MEGABYTE // 4):
            yield memoryview(bytes(MEGABYTE))


@pytest.mark.parametrize("external_data", [False, True])
def test_no_tensor_is_in_memory_as_a_whole(tmp_path: Path, external_data: bool) -> None:
    # Four kernels of 16 MB each: [2048, 2048, 1, 1] in float32.
    graph = network("4 x conv(2048, 1x1)\n  output y", "N, 2048, 4, 4")
    assert [parameter.bytes for parameter in graph.parameters.values()] == [16 * MEGABYTE] * 4

    def write() -> None:
        values = ((parameter, Zeros(parameter.count)) for parameter in graph.parameters.values())
        emit(graph, tmp_path / "m.onnx", values, external_data=external_data)

    write()  # what is loaded once is not measured
    tracemalloc.start()
    try:
        write()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Two pieces for each of at most eight threads: one is made while the other is still known.
    assert peak < 2 * min(8, os.cpu_count() or 1) * MEGABYTE + MEGABYTE


def test_any_change_of_a_weight_names_another_side_file(tmp_path: Path) -> None:
    graph = network("a: conv(64, 3x3);  b: conv(64, 3x3)\n  output y", "N, 64, 4, 4")
    (a, first), (b, second) = tensors(graph)

    def name(*arrays: np.ndarray) -> str:
        written = emit(graph, tmp_path / "m.onnx", list(zip((a, b), arrays, strict=True)), external_data=True)
        assert written.data_path is not None
        return written.data_path.name

    changed = second.copy()
    changed[-1, -1, -1, -1] += 1
    names = [name(first, second), name(second, first), name(first, changed), name(first, first)]
    assert len(set(names)) == 4
    assert name(first, second) == names[0]
