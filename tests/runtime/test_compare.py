"""Differences between values, against NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import resdsl
from resdsl.cli.app import app
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.session import Session
from resdsl.tools.compare.divergence import Tolerance, ValuePair, difference, differences

from ..large_onnx import LARGE

VALUE = ValuePair("a", "b", "Conv", is_output=False)


def test_a_difference_is_reported_in_numbers() -> None:
    a = np.float32([[3.0, 4.0], [0.0, 0.0]])
    b = np.float32([[3.0, 0.0], [0.0, 3.0]])
    found = difference(VALUE, a, b, Tolerance())
    assert (found.worst, found.mean) == (4.0, 7 / 4)
    assert found.scale == 2.5  # sqrt((9 + 16) / 4)
    assert found.cosine == pytest.approx(9 / (5 * np.sqrt(18)))
    assert found.outside == 2
    assert found.diverges


@pytest.mark.parametrize(
    ("tolerance", "diverges"),
    [
        (Tolerance(rtol=0.0, atol=0.5), False),
        (Tolerance(rtol=0.0, atol=0.49), True),
        (Tolerance(rtol=0.005, atol=0.0), False),
        (Tolerance(rtol=0.0049, atol=0.0), True),
    ],
)
def test_numbers_agree_within_the_sum_of_both_tolerances(tolerance: Tolerance, diverges: bool) -> None:
    assert difference(VALUE, np.float64([100.0]), np.float64([100.5]), tolerance).diverges == diverges


def test_a_small_number_among_large_ones_may_have_their_error() -> None:
    large = np.full(1000, 1000.0)
    a, b = np.append(large, 0.0), np.append(large, 0.05)
    assert not difference(VALUE, a, b, Tolerance()).diverges
    assert difference(VALUE, np.float64([0.0]), np.float64([0.05]), Tolerance()).diverges
    # A tenth of ``rtol``, of the root mean square.
    assert difference(VALUE, a, np.append(large, 5.0), Tolerance(rtol=0.01)).diverges
    assert not difference(VALUE, a, np.append(large, 5.0), Tolerance(rtol=0.1)).diverges


@pytest.mark.parametrize(
    ("a", "b", "diverges"),
    [
        ([np.nan], [np.nan], False),
        ([np.inf], [np.inf], False),
        ([np.inf], [-np.inf], True),
        ([np.inf, 1.0], [np.inf, 5.0], True),
        ([1.0], [np.nan], True),
        ([], [], False),
        ([0.0], [0.0], False),
    ],
)
def test_what_is_no_number_agrees_with_its_like_alone(a: list[float], b: list[float], diverges: bool) -> None:
    assert difference(VALUE, np.float32(a), np.float32(b), Tolerance()).diverges == diverges


def test_precisions_are_compared_as_numbers() -> None:
    found = difference(VALUE, np.float32([1.0, 2.0]), np.float16([1.0, 2.0]), Tolerance())
    assert (found.worst, found.cosine) == (0.0, pytest.approx(1.0))


def test_another_shape_is_a_divergence_and_is_reported() -> None:
    found = difference(VALUE, np.zeros((1, 2)), np.zeros((1, 3)), Tolerance())
    assert found.diverges
    assert found.misfit == "the other is [1, 3]"


def test_outputs_of_two_sessions_are_compared(open_model: Callable[..., Session]) -> None:
    one = open_model(weight=np.eye(3))
    other = open_model(weight=np.diag([1.0, 1.0, 1.5]))
    image = np.ones((1, 3, 2, 2), np.float32)
    (found,) = differences(one, other, [ValuePair("logits", "logits", "MatMul", True)], {"image": image}, Tolerance())
    assert (found.worst, found.mean, found.outside) == (0.5, pytest.approx(0.5 / 3), 1)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (("N", 3, 4, 4), "takes [N, 3, 4, 4], and the input is [1, 3, 2, 2]"),
        (("N", 3, 4), "one takes `image` [N, 3, H, W], the other `image` [N, 3, 4]"),
    ],
)
def test_models_of_other_inputs_cannot_be_compared(
    shape: tuple[int | str, ...], expected: str, open_model: Callable[..., Session]
) -> None:
    one, other = open_model(), open_model(shape=shape)
    with pytest.raises(RunError) as caught:
        list(differences(one, other, [], {"image": np.ones((1, 3, 2, 2), np.float32)}, Tolerance()))
    assert caught.value.diagnostic.code.id == "E0838"
    assert expected in caught.value.diagnostic.message


# --- files of other tools ---------------------------------------------------------------------------------------------

TWO_HEADS = """\
model two() {
  input image: f32[N, 3, 8, 8]
  conv1: conv(8, 3x3);  bn1: bn;  relu
  tap body
  avgpool(global);  flatten
  fc: linear(5)
  output classes
  from body {
    box: conv(4, 1x1, bias = true)
    output boxes
  }
}
"""


def foreign(
    path: Path, weights: Mapping[str, np.ndarray], *, classes: str, boxes: str | None, activation: str = "Relu"
) -> Path:
    """The network as another tool writes it: the norm folded, other names, the boxes first."""
    scale = weights["bn1.weight"] / np.sqrt(weights["bn1.running_var"] + 1e-5)
    tensors = {
        "p1": weights["conv1.weight"] * scale[:, None, None, None],
        "p2": weights["bn1.bias"] - weights["bn1.running_mean"] * scale,
        "p3": weights["fc.weight"],
        "p4": weights["fc.bias"],
    }
    nodes = [
        helper.make_node("Conv", ["x", "p1", "p2"], ["t1"], pads=[1, 1, 1, 1]),
        helper.make_node(activation, ["t1"], ["t2"]),
        helper.make_node("GlobalAveragePool", ["t2"], ["t3"]),
        helper.make_node("Flatten", ["t3"], ["t4"]),
        helper.make_node("Gemm", ["t4", "p3", "p4"], [classes], transB=1),
    ]
    outputs = [helper.make_tensor_value_info(classes, 1, ["batch", 5])]
    if boxes is not None:
        tensors |= {"p5": weights["box.weight"], "p6": weights["box.bias"]}
        nodes.append(helper.make_node("Conv", ["t2", "p5", "p6"], [boxes]))
        outputs.insert(0, helper.make_tensor_value_info(boxes, 1, ["batch", 4, 8, 8]))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", 1, ["batch", 3, 8, 8])],
        outputs,
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in tensors.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, Mapping[str, np.ndarray]]:
    path = tmp_path / "own.onnx"
    resdsl.compile(resdsl.loads(TWO_HEADS), path)
    return path, {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}


@pytest.mark.parametrize("names", [("classes", "boxes"), ("out1", "out2"), ("boxes", "classes")])
def test_outputs_of_other_names_in_another_order_are_the_same(
    own: tuple[Path, Mapping[str, np.ndarray]], tmp_path: Path, names: tuple[str, str]
) -> None:
    other = foreign(tmp_path / "other.onnx", own[1], classes=names[0], boxes=names[1])
    comparison = resdsl.compare(own[0], other)
    assert comparison.first is None
    outputs = {one.name: one.other for one in comparison.differences if one.is_output}
    assert outputs == {"classes": names[0], "boxes": names[1]}
    assert not comparison.by_place and comparison.alone == ((), ())


def test_outputs_that_other_operators_compute_are_compared_by_place(
    own: tuple[Path, Mapping[str, np.ndarray]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = foreign(tmp_path / "other.onnx", own[1], classes="out1", boxes="out2", activation="Sigmoid")
    comparison = resdsl.compare(own[0], other)
    assert comparison.by_place == (("classes", "out1"), ("boxes", "out2"))
    assert {one.name for one in comparison.differences if one.diverges} == {"classes", "boxes"}
    assert app.main(["compare", str(own[0]), str(other)], standalone_mode=False) == 1
    assert "output `boxes` is compared with `out2` by place and shape" in capsys.readouterr().out


def test_an_output_without_a_partner_is_named(
    own: tuple[Path, Mapping[str, np.ndarray]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = foreign(tmp_path / "other.onnx", own[1], classes="out1", boxes=None)
    assert resdsl.compare(own[0], other).alone == (("boxes",), ())
    assert resdsl.compare(other, own[0]).alone == ((), ("boxes",))
    assert app.main(["compare", str(own[0]), str(other)], standalone_mode=False) == 0
    shown = capsys.readouterr().out
    assert "output `boxes` of" in shown and "is not compared" in shown
    assert "all values that both have agree" in shown


def test_groups_of_values_grow_with_what_memory_allows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each group runs the network once: of small values there are few, of large ones as few in each as fit."""
    count = 1_000
    (tmp_path / "net.onnx").write_bytes(LARGE["Relu"](count))
    groups: list[int] = []
    run = Session.run

    def counted(session: Session, feeds: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
        groups.append(len(names))
        return run(session, feeds, names)

    monkeypatch.setattr(Session, "run", counted)
    whole = resdsl.compare(tmp_path / "net.onnx", tmp_path / "net.onnx")
    # The output; then the values inside, for each of the two models.
    assert groups == [1, 1, 64, 64, 256, 256, 680, 680]
    groups.clear()
    # A value has 4 x 8 x 8 numbers of 4 bytes.
    monkeypatch.setattr("resdsl.tools.compare.divergence._GROUP_BYTES", 10 * 1024)
    assert resdsl.compare(tmp_path / "net.onnx", tmp_path / "net.onnx").differences == whole.differences
    assert set(groups[4:-2]) == {10}


def test_of_very_many_values_some_are_compared_and_the_others_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.onnx").write_bytes(LARGE["Relu"](101))
    monkeypatch.setattr("resdsl.tools.compare.compare.MOST_INSIDE", 10)
    comparison = resdsl.compare(tmp_path / "net.onnx", tmp_path / "net.onnx")
    inside = [one.name for one in comparison.differences if not one.is_output]
    assert inside == [f"v{place}" for place in range(1, 101, 10)]
    assert (len(inside), comparison.left_out) == (10, 91)
    app.main(["compare", str(tmp_path / "net.onnx"), str(tmp_path / "net.onnx")], standalone_mode=False)
    assert "91 more inner values are not compared" in capsys.readouterr().out
