"""The written model equals the one that the ONNX library builds, and ONNX Runtime runs it."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf.descriptor import Descriptor
from onnx import numpy_helper
from onnx.helper import make_node

from resdsl import protobuf
from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import OutputError
from resdsl.ir.graph import Graph, Parameter
from resdsl.ir.operator import NEWEST_OPSET, OPSET
from resdsl.onnx import emit, emit_to_stream
from resdsl.onnx.model import encode_graph, encode_model
from resdsl.ops import operators

from ..building import build, network, tensor, tensors

RESIDUAL = """
model tiny(classes = 5) {
  input image: f32[N, 3, H, W]
  preprocess { resize(40);  crop(32);  normalize(mean = [0.5, 0.4, 0.3], std = [0.2, 0.2, 0.1]) }
  conv1: conv(8, 3x3, stride = 2);  bn1: bn;  relu
  stage layer1 {
    block1: {
      residual {
        conv1: conv(8, 3x3);  bn1: bn;  act: relu
      }
    }
  }
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
  softmax
  output probabilities
}
"""


def emitted(graph: Graph, **metadata: str) -> onnx.ModelProto:
    stream = io.BytesIO()
    length = emit_to_stream(graph, stream, tensors(graph), metadata=metadata)
    assert length == len(stream.getvalue())
    return onnx.load_from_string(stream.getvalue())


def run(model: onnx.ModelProto | Path, x: np.ndarray) -> list[np.ndarray]:
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    return list(session.run(None, {session.get_inputs()[0].name: x}))


def sorted_attributes(node: onnx.NodeProto) -> onnx.NodeProto:
    """A node with its attributes in alphabetical order, as ``make_node`` has them."""
    same = onnx.NodeProto()
    same.CopyFrom(node)
    same.attribute.sort(key=lambda attribute: attribute.name)
    return same


def make_node_like(node: onnx.NodeProto, kind: str, inputs: list[str], **attributes: object) -> onnx.NodeProto:
    """What the library builds for a node of that kind, with the name, output and metadata of ``node``."""
    made = make_node(kind, inputs, list(node.output), name=node.name, **attributes)
    made.metadata_props.extend(node.metadata_props)
    return made


def some_input(*shape: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(1)).standard_normal(shape).astype(np.float32)


# --- the stream ------------------------------------------------------------------------------------------------------


def test_nodes_are_those_that_the_library_builds() -> None:
    found = {node.name: node for node in emitted(build(RESIDUAL)).graph.node}
    conv = make_node_like(
        found["conv1"],
        "Conv",
        ["image", "conv1.weight"],
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[1, 1, 1, 1],
        dilations=[1, 1],
        group=1,
    )
    assert sorted_attributes(found["conv1"]) == sorted_attributes(conv)
    norm = found["layer1.block1.bn1"]
    own = [f"layer1.block1.bn1.{name}" for name in ("weight", "bias", "running_mean", "running_var")]
    assert norm == make_node_like(norm, "BatchNormalization", ["layer1.block1.conv1", *own], epsilon=1e-5)


@pytest.mark.parametrize("opset", [OPSET, NEWEST_OPSET])
def test_the_bytes_are_those_that_the_library_writes(opset: int) -> None:
    model = encode_model({"b": "2", "a": ""}, opset)
    assert onnx.ModelProto.FromString(model).SerializeToString(deterministic=True) == model
    examples = [example for operator in operators().values() for example in operator.examples]
    texts = [network(f"{each.text}\n  output y", ", ".join(map(str, each.shape))) for each in examples]
    for graph in (build(RESIDUAL), *texts):
        encoded = encode_graph(graph)
        assert onnx.GraphProto.FromString(encoded).SerializeToString(deterministic=True) == encoded


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The integer at a place, and the place behind it."""
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
    return value | data[at] << shift, at + 1


def canonical(data: bytes, descriptor: Descriptor) -> bytes:
    """A message with its fields in the order of their numbers, as the library writes it, at every depth.

    Every field must be one that the message type has.
    """
    fields: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        key, value_at = varint(data, at)
        number, wire_type = key >> 3, key & 7
        assert number in descriptor.fields_by_number, f"{descriptor.name} has no field {number}"
        if wire_type == 2:
            length, start = varint(data, value_at)
            end = start + length
            nested = descriptor.fields_by_number[number].message_type
            body = canonical(data[start:end], nested) if nested else data[start:end]
            fields.append((number, data[at:start] + body))
        else:
            end = varint(data, value_at)[1] if wire_type == 0 else value_at + {1: 8, 5: 4}[wire_type]
            fields.append((number, data[at:end]))
        at = end
    return b"".join(field for _, field in sorted(fields, key=lambda field: field[0]))


