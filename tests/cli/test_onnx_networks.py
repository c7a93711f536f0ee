"""An ONNX file as the argument of every command that reads a network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import resdsl
from resdsl.cli.app import app
from resdsl.diagnostics import CompileError
from tests.foreign_onnx import FOREIGN, convolutions, model, transformer, value, weights, write_all

EXPRESSIBLE = ("convolutions", "external")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_all(tmp_path_factory.mktemp("foreign"))


def run(*arguments: str) -> int:
    status: int = app.main(list(arguments), standalone_mode=False)
    return status


def saved(model: onnx.ModelProto, path: Path) -> str:
    onnx.save(model, path)
    return str(path)


def test_sizes_that_only_a_run_decides_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As those of a detector, which has hundreds of them in its totals."""
    nodes = [
        onnx.helper.make_node("NonZero", ["x" if place == 0 else f"v{place - 1}"], [f"v{place}"]) for place in range(90)
    ]
    given = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [3, 8, 8])
    result = onnx.helper.make_tensor_value_info("v89", onnx.TensorProto.INT64, None)
    graph = onnx.helper.make_graph(nodes, "many", [given], [result])
    file = saved(onnx.helper.make_model(graph), tmp_path / "many.onnx")
    assert run("summary", file) == 0
    shown = capsys.readouterr().out
    assert "activations  depends on 90 sizes that only a run decides" in shown
    assert "fix the input size" not in shown


