"""ONNX files that no tool should write: each gives a network or a diagnostic, in bounded time and memory."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

import onnx
import pytest
from onnx import TensorProto, helper

import resdsl
from resdsl.analysis.same_network import same_network
from resdsl.diagnostics import CompileError
from resdsl.importer.inference import from_onnx
from resdsl.importer.paths import _list
from resdsl.importer.read import MOST_FOLDED
from resdsl.ir.graph import Stored
from resdsl.tools.git.layer_table import layer_table
from resdsl.tools.summary.formats import text
from tests.foreign_onnx import FOREIGN, copies, doubled, filled, hostile, raw_model, raw_node
from tests.fuzz.fuzz_onnx import check_onnx, mutant
from tests.properties.budget import DEEP

from .models import read_model

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


def test_a_sparse_tensor_is_named(tmp_path: Path) -> None:
    values = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
    places = helper.make_tensor("w.indices", TensorProto.INT64, [2], [0, 3])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
        sparse_initializer=[helper.make_sparse_tensor(values, places, [4, 4])],
    )
    onnx.save(helper.make_model(graph), tmp_path / "net.onnx")
    with pytest.raises(CompileError, match="its tensor `w` is sparse; store it as a dense one"):
        _ = resdsl.load(tmp_path / "net.onnx").graph


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


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_truncated_anywhere_is_no_model(tmp_path: Path, name: str) -> None:
    path = tmp_path / "net.onnx"
    data = FOREIGN[name]().SerializeToString()
    whole = onnx.load_from_string(data)
    for length in range(0, len(data), 1 if DEEP else len(data) // 40 | 1):
        path.write_bytes(data[:length])
        try:
            _ = resdsl.load(path).graph
        except CompileError as error:
            assert error.diagnostics.errors
        else:
            # Cut between two fields behind all that matters: the library reads the same network.
            assert onnx.load_from_string(data[:length]).graph == whole.graph


@pytest.mark.parametrize(
    ("opsets", "expected"),
    [
        ([("", 17)], ""),
        ([("", 1 << 40)], ""),
        ([], "names no operator set"),
        ([("", 0)], "no operator set 0"),
        ([("", -1)], "no operator set -1"),
        ([("", -(1 << 63))], "no operator set -9,223,372,036,854,775,808"),
        ([("", 17), ("", 0)], "no operator set 0"),
    ],
)
def test_an_operator_set_that_there_is_not_is_named(
    tmp_path: Path, opsets: list[tuple[str, int]], expected: str
) -> None:
    path = tmp_path / "net.onnx"
    model = onnx.load_from_string(raw_model(raw_node("Relu", ["x"], ["y"])))
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in opsets)
    path.write_bytes(model.SerializeToString())
    if not expected:
        assert len(resdsl.load(path).graph.nodes) == 2
        return
    with pytest.raises(CompileError, match=expected):
        _ = resdsl.load(path).graph


_BYTES = 8 * 3 * 9 * 4
"""Of the weight of the convolution below."""


def _beside(folder: Path) -> None:
    """What a model could be made to read: files in its folder and outside, links, a pipe, a folder."""
    (folder / "weights.bin").write_bytes(bytes(_BYTES))
    (folder / "short.bin").write_bytes(bytes(_BYTES - 1))
    (folder.parent / "secret.bin").write_bytes(bytes(_BYTES))
    (folder / "link.bin").symlink_to(folder.parent / "secret.bin")
    (folder / "inner").mkdir()
    (folder / "out").symlink_to(folder.parent)
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"location": "weights.bin"}, ""),
        ({"location": "./inner/../weights.bin"}, "outside the model's folder"),
        ({"location": "../secret.bin"}, "outside the model's folder"),
        ({"location": "{folder}/weights.bin"}, "outside the model's folder"),
        ({"location": "/etc/passwd"}, "outside the model's folder"),
        ({"location": "link.bin"}, "outside the model's folder"),
        ({"location": "out/secret.bin"}, "outside the model's folder"),
        ({"location": ""}, "outside the model's folder"),
        ({}, "outside the model's folder"),
        ({"location": "a\0b"}, "outside the model's folder"),
        ({"location": "n" * 5000}, "outside the model's folder"),
        ({"location": "inner"}, "does not exist"),
        ({"location": "pipe"}, "does not exist"),
        ({"location": "missing.bin"}, "does not exist"),
        ({"location": "short.bin"}, "does not have its bytes"),
        ({"location": "weights.bin", "offset": "1"}, "does not have its bytes"),
        ({"location": "weights.bin", "offset": "-1"}, "does not have its bytes"),
        ({"location": "weights.bin", "offset": str(1 << 62)}, "does not have its bytes"),
        ({"location": "weights.bin", "offset": "9" * 5000}, "does not have its bytes"),
        ({"location": "weights.bin", "offset": "\u0660"}, "does not have its bytes"),
        ({"location": "weights.bin", "offset": "zero"}, "does not have its bytes"),
        ({"location": "weights.bin", "length": "0"}, "does not have its bytes"),
        ({"location": "weights.bin", "length": "-1"}, "does not have its bytes"),
        ({"location": "weights.bin", "length": str(_BYTES * 2)}, "does not have its bytes"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes")
def test_weights_are_read_from_the_folder_of_the_model_alone(
    tmp_path: Path, entries: dict[str, str], expected: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    _beside(folder)
    model = FOREIGN["convolutions"]()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value.replace("{folder}", str(folder)))
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    # The structure needs none of it.
    network = resdsl.load(path)
    assert len(network.graph.nodes) == 9
    source = network.graph.parameters["conv.weight"].source
    assert isinstance(source, Stored)
    if not expected:
        assert source.checkpoint.read(source.key).shape == (8, 3, 3, 3)
        return
    with pytest.raises(CompileError) as caught:
        source.checkpoint.read(source.key)
    (error,) = caught.value.diagnostics.errors
    assert expected in error.message and len(error.message) < 300 and error.message.isprintable()


_NAMES = {
    "escape": "a\x1b[31mred\x1b[0m",
    "8-bit escape": "a\x9b31m",
    "line ends": "a\nb\r\nc\u2028d",
    "right to left": "a\u202egpj.exe",
    "HTML": "</script><img src=x onerror=alert(1)>",
    "Markdown": "`|](http://x) **a** <!-- -->",
    "language": 'a { } ; # " \' \\ use "std/x"',
    "template": "{{ 7 * 7 }}${x}%s%n",
    "keyword": "model",
    "long": "n" * 50_000,
}


def _named(name: str) -> onnx.ModelProto:
    """A network in which everything that can have a name has this one: nodes, tensors, modules, sizes, metadata."""
    model = FOREIGN["convolutions"]()
    model.producer_name = model.producer_version = model.graph.name = model.doc_string = name
    model.metadata_props.add(key=name, value=name)
    new = {tensor.name: f"{name}.{tensor.name}" for tensor in model.graph.initializer}
    for tensor in model.graph.initializer:
        tensor.name = new[tensor.name]
    for place, node in enumerate(model.graph.node):
        node.input[:] = [new.get(one, one) for one in node.input]
        node.name = f"/{name}/{name}.0/{node.op_type}_{place}"
        node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=repr(["", name, name]))
        node.metadata_props.add(key="pkg.torch.onnx.class_hierarchy", value=repr([name, name, name]))
    for value, old in ((model.graph.input[0], "x"), (model.graph.output[0], "logits")):
        value.name = f"{name} {old}"
        for node in model.graph.node:
            node.input[:] = [value.name if one == old else one for one in node.input]
            node.output[:] = [value.name if one == old else one for one in node.output]
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = name
    return model


@pytest.mark.parametrize("kind", _NAMES)
@pytest.mark.parametrize("known", [True, False])
def test_no_name_changes_how_anything_is_read(tmp_path: Path, kind: str, known: bool) -> None:
    """Neither the text, which has to be this network, nor pages, pictures, comments and what a terminal shows."""
    path = tmp_path / "net.onnx"
    model = _named(_NAMES[kind])
    if not known:
        model.graph.node[2].op_type = _NAMES[kind][:200]
        model.graph.node[2].attribute.add(name=_NAMES[kind], s=_NAMES[kind].encode(), type=3)
    path.write_bytes(model.SerializeToString())
    network = resdsl.load(path)
    assert len(network.graph.nodes) == 9 and bool(network.source.text) == known
    check_onnx(path, thorough=True)
    if known:
        assert same_network(resdsl.import_network(path).specification.graph, network.graph)


def test_names_that_are_not_utf_8_are_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    data = _named("NAME").SerializeToString()
    places = [place for place in range(len(data)) if data.startswith(b"NAME", place)]
    assert len(places) > 50
    for place in places:
        path.write_bytes(data[:place] + b"\xff\xfe\x80A" + data[place + 4 :])
        try:
            network = resdsl.load(path)
        except CompileError as error:
            assert "UTF-8" in error.diagnostics.errors[0].message
        else:  # a text that says nothing of the network
            assert len(network.graph.nodes) == 9


def test_lists_in_metadata_are_read_without_evaluating_them() -> None:
    assert _list("['', 'layer1', \"it's\", 'a\\'b']") == ("", "layer1", "it's", "a'b")
    for hostile_text in ("[" * 10_000, "['a', __import__('os')]", "['" + "\\" * 9_999, "[1, 2]", "['a'" * 4_000):
        assert _list(hostile_text) == ()


def test_a_symbol_that_is_no_name_is_made_one(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    shape = [onnx.helper.make_tensor_value_info("x", 1, ["if", 3, "a*b", "a/b"])]
    inputs = b"".join(b"\x5a" + bytes([len(one)]) + one for one in (each.SerializeToString() for each in shape))
    path.write_bytes(raw_model(raw_node("Relu", ["x"], ["y"]), inputs=inputs))
    network = resdsl.load(path)
    batch, _, height, width = network.graph.input.type.shape
    assert str(batch) == "If"
    assert height != width
    assert network.source.text  # which has been parsed


def test_mutants_give_a_network_or_a_diagnostic(tmp_path: Path) -> None:
    path = tmp_path / "mutant.onnx"
    kinds = set()
    for number in range(60):
        path.write_bytes(mutant(7, number))
        kinds.add(check_onnx(path, thorough=number % 10 == 0))
    assert kinds == {"text", "graph", "error"}


@pytest.mark.parametrize("inputs", [[], ["", ""]])
@pytest.mark.parametrize(
    "kind",
    [
        "Cast", "Concat", "ConstantOfShape", "Div", "Expand", "Gather", "Identity", "Range", "Reshape", "Shape", "Size",
        "Slice", "Squeeze", "Transpose", "Unsqueeze", "Where",
    ],
)  # fmt: skip
def test_a_node_without_its_inputs_is_refused_or_opaque(tmp_path: Path, kind: str, inputs: list[str]) -> None:
    nodes = [helper.make_node(kind, inputs, ["c"]), helper.make_node("Add", ["x", "c"], ["y"])]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = helper.make_model(helper.make_graph(nodes, "net", [given], [result]), ir_version=8)
    try:
        network = read_model(model, tmp_path)
    except CompileError:
        return
    assert network.opaque


@pytest.mark.parametrize("kind", ["Split", "Slice", "Gather", "Transpose", "Concat", "Squeeze", "Reshape"])
def test_rows_of_a_tensor_without_elements_are_not_counted(tmp_path: Path, kind: str) -> None:
    zero = TensorProto(name="c", data_type=TensorProto.INT64, dims=[0, 2**60])
    index = TensorProto(name="i", data_type=TensorProto.INT64, dims=[1], int64_data=[0])
    inputs = {"Split": ["c"], "Transpose": ["c"], "Concat": ["c", "c"], "Slice": ["c", "i", "i"]}.get(kind, ["c", "i"])
    axis = {"axis": 0} if kind in ("Concat", "Split", "Gather") else {}
    nodes = [helper.make_node(kind, inputs, ["d"], **axis), helper.make_node("Add", ["x", "d"], ["y"])]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [given], [result], [zero, index])
    try:
        network = read_model(helper.make_model(graph, ir_version=8), tmp_path)
    except CompileError:
        return
    assert network.opaque