def test_nothing_is_in_the_stream_but_the_message() -> None:
    graph = build(RESIDUAL)
    stream = io.BytesIO()
    emit_to_stream(graph, stream, tensors(graph))
    # A field that is written twice where there can be one is dropped when the library writes the message again.
    again = onnx.load_from_string(stream.getvalue()).SerializeToString(deterministic=True)
    assert canonical(stream.getvalue(), onnx.ModelProto.DESCRIPTOR) == again


def test_every_example_of_every_operator_passes_the_checker() -> None:
    for operator in operators().values():
        for example in operator.examples:
            shape = ", ".join(map(str, example.shape))
            graph = network(f"{example.text}\n  output y", shape)
            # full_check infers shapes and compares them with those that are declared.
            onnx.checker.check_model(emitted(graph), full_check=True)


def test_a_whole_network_passes_the_checker_and_runs_at_any_size() -> None:
    model = emitted(build(RESIDUAL))
    onnx.checker.check_model(model, full_check=True)
    for size in ((1, 3, 8, 8), (2, 3, 33, 17)):
        logits, probabilities = run(model, some_input(*size))
        assert logits.shape == probabilities.shape == (size[0], 5)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_numbers_are_those_of_the_formula() -> None:
    graph = network("conv: conv(2, 1x1);  scale(0.5)\n  output y", "1, 3, 4, 4")
    x = some_input(1, 3, 4, 4)
    weight = tensor(graph.parameters["conv.weight"])[:, :, 0, 0]
    (y,) = run(emitted(graph), x)
    np.testing.assert_allclose(y[0], 0.5 * np.einsum("oc,chw->ohw", weight, x[0]), rtol=1e-5, atol=1e-6)


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        graph = build(RESIDUAL)
        emit(graph, tmp_path / name, tensors(graph))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_tensors_are_written_without_being_gathered() -> None:
    megabyte = 1 << 20
    # Thirty kernels of one megabyte each: [512, 512, 1, 1] in float32.
    graph = network("30 x conv(512, 1x1)\n  output y", "N, 512, 4, 4")
    assert sum(parameter.bytes for parameter in graph.parameters.values()) == 30 * megabyte

    def values() -> Iterator[tuple[Parameter, np.ndarray]]:
        for parameter in graph.parameters.values():
            yield parameter, np.zeros(parameter.shape, np.float32)

    with Path("/dev/null").open("wb") as nowhere:
        emit_to_stream(graph, nowhere, values())  # what is loaded once is not measured
        tracemalloc.start()
        try:
            emit_to_stream(graph, nowhere, values())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 1.5 * megabyte


def test_a_tensor_of_another_shape_is_a_bug() -> None:
    graph = network("conv: conv(4, 1x1)\n  output y")
    (parameter,) = graph.parameters.values()
    with pytest.raises(AssertionError, match=r"conv\.weight should be"):
        emit_to_stream(graph, io.BytesIO(), [(parameter, np.zeros((4, 3), np.float32))])
    with pytest.raises(AssertionError, match=r"conv\.weight is due, and none comes"):
        emit_to_stream(graph, io.BytesIO(), [])


def test_arrays_in_any_layout_are_written_in_c_order() -> None:
    graph = network("conv: conv(4, 3x3)\n  output y")
    (parameter,) = graph.parameters.values()
    array = tensor(parameter)
    expected, stream = emitted(graph), io.BytesIO()
    emit_to_stream(graph, stream, [(parameter, np.asfortranarray(array).astype(">f4"))])
    assert onnx.load_from_string(stream.getvalue()) == expected


# --- names -----------------------------------------------------------------------------------------------------------


def test_values_and_tensors_are_called_by_their_paths() -> None:
    model = emitted(build(RESIDUAL))
    outputs = [output for node in model.graph.node for output in node.output]
    assert outputs == [
        "conv1",
        "bn1",
        "relu",
        "layer1.block1.conv1",
        "layer1.block1.bn1",
        "layer1.block1.act",
        "layer1.block1.add",
        "avgpool",
        "flatten",
        "logits",
        "probabilities",
    ]
    assert [node.name for node in model.graph.node][-2:] == ["fc", "softmax"]
    assert [tensor.name for tensor in model.graph.initializer][:3] == ["conv1.weight", "bn1.weight", "bn1.bias"]


def names(model: onnx.ModelProto) -> dict[str, list[str]]:
    return {node.output[0]: list(node.input) for node in model.graph.node}