@pytest.mark.parametrize("name", [*FOREIGN, "external"])
def test_commands_take_networks_of_other_tools(
    files: dict[str, Path], tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(files[name])
    for arguments in (
        ["summary", file],
        ["check", file],
        ["draw", file, "-o", str(tmp_path / "net.svg")],
        ["view", file, "-o", str(tmp_path / "net.html")],
        ["diff", file, str(files["convolutions"])],
    ):
        assert run(*arguments) == 0, arguments
    # A file without weights is none of tensors.
    assert run("tensors", file) == (name == "sequences")
    capsys.readouterr()
    assert run("summary", "--json", file) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["input"]["name"] == onnx.load(file).graph.input[0].name
    assert run("diff", "--exit-code", file, file) == 0


@pytest.mark.parametrize("name", ["transformer", "several_inputs"])
def test_every_format_takes_networks_of_other_tools(files: dict[str, Path], tmp_path: Path, name: str) -> None:
    file = str(files[name])
    for arguments in (
        ["summary", "--depth", "all", "--format", "csv", file],
        ["summary", "--format", "markdown", file],
        ["draw", "--detail", "op", file, "-o", str(tmp_path / "net.dot")],
        ["draw", file, "-o", str(tmp_path / "net.mmd")],
        ["diff", "--format", "markdown", str(files["convolutions"]), file],
        ["diff", "--format", "html", "-o", str(tmp_path / "diff.html"), file, str(files["transformer"])],
    ):
        assert run(*arguments) == 0, arguments


@pytest.mark.parametrize("name", [*FOREIGN, "external"])
def test_check_says_whether_the_language_can_express_the_network(
    files: dict[str, Path], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", str(files[name])) == 0
    can = "the language can express this network" in capsys.readouterr().err
    assert can == bool(resdsl.load(files[name]).source.text)
    if name in EXPRESSIBLE:
        assert can


def test_an_unknown_operator_is_drawn_with_its_type(files: dict[str, Path], tmp_path: Path) -> None:
    picture = tmp_path / "net.svg"
    assert run("draw", str(files["custom_domain"]), "-o", str(picture)) == 0
    assert "Deform" in picture.read_text()


def test_the_page_has_no_text_pane_where_there_is_no_text(files: dict[str, Path], tmp_path: Path) -> None:
    page = tmp_path / "net.html"
    for name, panes in (("custom_domain", 0), ("convolutions", 1)):
        assert run("view", str(files[name]), "-o", str(page)) == 0
        assert page.read_text().count('"lines":') == panes


def test_compile_writes_a_model_that_computes_the_same(files: dict[str, Path], tmp_path: Path) -> None:
    written = tmp_path / "again.onnx"
    image = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    for name in EXPRESSIBLE:
        assert run("compile", str(files[name]), "-o", str(written)) == 0
        expected, actual = (
            ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": image})[0]
            for path in (files[name], written)
        )
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_compile_names_the_operators_that_the_language_does_not_have(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("compile", str(files["detector"]), "-o", str(tmp_path / "no.onnx")) == 1
    message = capsys.readouterr().err
    assert "E0852" in message and "`NonMaxSuppression`" in message
    assert not (tmp_path / "no.onnx").exists()


def test_commands_for_texts_refuse_models(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    file = files["convolutions"]
    before = file.read_bytes()
    for arguments in (["fmt"], ["check", "--fix"], ["check", "--diff"], ["summary", "--set", "classes=3"]):
        assert run(*arguments, str(file)) in (1, 2), arguments
        assert "resdsl import" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_a_long_row_is_cut_in_tables_and_whole_in_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = "; ".join(f"conv({8 + width}, 3x3)" for width in range(30))
    spec = tmp_path / "wide.res"
    spec.write_text(f"model wide() {{\n  input x: f32[N, 3, 8, 8]\n  stage all {{ {body} }}\n  output y\n}}\n")
    assert run("summary", str(spec)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < 200
    assert any(" more " in line for line in lines)
    assert run("summary", "--format", "csv", str(spec)) == 0
    assert "conv(37, 3x3)" in capsys.readouterr().out


# --- diff -------------------------------------------------------------------------------------------------------------


def test_an_export_with_folded_norms_is_the_same_network(tmp_path: Path) -> None:
    plain, folded = tmp_path / "plain.onnx", tmp_path / "folded.onnx"
    resdsl.compile("resnet_cifar", plain, optimize=0)
    resdsl.compile("resnet_cifar", folded, optimize=1)
    norms = sum(node.op_type == "BatchNormalization" for node in onnx.load(plain).graph.node)
    review = resdsl.diff(plain, folded)
    assert review.is_empty
    assert review.forms == (f"norms: {norms} of the old network are folded into layers of the new one",)
    back = resdsl.diff(folded, plain)
    assert back.is_empty
    assert back.forms == (f"norms: {norms} of the new network are folded into layers of the old one",)


def test_a_quantized_file_is_the_same_network_with_rounded_values(tmp_path: Path) -> None:
    tensors = {"conv.weight": weights(8, 3, 3, 3)}
    ends = [value("x", "N", 3, 8, 8)], [value("y", "N", 8, 6, 6)]
    plain = saved(
        model([onnx.helper.make_node("Conv", ["x", "conv.weight"], ["y"])], *ends, tensors), tmp_path / "a.onnx"
    )
    scale = {"scale": np.float32(0.1), "zero": np.uint8(128)}
    nodes = [
        onnx.helper.make_node("QuantizeLinear", ["x", *scale], ["q"]),
        onnx.helper.make_node("DequantizeLinear", ["q", *scale], ["d"]),
        onnx.helper.make_node("Conv", ["d", "conv.weight"], ["c"]),
        onnx.helper.make_node("QuantizeLinear", ["c", *scale], ["r"]),
        onnx.helper.make_node("DequantizeLinear", ["r", *scale], ["y"]),
    ]
    rounded = saved(model(nodes, *ends, tensors | scale), tmp_path / "b.onnx")
    review = resdsl.diff(plain, rounded)
    assert review.is_empty
    assert review.forms == ("values rounded to integers: none in the old network, 2 in the new one",)


def test_a_file_in_half_precision_is_the_same_network(tmp_path: Path) -> None:
    """One that is half throughout, and one that takes and gives float32."""

    def export(name: str, kind: int, nodes: list[onnx.NodeProto]) -> str:
        weight = onnx.numpy_helper.from_array(
            weights(8, 3, 3, 3).astype(onnx.helper.tensor_dtype_to_np_dtype(kind)), "c.weight"
        )
        given, result = ("x", "y") if len(nodes) == 1 else ("x32", "y32")
        outer = kind if len(nodes) == 1 else onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            nodes,
            "g",
            [onnx.helper.make_tensor_value_info(given, outer, ["N", 3, 8, 8])],
            [onnx.helper.make_tensor_value_info(result, outer, ["N", 8, 6, 6])],
            [weight],
        )
        return saved(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]), tmp_path / name)

    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    conv = onnx.helper.make_node("Conv", ["x", "c.weight"], ["y"])
    casts = (
        onnx.helper.make_node("Cast", ["x32"], ["x"], to=half),
        onnx.helper.make_node("Cast", ["y"], ["y32"], to=single),
    )
    plain = export("single.onnx", single, [conv])
    for name, nodes in (("half.onnx", [conv]), ("casts.onnx", [casts[0], conv, casts[1]])):
        review = resdsl.diff(plain, export(name, half, nodes))
        assert review.is_empty
        assert review.forms[0] == "numbers: f32 in the old network, f16 in the new one"


@pytest.mark.parametrize(
    ("kind", "offset", "forms"),
    [
        ("norm", 0.0, ["norms: 1 of the old", "biases: 1 of the old network are zeros and left out in the new one"]),
        ("bias", 0.0, ["biases: 1 of the old network are zeros and left out in the new one"]),
        ("norm", 0.5, []),
        ("bias", 0.5, []),
    ],
)
def test_biases_of_zeros_that_an_exporter_leaves_out_are_no_change(
    tmp_path: Path, kind: str, offset: float, forms: list[str]
) -> None:
    """A network that was not trained has such biases; others that are gone are a change."""

    def export(name: str, nodes: list[onnx.NodeProto], tensors: dict[str, np.ndarray]) -> str:
        tensors |= {"conv.weight": weights(8, 3, 3, 3)}
        return saved(model(nodes, [value("x", "N", 3, 8, 8)], [value("y", "N", 8, 8, 8)], tensors), tmp_path / name)

    bias, plain = np.full(8, offset, np.float32), ["x", "conv.weight"]
    if kind == "bias":
        nodes = [onnx.helper.make_node("Conv", [*plain, "conv.bias"], ["y"], pads=[1, 1, 1, 1])]
        old = export("old.onnx", nodes, {"conv.bias": bias})
    else:
        norm = {
            "bn.weight": np.ones(8, np.float32),
            "bn.bias": bias,
            "bn.running_mean": np.zeros(8, np.float32),
            "bn.running_var": np.ones(8, np.float32),
        }
        nodes = [
            onnx.helper.make_node("Conv", plain, ["a"], pads=[1, 1, 1, 1]),
            onnx.helper.make_node("BatchNormalization", ["a", *norm], ["y"]),
        ]
        old = export("old.onnx", nodes, norm)
    new = export("new.onnx", [onnx.helper.make_node("Conv", plain, ["y"], pads=[1, 1, 1, 1])], {})
    review = resdsl.diff(old, new)
    assert review.is_empty == (offset == 0)
    assert len(review.forms) == len(forms)
    assert all(shown.startswith(form) for shown, form in zip(review.forms, forms, strict=True))


def test_names_sizes_and_missing_outputs_are_differences_of_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """\
model net() {
  input image: f32[N, 3, 8, 8]
  preprocess { resize(8) }
  conv1: conv(8, 3x3, bias = true);  relu;  dropout
  avgpool(global);  flatten
  fc: linear(5)
  output logits
  softmax
  output probabilities
}
"""
    spec = tmp_path / "net.res"
    spec.write_text(text)
    nodes = [
        onnx.helper.make_node("Conv", ["in", "onnx::Conv_1", "onnx::Conv_2"], ["a"], pads=[1, 1, 1, 1]),
        onnx.helper.make_node("Relu", ["a"], ["b"]),
        onnx.helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        onnx.helper.make_node("Flatten", ["c"], ["d"]),
        onnx.helper.make_node("Gemm", ["d", "w", "v"], ["out"], transB=1),
    ]
    tensors = {
        "onnx::Conv_1": np.zeros((8, 3, 3, 3), np.float32),
        "onnx::Conv_2": np.zeros(8, np.float32),
        "w": np.zeros((5, 8), np.float32),
        "v": np.zeros(5, np.float32),
    }
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [onnx.helper.make_tensor_value_info("in", 1, [1, 3, 8, 8])],
        [onnx.helper.make_tensor_value_info("out", 1, [1, 5])],
        [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    export = saved(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), tmp_path / "e.onnx")
    assert run("diff", "--exit-code", str(spec), export) == 0
    shown = capsys.readouterr().out
    for form in (
        "dropout: 1 in the old",
        "called `in`",
        "called `out`",
        "`probabilities` (softmax)",
        "names of tensors",
    ):
        assert form in shown
    for form in ("sizes of the input", "preprocess: stated in the old network alone"):
        assert form in shown
    assert "the same network, in another form" in shown
    spec.write_text(text.replace("relu", "relu6"))
    assert run("diff", "--exit-code", str(spec), export) == 1
    assert "relu6 -> relu" in capsys.readouterr().out


VERSIONS = {
    "another kernel": ("conv2: conv(8, 3x3", "conv2: conv(8, 5x5"),
    "a norm less": ("bn2: bn;  ", ""),
    "another activation": ("relu;  conv2", "silu;  conv2"),
    "a layer more": ("conv2:", "more: conv(8, 3x3);  conv2:"),
    "another width": ("fc: linear(5)", "fc: linear(7)"),
    "no shortcut": ("residual {", "{"),
}


@pytest.mark.parametrize("change", VERSIONS)
def test_versions_differ_as_their_texts_do(tmp_path: Path, change: str) -> None:
    text = """\
model net() {
  input image: f32[N, 3, 8, 8]
  conv1: conv(8, 3x3);  bn1: bn
  residual { relu;  conv2: conv(8, 3x3);  bn2: bn;  }
  avgpool(global);  flatten
  fc: linear(5)
  output logits
}
"""
    old, new = VERSIONS[change]
    assert old in text
    texts = [text, text.replace(old, new)]
    for place, one in enumerate(texts):
        resdsl.compile(resdsl.loads(one), tmp_path / f"{place}.onnx", optimize=0)
    by_text = resdsl.diff(*map(resdsl.loads, texts))
    by_file = resdsl.diff(tmp_path / "0.onnx", tmp_path / "1.onnx")
    assert [(one.kind, one.what, one.delta) for one in by_file.changes] == [
        (one.kind, one.what, one.delta) for one in by_text.changes
    ]
    assert not by_file.forms and by_file.checkpoint.fit is by_text.checkpoint.fit


def test_unknown_operators_are_compared_by_their_attributes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = transformer()
    old = saved(model, tmp_path / "old.onnx")
    for node in model.graph.node:
        if node.op_type == "Trilu":
            node.attribute[0].i = 1
    assert run("diff", "--exit-code", old, saved(model, tmp_path / "new.onnx")) == 1
    assert "Trilu: upper 0 -> 1" in capsys.readouterr().out


def test_tensors_are_read_from_the_model_folder_alone(tmp_path: Path) -> None:
    model = convolutions()
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    for location in ("../w.bin", "/etc/passwd", "missing.bin", "a/../../w.bin"):
        moved = onnx.load(tmp_path / "net.onnx", load_external_data=False)
        for tensor in moved.graph.initializer:
            tensor.external_data[0].value = location
        onnx.save(moved, tmp_path / "moved.onnx")
        network = resdsl.load(tmp_path / "moved.onnx")
        assert network.graph.parameter_count == resdsl.load(tmp_path / "net.onnx").graph.parameter_count
        with pytest.raises(CompileError, match="cannot be read"):
            resdsl.compile(network, tmp_path / "out.onnx")
