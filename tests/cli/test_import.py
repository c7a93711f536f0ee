"""``resdsl import``, through the command line: texts, proofs, weights, and what happens where one of them fails."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx.helper as make
import onnxruntime
import pytest
from click.testing import CliRunner, Result

import resdsl
from resdsl.analysis.same_network import same_network
from resdsl.cli.app import app
from resdsl.decompile import text as decompiled
from resdsl.onnx.draw_weights import draw_weights

NETWORKS = Path(__file__).parents[1] / "importer" / "networks"
EXPORTS = sorted(path.name.removesuffix(".onnx.gz") for path in NETWORKS.glob("*.onnx.gz"))
"""Exports of torchvision and timm, without the numbers of their weights; ``logits.npz`` has what ONNX Runtime gives for
the numbers that their names give, computed without resdsl."""

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
"""Networks of the ONNX model zoo, part of the onnx package."""

FAST = ("resnet18.plain", "shufflenet_v2_x1_0.dynamo")
heavy = pytest.mark.parity(heavy=True)


def run(*arguments: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def slow_unless(fast: Sequence[str], names: Sequence[str]) -> list[object]:
    return [name if name in fast else pytest.param(name, marks=heavy) for name in names]


def export(name: str, folder: Path, *, filled: bool = True) -> Path:
    content = gzip.decompress((NETWORKS / f"{name}.onnx.gz").read_bytes())
    path = folder / f"{name}.onnx"
    path.write_bytes(draw_weights(content) if filled else content)
    return path


def values_of(model: Path, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: x})
    return np.asarray(result)


def image(shape: Sequence[int]) -> np.ndarray:
    random = np.random.Generator(np.random.PCG64(zlib.crc32(b"input")))
    return random.standard_normal(tuple(shape)).astype(np.float32)


def proved(result: Result) -> tuple[int, float]:
    """The number of values and the largest deviation that the proof states."""
    found = re.search(r"^equal: ([\d,]+) values, largest deviation (\S+?)(;|$)", result.stdout, re.MULTILINE)
    assert found is not None, result.output
    return int(found[1].replace(",", "")), float(found[2])


# --- networks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", slow_unless(FAST, EXPORTS))
def test_an_export_becomes_a_text_whose_model_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    model, text, weights = export(name, tmp_path), tmp_path / "net.res", tmp_path / "w.safetensors"
    values, deviation = proved(run("import", model, "-o", text, "--weights-out", weights))
    operators = {node.op_type for node in onnx.load(model).graph.node} - {"Constant"}
    assert values > len(operators)
    assert deviation < 0.01
    assert run("check", text).output.strip() == "no errors"
    assert run("fmt", "--check", text).output == ""
    compiled = tmp_path / "compiled.onnx"
    run("compile", text, "--weights", weights, "-o", compiled, "-q")
    logits = np.load(NETWORKS / "logits.npz")[name]
    size = 299 if name.startswith("inception") else 224
    ours = values_of(compiled, image((2, 3, size, size)))
    assert np.abs(ours - logits).max() <= 1e-3 * np.abs(logits).max()


@pytest.mark.parametrize("name", slow_unless(("squeezenet",), [p.stem[6:] for p in sorted(LIGHT.glob("*.onnx"))]))
def test_networks_of_the_model_zoo_are_imported(name: str, tmp_path: Path) -> None:
    text = tmp_path / "net.res"
    values, deviation = proved(run("import", LIGHT / f"light_{name}.onnx", "-o", text))
    assert values > 20
    assert deviation < 1e-4
    assert run("check", text).output.strip() == "no errors"


def test_a_file_without_numbers_is_proved_with_drawn_ones(tmp_path: Path) -> None:
    model = export("shufflenet_v2_x1_0.dynamo", tmp_path, filled=False)
    result = run("import", model, "-o", tmp_path / "net.res")
    assert proved(result)[0] > 100
    assert "both ran with numbers drawn from the names of its tensors" in result.stdout


def test_weights_of_a_file_without_numbers_are_not_written(tmp_path: Path) -> None:
    model = export("resnet18.plain", tmp_path, filled=False)
    result = run("import", model, "-o", tmp_path / "net.res", "--weights-out", tmp_path / "w.safetensors", status=1)
    assert "E0716" in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == [model.name]


@pytest.mark.parametrize(
    "name", slow_unless(("densenet_cifar", "resnet_cifar", "resnetv2_cifar"), [one.name for one in resdsl.specs()])
)
def test_a_built_in_network_comes_back_as_the_same_network(name: str, tmp_path: Path) -> None:
    model, text = tmp_path / "m.onnx", tmp_path / "net.res"
    run("compile", name, "-o", model, "-q")
    run("import", model, "-o", text, "--no-proof", "--name", "again")
    run("compile", text, "-o", tmp_path / "again.onnx", "-q")
    # `pad = valid` and `pad = half` of a 1x1 window are the same numbers in the file.
    before, after = (resdsl.load(path).graph for path in (model, tmp_path / "again.onnx"))
    assert same_network(before, after)
    old, new = resdsl.load(name).graph, resdsl.load(text).graph
    assert {key: one.shape for key, one in old.parameters.items()} == {
        k: one.shape for k, one in new.parameters.items()
    }


# --- the text ------------------------------------------------------------------------------------------------------

NETWORK = """\
model net() {
  input image: f32[N, 3, H, W]
  preprocess { resize(40); crop(32); normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25]) }
  labels "cifar10"
  conv1: conv(8, 3x3, bias = true);  bn1: bn;  relu
  block1: residual { conv: conv(8, 3x3);  norm: bn }
  relu;  output features
  avgpool(global);  flatten
  fc: linear(10)
  output logits
}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small model with a bias before a norm, symbolic sizes, two outputs, preprocessing and labels."""
    path = tmp_path / "small.onnx"
    resdsl.compile(resdsl.loads(NETWORK), path)
    return path


def test_the_text_has_what_the_file_states(small: Path, tmp_path: Path) -> None:
    text = tmp_path / "net.res"
    values, deviation = proved(run("import", small, "-o", text, "--name", "small_net"))
    # Three layers, two norms, two activations, the sum, the pooling and the flatten.
    assert (values, deviation < 1e-6) == (10, True)
    lines = [line.strip() for line in text.read_text().splitlines()]
    assert re.fullmatch(r"# Imported from small\.onnx \(resdsl [\w.]+, opset \d+\)\.", lines[0])
    assert "input image: f32[N, 3, H, W]" in lines
    assert 'labels "cifar10"' in lines
    assert any(line.startswith("preprocess {") for line in lines)
    assert any(line.startswith("model small_net") for line in lines)
    assert f"expect parameters == {resdsl.loads(NETWORK).graph.parameter_count}" in lines
    # The file has a bias before a norm, and the text says that it is meant.
    assert "# resdsl: allow W0502" in lines
    assert run("check", text).output.strip().endswith("no errors")
    assert not resdsl.load(text).check()
    graph = resdsl.load(text).graph
    assert graph.labels == resdsl.loads(NETWORK).graph.labels
    assert graph.preprocess == resdsl.loads(NETWORK).graph.preprocess


def test_the_text_goes_to_standard_output_and_the_proof_to_standard_error(small: Path) -> None:
    result = run("import", small, "-o", "-")
    assert result.stdout == resdsl.import_network(small, proof=False).text
    assert "equal: 10 values" in result.stderr


def test_json_has_the_proof_and_the_text(small: Path, tmp_path: Path) -> None:
    data = json.loads(run("import", small, "-o", tmp_path / "net.res", "--json").stdout)
    assert data["text"] == (tmp_path / "net.res").read_text()
    assert data["proof"]["values"] == 10
    assert data["proof"]["outputs"] == 2
    assert data["proof"]["input"] == [2, 3, 32, 32]
    assert data["weights"] is None
    assert data["diagnostics"] == []


def test_the_python_api_writes_nothing_unless_asked(small: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    imported = resdsl.import_network(small)
    assert imported.proof is not None
    assert imported.proof.deviation < 1e-6
    assert imported.specification.graph.name == "small"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("stem", ["conv", "add", "model", "7net", "if", "ünï"])
def test_any_file_name_becomes_the_name_of_a_model(stem: str, small: Path, tmp_path: Path) -> None:
    model = small.rename(tmp_path / f"{stem}.onnx")
    run("import", model, "-o", tmp_path / "net.res", "--no-proof")
    assert run("check", tmp_path / "net.res").output.strip().endswith("no errors")


def test_weights_are_written_under_the_names_of_the_text(small: Path, tmp_path: Path) -> None:
    text, weights, compiled = tmp_path / "net.res", tmp_path / "w.safetensors", tmp_path / "c.onnx"
    run("import", small, "-o", text, "--weights-out", weights)
    run("compile", text, "--weights", weights, "-o", compiled)
    a, b = (onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]) for path in (small, compiled))
    x = image((3, 3, 20, 28))
    for one, other in zip(a.run(None, {"image": x}), b.run(None, {"image": x}), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_names_that_checkpoints_wrap_keep_their_weights(tmp_path: Path) -> None:
    network = (
        "model n() { input x: f32[N, 3, 8, 8]\n model: { backbone: { conv: conv(4, 3x3, bias = true) } }\n output y }"
    )
    resdsl.compile(resdsl.loads(network), tmp_path / "m.onnx")
    run("import", tmp_path / "m.onnx", "-o", tmp_path / "n.res", "--weights-out", tmp_path / "w.safetensors")
    run("compile", tmp_path / "n.res", "--weights", tmp_path / "w.safetensors", "-o", tmp_path / "c.onnx")
    x = image((1, 3, 8, 8))
    np.testing.assert_array_equal(values_of(tmp_path / "m.onnx", x), values_of(tmp_path / "c.onnx", x))


@pytest.mark.parametrize("beside", [False, True], ids=["weights inside", "weights beside"])
def test_a_model_in_half_precision_is_imported_in_float32(beside: bool, tmp_path: Path) -> None:
    net, half, text, weights = (tmp_path / name for name in ("net.res", "half.onnx", "half.res", "w.safetensors"))
    net.write_text(NETWORK)
    run("compile", net, "--precision", "fp16", "-o", half)
    model = onnx.load(half)
    # As a file that is wholly in half precision: without the casts of the input and the outputs.
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to":
                attribute.i = onnx.TensorProto.FLOAT16
    onnx.save(model, half, save_as_external_data=beside, size_threshold=0)
    proved(run("import", half, "-o", text, "--weights-out", weights))
    assert same_network(resdsl.load(text).graph, resdsl.load(net).graph)
    run("compile", text, "--weights", weights, "-o", tmp_path / "c.onnx")
    x = image((2, 3, 32, 32)).astype(np.float16)
    paths = half, tmp_path / "c.onnx"
    a, b = (onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]) for path in paths)
    for one, other in zip(a.run(None, {"image": x}), b.run(None, {"image": x.astype(np.float32)}), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=5e-3 * float(np.abs(other).max()))


def test_a_model_with_channels_last_is_proved_with_a_transposed_input(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weight = random.standard_normal((4, 3, 3, 3)).astype(np.float32)
    nodes = [
        make.make_node("Transpose", ["x"], ["nchw"], perm=[0, 3, 1, 2]),
        make.make_node("Conv", ["nchw", "conv.weight"], ["c"], pads=[1, 1, 1, 1]),
        make.make_node("Transpose", ["c"], ["nhwc"], perm=[0, 2, 3, 1]),
        make.make_node("Relu", ["nhwc"], ["r"]),
        make.make_node("ReduceMean", ["r"], ["y"], axes=[1, 2], keepdims=0),
    ]
    graph = make.make_graph(
        nodes,
        "g",
        [make.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 6, 5, 3])],
        [make.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 4])],
        [onnx.numpy_helper.from_array(weight, "conv.weight")],
    )
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    result = run("import", tmp_path / "m.onnx", "-o", tmp_path / "n.res", "--weights-out", tmp_path / "w.safetensors")
    assert proved(result)[0] >= 3
    assert "[N, 3, 6, 5]" in (tmp_path / "n.res").read_text()
    run("compile", tmp_path / "n.res", "--weights", tmp_path / "w.safetensors", "-o", tmp_path / "c.onnx")
    x = image((2, 6, 5, 3))
    ours = values_of(tmp_path / "c.onnx", np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(values_of(tmp_path / "m.onnx", x), ours.reshape(2, 4), rtol=0, atol=1e-6)


# --- what does not work --------------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Path]:
    """A text and weights of an earlier run."""
    text, weights = tmp_path / "out.res", tmp_path / "out.safetensors"
    text.write_text("earlier")
    weights.write_text("earlier")
    return text, weights


def fails(model: Path, written: tuple[Path, Path], code: str, *options: str, status: int = 1) -> str:
    """The message of an import that fails: the earlier files are as they were, and no others are there."""
    text, weights = written
    before = sorted(text.parent.iterdir())
    result = run("import", model, "-o", text, "--weights-out", weights, *options, status=status)
    assert f"error[{code}]" in result.stderr
    assert (text.read_text(), weights.read_text()) == ("earlier", "earlier")
    assert sorted(text.parent.iterdir()) == before
    return result.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("relu\n", "sigmoid\n"), ("conv(8, 3x3)", "conv(8, 3x3, dilation = 2, pad = 2)")],
)
def test_a_text_that_computes_something_else_is_not_written(
    right: str, wrong: str, small: Path, written: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = decompiled.program_text

    def misread(*arguments: object, **options: object) -> str:
        text = plain(*arguments, **options)  # type: ignore[arg-type]
        assert right in text
        return text.replace(right, wrong, 1)

    monkeypatch.setattr("resdsl.tools.import_network.text.program_text", misread)
    message = fails(small, written, "E0853")
    assert re.search(r"the (value|output) `\w[\w.]*` deviates by \d", message)
    assert "in the file it is" in message
    # Without the proof, it is written.
    run("import", small, "-o", written[0], "--no-proof")
    assert wrong.strip() in written[0].read_text()


def test_a_text_with_other_weights_is_not_written(
    small: Path, written: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = decompiled.program_text
    monkeypatch.setattr(
        "resdsl.tools.import_network.text.program_text",
        lambda *arguments, **options: plain(*arguments, **options).replace("conv1:", "stem:", 1),
    )
    assert "conv1.bias" in fails(small, written, "E0853", "--no-proof")


def test_all_operators_that_the_language_lacks_are_listed_at_once(tmp_path: Path, written: tuple[Path, Path]) -> None:
    nodes = [
        make.make_node("Sin", ["x"], ["a"], name="first_sin"),
        make.make_node("Sin", ["a"], ["b"], name="second_sin"),
        make.make_node("Mystery", ["b"], ["c"], name="odd", domain="example.org"),
        make.make_node("Split", ["c"], ["d", "e"], name="halves", axis=2, num_outputs=2),
        make.make_node("Add", ["d", "e"], ["y"]),
    ]
    graph = make.make_graph(
        nodes,
        "g",
        [make.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 4, 8, 8])],
        [make.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
    )
    path = tmp_path / "odd.onnx"
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 18)]), path)
    message = fails(path, written, "E0852")
    rows = [line.split("note: ", 1)[1].split() for line in message.splitlines() if "note: " in line]
    assert rows[0][:3] == ["operator", "count", "first"]
    assert ["Sin", "2", "first_sin"] in [row[:3] for row in rows]
    assert ["example.org.Mystery", "1", "odd"] in [row[:3] for row in rows]
    assert ["Split", "1", "halves"] in [row[:3] for row in rows]


def test_a_network_in_training_is_to_be_exported_for_inference(tmp_path: Path, written: tuple[Path, Path]) -> None:
    node = make.make_node("BatchNormalization", ["x", "one", "one", "one", "one"], ["y"], training_mode=1)
    sizes = ["N", 1, 8, 8]
    graph = make.make_graph(
        [node],
        "g",
        [make.make_tensor_value_info("x", 1, sizes)],
        [make.make_tensor_value_info("y", 1, sizes)],
        [make.make_tensor("one", 1, [1], [1])],
    )
    path = tmp_path / "training.onnx"
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 18)]), path)
    assert "model.eval()" in fails(path, written, "E0852")


def test_what_is_no_model_is_an_error(small: Path, tmp_path: Path, written: tuple[Path, Path]) -> None:
    content = small.read_bytes()
    for name, data in {
        "empty": b"",
        "cut": content[: len(content) // 2],
        "text": b"model net() {}\n",
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
    }.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(data)
        message = fails(path, written, "E0850")
        assert "Traceback" not in message
        assert ("git lfs pull" in message) == (name == "pointer")


def test_weights_in_files_outside_the_folder_are_not_read(
    small: Path, tmp_path: Path, written: tuple[Path, Path]
) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(1 << 16))
    inside = tmp_path / "inside"
    inside.mkdir()
    model = onnx.load(small)
    for tensor in model.graph.initializer:
        if tensor.name == "fc.weight":
            length = len(tensor.raw_data)
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (("location", "../secret.bin"), ("offset", "0"), ("length", str(length))):
                tensor.external_data.add(key=key, value=value)
    path = inside / "m.onnx"
    path.write_bytes(model.SerializeToString())
    assert "outside the model's folder" in fails(path, written, "E0851", "--no-proof")


def test_a_network_that_gives_no_numbers_is_not_equal(tmp_path: Path, written: tuple[Path, Path], small: Path) -> None:
    model = onnx.load(small)
    for tensor in model.graph.initializer:
        if tensor.name == "conv1.weight":
            tensor.raw_data = np.full(tuple(tensor.dims), np.nan, np.float32).tobytes()
    path = tmp_path / "nan.onnx"
    path.write_bytes(model.SerializeToString())
    assert "has no finite number in the file" in fails(path, written, "E0853")


@pytest.mark.parametrize(
    ("channels", "result", "size", "has_weights", "code"),
    [
        (3, 2_000_000_000, 224, False, "E0852"),  # more elements than the language allows
        (20_000, 20_000, 1, False, "E0851"),  # weights of 1.6 GB to draw
        (3, 60_000, 224, True, "E0837"),  # a value of 12 GB to compute
    ],
)
def test_impossible_sizes_are_refused_before_they_take_memory(
    channels: int, result: int, size: int, has_weights: bool, code: str, tmp_path: Path, written: tuple[Path, Path]
) -> None:
    shape = (result, channels, 1, 1)
    weight = onnx.TensorProto(name="conv.weight", data_type=onnx.TensorProto.FLOAT, dims=shape)
    if has_weights:
        weight.raw_data = bytes(4 * result * channels)
    graph = make.make_graph(
        [make.make_node("Conv", ["x", "conv.weight"], ["y"])],
        "g",
        [make.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", channels, size, size])],
        [make.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", result, size, size])],
        [weight],
    )
    path = tmp_path / "large.onnx"
    path.write_bytes(make.make_model(graph, opset_imports=[make.make_opsetid("", 18)]).SerializeToString())
    text, _ = written
    before = sorted(tmp_path.iterdir())
    assert f"error[{code}]" in run("import", path, "-o", text, status=1).stderr
    assert text.read_text() == "earlier"
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_of_a_revision_is_imported(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.parent)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "small.onnx"], ["commit", "-qm", "Add a model"]):
        subprocess.run([*git, *words], check=True)
    content = resdsl.import_network(small).text
    small.unlink()
    result = run("import", "HEAD:small.onnx")
    assert result.stdout == content
    assert "equal: 10 values" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("small.onnx", "-o", "small.onnx"), "E0817"),
        (("small.onnx", "-o", "a", "--weights-out", "a"), "E0818"),
        (("small.onnx", "-o", "nowhere/net.res"), "E0810"),
        (("small.onnx", "--name", "conv"), "E0818"),
        (("small.onnx", "--name", "a b"), "E0818"),
        (("nosuch.onnx",), "E0801"),
        (("resnet18",), "E0818"),
    ],
)
def test_usage_errors_have_status_two(
    arguments: tuple[str, ...], code: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small.parent)
    content = small.read_bytes()
    result = run("import", *arguments, status=2)
    assert f"error[{code}]" in result.stderr
    assert small.read_bytes() == content
    assert [path.name for path in small.parent.iterdir()] == ["small.onnx"]


def test_the_sizes_that_a_file_leaves_open_are_fixed_by_an_option(tmp_path: Path) -> None:
    """An upsampled value fits the one before it only where a size is even, which nobody knows of an open one."""
    nodes = [
        make.make_node("MaxPool", ["x"], ["half"], kernel_shape=[2, 2], strides=[2, 2]),
        make.make_node(
            "Resize",
            ["half", "", "factors"],
            ["whole"],
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        ),
        make.make_node("Concat", ["x", "whole"], ["y"], axis=1),
    ]
    sizes = ["N", 3, None, None]
    graph = make.make_graph(
        nodes,
        "g",
        [make.make_tensor_value_info("x", 1, sizes)],
        [make.make_tensor_value_info("y", 1, None)],
        [make.make_tensor("factors", 1, [4], [1, 1, 2, 2])],
    )
    file = tmp_path / "open.onnx"
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8), file)
    result = run("import", file, status=1)
    assert "`x`" not in result.stderr and "Concat" in result.stderr
    result = run("import", file, "--input", "N,3,8,6", "-o", tmp_path / "net.res")
    assert "equal: 3 values" in result.stdout + result.stderr
    assert "input x: f32[N, 3, 8, 6]" in (tmp_path / "net.res").read_text()
    assert "[N, 6, 8, 6]" in run("summary", file, "--input", "N,3,8,6").stdout
    assert "cannot be [N, 4, 8, 6]" in run("summary", file, "--input", "N,4,8,6", status=2).stderr


# --- comparing with a model of another exporter --------------------------------------------------------------------


def test_compare_matches_a_foreign_export_by_structure(tmp_path: Path) -> None:
    model, text, weights = export("resnet18.plain", tmp_path), tmp_path / "net.res", tmp_path / "w.safetensors"
    run("import", model, "-o", text, "--weights-out", weights, "--no-proof")
    foreign = onnx.load(model)
    # As some exporters name values: by numbers.
    names = {name: str(place) for place, name in enumerate(o for node in foreign.graph.node for o in node.output)}
    for node in foreign.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    last = names[foreign.graph.output[0].name]
    foreign.graph.output[0].name = last
    del foreign.graph.value_info[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    result = run("compare", text, tmp_path / "foreign.onnx", "--weights", weights, "--device", "cpu")
    assert f"output `logits` is `{last}`" in result.stdout
    assert "all values agree" in result.stdout
    # 20 convolutions with their norms, 17 activations, 8 sums, two poolings, a flatten and the classifier.
    assert "49 common values" in result.stdout
    # A model with other weights differs from the first layer on.
    result = run("compare", text, tmp_path / "foreign.onnx", "--device", "cpu", status=1)
    assert "the first is `conv1`" in result.stdout
