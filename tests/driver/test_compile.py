"""From a text to a file that ONNX Runtime runs."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import resdsl
from resdsl.diagnostics import CompileError

TINY = """\
block basic(width, stride = 1) {
  residual {
    conv1: conv(width, 3x3, stride = stride);  bn1: bn;  relu
    conv2: conv(width, 3x3);  bn2: bn
  } shortcut projection {
    downsample: { conv(width, 1x1, stride = stride); bn }
  }
  relu
}

model tiny(classes = 3) {
  input image: f32[N, 3, 16, 16]
  conv1: conv(4, 3x3)
  stage layer1 { 2 x basic(4) }
  stage layer2(stride = 2) { 2 x basic(8) } -> [N, 8, 8, 8]
  avgpool(global);  flatten;  dropout
  fc: linear(classes)
  output logits
}
"""


def logits(model: Path | bytes, batch: int = 2) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), providers=["CPUExecutionProvider"]
    )
    image = np.random.default_rng(0).standard_normal((batch, 3, 16, 16), dtype=np.float32)
    (result,) = session.run(None, {"image": image})
    assert isinstance(result, np.ndarray)
    return result


def metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_the_file_runs_with_any_batch(tmp_path: Path) -> None:
    resdsl.compile(resdsl.loads(TINY), tmp_path / "m.onnx")
    assert logits(tmp_path / "m.onnx", 1).shape == (1, 3)
    assert logits(tmp_path / "m.onnx", 5).shape == (5, 3)
    onnx.checker.check_model(tmp_path / "m.onnx", full_check=True)


def test_arguments_and_input_shape_reach_the_file(tmp_path: Path) -> None:
    specification = resdsl.loads(TINY, set={"classes": 7}, input_shape=("N", 3, "H", "W"))
    resdsl.compile(specification, tmp_path / "m.onnx")
    assert logits(tmp_path / "m.onnx").shape == (2, 7)
    (image,) = onnx.load(tmp_path / "m.onnx").graph.input
    assert [dim.dim_param or dim.dim_value for dim in image.type.tensor_type.shape.dim] == ["N", 3, "H", "W"]


def test_the_figures_are_those_of_the_file(tmp_path: Path) -> None:
    compiled = resdsl.compile(resdsl.loads(TINY), tmp_path / "m.onnx")
    # A colon marks what belongs to the graph, not to the weights: the shape that flatten reshapes to.
    tensors = [tensor for tensor in onnx.load(tmp_path / "m.onnx").graph.initializer if ":" not in tensor.name]
    trainable = sum(
        int(np.prod(tensor.dims)) for tensor in tensors if not tensor.name.endswith(("running_mean", "running_var"))
    )
    assert compiled.parameters == trainable
    assert compiled.bytes == (tmp_path / "m.onnx").stat().st_size
    assert compiled.path == tmp_path / "m.onnx"
    assert compiled.random == compiled.tensors == len(tensors)


def test_the_same_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        resdsl.compile(resdsl.loads(TINY), tmp_path / name, seed=seed)
    first, second, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == second
    assert first != other


def test_the_bytes_do_not_depend_on_where_the_specification_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.res").write_text(TINY)
    resdsl.compile(resdsl.load(tmp_path / "net.res"), tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    resdsl.compile(resdsl.load("net.res"), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("level", [1, 2])
def test_optimising_changes_the_graph_and_not_its_results(tmp_path: Path, level: int) -> None:
    resdsl.compile(resdsl.loads(TINY), tmp_path / "plain")
    resdsl.compile(resdsl.loads(TINY), tmp_path / "m", optimize=level)
    operators = [node.op_type for node in onnx.load(tmp_path / "m").graph.node]
    assert len(operators) < len(onnx.load(tmp_path / "plain").graph.node)
    assert "BatchNormalization" not in operators
    expected = logits(tmp_path / "plain")
    np.testing.assert_allclose(logits(tmp_path / "m"), expected, atol=1e-5 * np.abs(expected).max())


def test_a_stream_gets_the_same_bytes_as_a_file(tmp_path: Path) -> None:
    stream = io.BytesIO()
    compiled = resdsl.compile(resdsl.loads(TINY), stream)
    resdsl.compile(resdsl.loads(TINY), tmp_path / "m")
    assert stream.getvalue() == (tmp_path / "m").read_bytes()
    assert compiled.path is None


def test_weights_may_have_a_file_of_their_own(tmp_path: Path) -> None:
    compiled = resdsl.compile(resdsl.loads(TINY), tmp_path / "m.onnx", external_data=True)
    assert compiled.data_path is not None
    assert compiled.bytes == compiled.data_path.stat().st_size + (tmp_path / "m.onnx").stat().st_size
    resdsl.compile(resdsl.loads(TINY), tmp_path / "inline.onnx")
    np.testing.assert_array_equal(logits(tmp_path / "m.onnx"), logits(tmp_path / "inline.onnx"))


def test_the_file_records_its_origin(tmp_path: Path) -> None:
    (tmp_path / "part.res").write_text("block part(width) {\n  conv1: conv(width, 3x3)\n}\n")
    text = 'use "part.res" (part)\nmodel m(w = 4) {\n  input x: f32[N, 3, 8, 8]\n  a: part(w)\n  output y\n}\n'
    (tmp_path / "net.res").write_text(text)
    resdsl.compile(resdsl.load(tmp_path / "net.res", set={"w": 5}), tmp_path / "m", seed=7, optimize=1)
    entries = metadata(tmp_path / "m")
    assert entries["resdsl.spec"] == "net.res"
    assert entries["resdsl.spec.sha256"] == hashlib.sha256(text.encode()).hexdigest()
    used = hashlib.sha256((tmp_path / "part.res").read_bytes()).hexdigest()
    assert json.loads(entries["resdsl.used"]) == {"part.res": used}
    assert json.loads(entries["resdsl.arguments"]) == {"w": "5"}
    assert json.loads(entries["resdsl.weights"]) == {"scheme": "he_normal", "seed": 7}
    # conv: 5 kernels of 3 x 3 x 3, at 8 x 8 places.
    assert (entries["resdsl.parameters"], entries["resdsl.macs"]) == ("135", "8640")
    assert str(tmp_path) not in (tmp_path / "m").read_text(errors="ignore")


def test_an_error_leaves_the_existing_file(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"precious")
    with pytest.raises(CompileError):
        resdsl.compile(resdsl.loads(TINY.replace("linear", "liner")), tmp_path / "m.onnx")
    with pytest.raises(CompileError):
        resdsl.compile(resdsl.loads(TINY), tmp_path / "nowhere" / "m.onnx")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("m.onnx", b"precious")]


def test_all_errors_are_in_the_exception() -> None:
    with pytest.raises(CompileError) as caught:
        _ = resdsl.loads(TINY.replace("linear", "liner").replace("avgpool", "avgpol")).graph
    assert [found.code.id for found in caught.value.diagnostics.errors] == ["E0202", "E0202"]


def test_progress_is_reported_up_to_the_end(tmp_path: Path) -> None:
    reported: list[tuple[int, int]] = []
    compiled = resdsl.compile(
        resdsl.loads(TINY), tmp_path / "m", progress=lambda done, total: reported.append((done, total))
    )
    assert len(reported) == compiled.tensors
    assert reported[-1][0] == reported[-1][1]
    assert [done for done, _ in reported] == sorted(done for done, _ in reported)


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if 2 * done > total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resdsl.compile(resdsl.loads(TINY), tmp_path / "m", progress=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "code"), [("m.onnx", []), ("m.ONNX", []), ("m", []), ("m.pt", ["W0801"])])
def test_a_name_of_another_format_is_a_warning(tmp_path: Path, name: str, code: list[str]) -> None:
    compiled = resdsl.compile(resdsl.loads(TINY), tmp_path / name)
    assert [diagnostic.code.id for diagnostic in compiled.diagnostics] == code
    assert onnx.load(tmp_path / name).graph.name == "tiny"


def test_residuals_may_start_as_the_identity(tmp_path: Path) -> None:
    resdsl.compile(resdsl.loads(TINY), tmp_path / "m", zero_init_residual=True)
    tensors = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(tmp_path / "m").graph.initializer
    }
    assert not tensors["layer1.0.bn2.weight"].any()
    assert (tensors["layer1.0.bn1.weight"] == 1).all()


def test_an_unknown_way_to_draw_kernels_is_refused() -> None:
    with pytest.raises(ValueError, match="he_norml"):
        resdsl.compile(resdsl.loads(TINY), io.BytesIO(), init="he_norml")