def test_a_second_output_of_one_value_is_a_copy() -> None:
    model = emitted(network("relu\n  output a\n  output b"))
    assert names(model) == {"a": ["x"], "b": ["a"]}
    a, b = run(model, some_input(1, 3, 8, 8))
    np.testing.assert_array_equal(a, b)


def test_an_output_that_is_the_input_is_a_copy() -> None:
    model = emitted(network("output same\n  relu\n  output y"))
    assert names(model) == {"y": ["x"], "same": ["x"]}
    assert [output.name for output in model.graph.output] == ["same", "y"]
    onnx.checker.check_model(model, full_check=True)


def test_a_label_that_is_also_an_output_gives_way() -> None:
    model = emitted(network("y: relu\n  sigmoid\n  output y"))
    assert names(model) == {"y:value": ["x"], "y": ["y:value"]}


def test_steps_of_one_operator_and_its_constants_have_names_of_their_own() -> None:
    model = emitted(network("act: silu\n  edge: pad(1)\n  output y"))
    onnx.checker.check_model(model, full_check=True)
    constants = ["edge:const0", "edge:const1", "edge:const2"]
    assert names(model) == {"act:0": ["x"], "act": ["x", "act:0"], "y": ["act", *constants]}
    assert [tensor.name for tensor in model.graph.initializer] == constants


# --- types and metadata ----------------------------------------------------------------------------------------------


def test_sizes_stay_symbolic() -> None:
    model = emitted(build(RESIDUAL))

    def shape(value: onnx.ValueInfoProto) -> list[int | str]:
        return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]

    values = {value.name: shape(value) for value in [*model.graph.input, *model.graph.value_info, *model.graph.output]}
    assert values["image"] == ["N", 3, "H", "W"]
    assert values["conv1"] == ["N", 8, "(H + 1)//2", "(W + 1)//2"]
    assert values["logits"] == ["N", 5]
    made = {output for node in model.graph.node for output in node.output}
    assert values.keys() == made | {"image"}


def entries(props: object) -> dict[str, str]:
    return {entry.key: entry.value for entry in props}  # type: ignore[attr-defined]


def test_a_model_describes_itself() -> None:
    graph = build(RESIDUAL)
    found = entries(emitted(graph, **{"resdsl.spec": "tiny.res"}).metadata_props)
    assert found["resdsl.spec"] == "tiny.res"
    assert found["resdsl.name"] == "tiny"
    # conv 3*8*9, norm 16, conv 8*8*9, norm 16, linear 8*5 + 5
    assert found["resdsl.parameters"] == str(216 + 16 + 576 + 16 + 45)
    assert graph.preprocess is not None
    assert json.loads(found["resdsl.preprocess"]) == [
        {"step": "resize", "size": 40, "interpolation": "bilinear", "fit": "short"},
        {"step": "crop", "size": 32},
        {"step": "normalize", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1], "scale": 1.0, "order": "rgb"},
    ]


def test_metadata_of_the_caller_takes_precedence() -> None:
    assert entries(emitted(build(RESIDUAL), **{"resdsl.name": "other"}).metadata_props)["resdsl.name"] == "other"


def test_a_node_records_its_source() -> None:
    node = next(node for node in emitted(build(RESIDUAL)).graph.node if node.name == "layer1.block1.conv1")
    assert entries(node.metadata_props) == {
        "namespace": "tiny/layer1: stage/block1: group/conv1: conv",
        "resdsl.path": "layer1.block1.conv1",
        "resdsl.source": "test.res:9:16",
    }


# --- files and side files --------------------------------------------------------------------------------------------


LARGE = "a: conv(64, 3x3);  b: conv(2, 1x1);  c: conv(64, 3x3)\n  output y"
"""Kernels of 64*3*9 = 1728 and 64*2*9 = 1152 floats, and one of 128 between."""


def test_weights_go_to_a_file_beside_the_model(tmp_path: Path) -> None:
    graph = network(LARGE)
    result = emit(graph, tmp_path / "net.onnx", tensors(graph), external_data=True)
    assert result.data_path is not None
    assert {file.name for file in tmp_path.iterdir()} == {"net.onnx", result.data_path.name}
    assert (result.bytes, result.data_bytes) == (
        result.path.stat().st_size,
        result.data_path.stat().st_size,
    )
    onnx.checker.check_model(str(result.path), full_check=True)

    loaded = onnx.load(result.path)
    read = {tensor.name: numpy_helper.to_array(tensor) for tensor in loaded.graph.initializer}
    for parameter, array in tensors(graph):
        np.testing.assert_array_equal(read[parameter.name], array)

    x = some_input(1, 3, 8, 8)
    (inside,) = run(emitted(graph), x)
    (beside,) = run(result.path, x)
    np.testing.assert_array_equal(inside, beside)


