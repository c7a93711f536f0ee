"""ONNX files that no tool should write: each gives a network or a diagnostic, in bounded time and memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import onnx
import pytest

import resdsl
from resdsl.diagnostics import CompileError
from resdsl.importer.inference import from_onnx
from resdsl.importer.paths import _list
from resdsl.importer.read import MOST_FOLDED
from resdsl.tools.git.layer_table import layer_table
from resdsl.tools.summary.formats import text
from tests.foreign_onnx import FOREIGN, copies, doubled, filled, hostile, raw_model, raw_node
from tests.fuzz.fuzz_onnx import check_onnx, mutant

FILES = hostile(300)

NOT_NETWORKS = {
    "empty": "not an ONNX model",
    "no graph": "not an ONNX model",
    "no inputs": "nothing makes the value `x`",
    "no outputs": "no output",
    "cycle": "cycle",
    "itself": "cycle",
    "missing value": "nothing makes the value `nowhere`",
    "missing output": "nothing makes its output `y`",
    "duplicate values": "same name",
    "output is constant": "does not depend on the input",
    "negative weight": "shape of a tensor",
    "rank of thousands": "shape of a value",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_gives_a_network_or_a_diagnostic(tmp_path: Path, name: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(hostile(30_000)[name]() if name == "constants" else FILES[name]())
    try:
        network = resdsl.load(path)
        graph = network.graph
    except CompileError as error:
        message = error.diagnostics.errors[0].message
        assert NOT_NETWORKS.get(name, "") in message
        assert len(message) < 500 and message.isprintable()
        return
    assert name not in NOT_NETWORKS
    shown = text(network.summary(depth=None), network.smallest_input) + layer_table(graph)
    assert "\x1b" not in shown and "\u202e" not in shown
    assert resdsl.diff(path, path).is_empty


@pytest.mark.parametrize("name", ["chain", "ladder", "split", "many tensors", "pyramid"])
def test_deep_and_wide_files_take_no_stack(tmp_path: Path, name: str) -> None:
    path = tmp_path / "net.onnx"
    # Far deeper than Python's stack of a thousand calls.
    path.write_bytes(hostile(4_000)[name]())
    graph = resdsl.load(path).graph
    assert len(graph.nodes) == {"split": 2, "many tensors": 2}.get(name, 4_001)


def test_numbers_that_nodes_make_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(filled(MOST_FOLDED // 4096 - 1))
    assert resdsl.load(path).graph.nodes
    path.write_bytes(filled(MOST_FOLDED // 4096 + 1))
    with pytest.raises(CompileError, match="compute more than 4,000,000 numbers"):
        resdsl.load(path)
    # Another name makes no other numbers.
    path.write_bytes(copies(MOST_FOLDED // 4096 + 1))
    assert resdsl.load(path).graph.nodes


@pytest.mark.skipif(sys.platform == "win32", reason="the memory of a process has no bound there")
@pytest.mark.parametrize("kind", ["Gather", "Concat"])
def test_the_onnx_library_has_bounded_memory(kind: Literal["Gather", "Concat"]) -> None:
    small, large = (from_onnx("infer", doubled(kind, count)) for count in (3, 40))
    assert small is not None and b"c3" in small
    # 2 ** 40 sizes, or numbers.
    assert large is None


def test_truncated_files_are_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    data = FOREIGN["convolutions"]().SerializeToString()
    for length in range(0, len(data), 97):
        path.write_bytes(data[:length])
        with pytest.raises(CompileError):
            _ = resdsl.load(path).graph


def test_lists_in_metadata_are_read_without_evaluating_them() -> None:
    assert _list("['', 'layer1', \"it's\", 'a\\'b']") == ("", "layer1", "it's", "a'b")
    for hostile_text in ("[" * 10_000, "['a', __import__('os')]", "['" + "\\" * 9_999, "[1, 2]", "['a'" * 4_000):
        assert _list(hostile_text) == ()


def test_a_symbol_that_is_no_name_is_made_one(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    shape = [onnx.helper.make_tensor_value_info("x", 1, ["if", 3, "a*b", "1+"])]
    inputs = b"".join(b"\x5a" + bytes([len(one)]) + one for one in (each.SerializeToString() for each in shape))
    path.write_bytes(raw_model(raw_node("Relu", ["x"], ["y"]), inputs=inputs))
    network = resdsl.load(path)
    assert str(network.graph.input.type) == "[If, 3, A_b, D31]"
    assert network.source.text


def test_mutants_give_a_network_or_a_diagnostic(tmp_path: Path) -> None:
    path = tmp_path / "mutant.onnx"
    kinds = set()
    for number in range(60):
        path.write_bytes(mutant(7, number))
        kinds.add(check_onnx(path, thorough=number % 10 == 0))
    assert kinds == {"text", "graph", "error"}