def test_large_tensors_are_aligned_to_pages_and_small_ones_stay_in_the_model(tmp_path: Path) -> None:
    graph = network(LARGE)
    emit(graph, tmp_path / "net.onnx", tensors(graph), external_data=True)
    model = onnx.load(tmp_path / "net.onnx", load_external_data=False)
    places = {tensor.name: entries(tensor.external_data) for tensor in model.graph.initializer}
    assert {name: place.get("offset") for name, place in places.items()} == {
        "a.weight": "0",
        "b.weight": None,
        "c.weight": str(2 * 4096),  # behind 1728 * 4 = 6912 bytes
    }
    assert places["c.weight"]["length"] == str(1152 * 4)


def test_a_model_beyond_the_limit_gets_a_side_file_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = network(LARGE)
    monkeypatch.setattr(protobuf, "MESSAGE_LIMIT", 10_000)
    assert emit(graph, tmp_path / "net.onnx", tensors(graph)).data_path is not None


@pytest.mark.parametrize("into", ["stream", "file"])
def test_a_model_beyond_the_limit_does_not_go_into_one_file(
    into: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = network(LARGE)
    monkeypatch.setattr(protobuf, "MESSAGE_LIMIT", 10_000)
    with pytest.raises(OutputError) as caught:
        if into == "stream":
            emit_to_stream(graph, io.BytesIO(), tensors(graph))
        else:
            emit(graph, tmp_path / "net.onnx", tensors(graph), external_data=False)
    assert caught.value.diagnostic.code == catalogue.MODEL_TOO_LARGE
    assert not list(tmp_path.iterdir())


def test_a_side_file_needs_a_place() -> None:
    graph = network(LARGE)
    with pytest.raises(OutputError) as caught:
        emit(graph, Path("/dev/null"), tensors(graph), external_data=True)
    assert caught.value.diagnostic.code == catalogue.SIDE_FILE


def other_tensors(graph: Graph) -> Iterator[tuple[Parameter, np.ndarray]]:
    return ((parameter, array + 1) for parameter, array in tensors(graph))


def test_a_new_pair_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    graph = network(LARGE)
    for bystander in ("net.00000000.data", "net.data", "other.12345678.data"):
        (tmp_path / bystander).write_bytes(b"not ours")
    old = emit(graph, tmp_path / "net.onnx", tensors(graph), external_data=True)
    new = emit(graph, tmp_path / "net.onnx", other_tensors(graph), external_data=True)
    assert old.data_path != new.data_path
    assert old.data_path is not None
    assert not old.data_path.exists()
    assert len(list(tmp_path.iterdir())) == 2 + 3
    onnx.checker.check_model(str(new.path))


def test_the_same_weights_give_the_same_pair(tmp_path: Path) -> None:
    graph = network(LARGE)
    first = emit(graph, tmp_path / "net.onnx", tensors(graph), external_data=True)
    content = first.path.read_bytes()
    second = emit(graph, tmp_path / "net.onnx", tensors(graph), external_data=True)
    assert first == second
    assert second.path.read_bytes() == content
    assert len(list(tmp_path.iterdir())) == 2


def failing(graph: Graph) -> Iterator[tuple[Parameter, np.ndarray]]:
    first, *_ = other_tensors(graph)
    yield first
    raise KeyboardInterrupt


def test_an_interrupted_emission_leaves_the_old_pair(tmp_path: Path) -> None:
    graph = network(LARGE)
    emit(graph, tmp_path / "net.onnx", tensors(graph), external_data=True)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    for external_data in (True, False):
        with pytest.raises(KeyboardInterrupt):
            emit(graph, tmp_path / "net.onnx", failing(graph), external_data=external_data)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("rename", [1, 2])
def test_a_failing_rename_leaves_the_old_pair(rename: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = network(LARGE)
    emit(graph, tmp_path / "net.onnx", tensors(graph), external_data=True)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    replace, calls = Path.replace, []

    def failing_replace(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == rename:
            raise OSError(5, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing_replace)
    with pytest.raises(OutputError):
        emit(graph, tmp_path / "net.onnx", other_tensors(graph), external_data=True)
    assert len(calls) == rename
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_model_inside_takes_the_place_of_a_pair(tmp_path: Path) -> None:
    graph = network(LARGE)
    emit(graph, tmp_path / "net.onnx", tensors(graph), external_data=True)
    emit(graph, tmp_path / "net.onnx", tensors(graph), external_data=False)
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]
    onnx.checker.check_model(str(tmp_path / "net.onnx"), full_check=True)
