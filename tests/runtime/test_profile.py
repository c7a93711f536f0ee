"""Profiles: times of layers by path, and MACs from shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resdsl
from resdsl.tools.bench.layer_times import by_op, count_macs, macs_of, read_profile, record, tree

NETWORK = """\
model net() {
  input x: f32[N, 3, 16, 16]
  conv(8, 3x3)
  bn
  relu
  stage body { residual { conv(8, 3x3, bias = true); relu } }
  avgpool(global)
  flatten
  fc: linear(10)
  output y
}
"""


def run(start: int, *nodes: dict[str, Any]) -> list[dict[str, Any]]:
    """A run's events: its nodes one after the other, and the run itself, which takes 10 us more."""
    found, now = [], start
    for node in nodes:
        found.append({"ts": now, "ph": "X", **node})
        now += node["dur"] if node["cat"] == "Node" else 0
    return [*found, {"cat": "Session", "name": "model_run", "ts": start, "dur": now - start + 10}]


def node(name: str, op: str, dur: int, index: int = 0, provider: str = "CPUExecutionProvider") -> dict[str, Any]:
    arguments = {"op_name": op, "provider": provider, "node_index": str(index)}
    return {"cat": "Node", "name": f"{name}_kernel_time", "dur": dur, "args": arguments}


def test_a_layers_time_is_the_median_over_the_runs() -> None:
    events = [
        event for number, dur in enumerate((500, 7, 20, 9)) for event in run(1000 * number, node("fc", "Gemm", dur))
    ]
    found = read_profile(events, {}, warmups=1)
    assert found.runs == 3
    assert [one.seconds for one in found.nodes] == [9e-6]
    assert found.seconds == pytest.approx(19e-6)
    assert found.between == pytest.approx(10e-6)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("layer1.0.relu_nchwc", "layer1.0.relu"),
        ("fused layer1.0.conv2", "layer1.0.conv2"),
        ("fc/MatMulAddFusion", "fc"),
        ("layer1.0.pool:0", "layer1.0.pool"),
        ("layer2.0.conv1_quant_nhwc", "layer2.0.conv1"),
        ("Transpose_token_12", "Transpose"),
        ("layer1.0.relu_2", "layer1.0.relu_2"),
    ],
)
def test_rewritten_nodes_have_the_paths_of_the_specification(name: str, path: str) -> None:
    (found,) = read_profile(run(0, node(name, "Conv", 5)), {}).nodes
    assert found.path == path


def test_layers_stand_below_their_stages_and_blocks() -> None:
    nodes = (
        node("conv1", "Conv", 10, 0),
        node("layer1.0.conv1", "Conv", 20, 1),
        node("layer1.0.conv2", "Conv", 30, 2),
        node("layer1.1.conv1", "Conv", 40, 3),
        node("fc", "Gemm", 5, 4),
    )
    found = read_profile(run(0, *nodes), {("layer1.0.conv2", "Conv", "CPUExecutionProvider", 2): 7})
    stem, stage, head = tree(found)
    assert [stem.name, stage.name, head.name] == ["conv1", "layer1", "fc"]
    assert [(part.name, round(1e6 * part.seconds), part.nodes) for part in stage.parts] == [
        ("layer1.0", 50, 2),
        ("layer1.1", 40, 1),
    ]
    assert stage.macs == 7
    assert [(part.name, part.nodes) for part in by_op(found)] == [("Conv", 4), ("Gemm", 1)]


def test_names_of_another_exporter_make_a_tree_too() -> None:
    found = read_profile(run(0, node("/layer1/layer1.0/conv1/Conv", "Conv", 10)), {})
    (stage,) = tree(found)
    assert (stage.name, stage.parts[0].name) == ("layer1", "layer1.layer1.0")


def test_on_a_gpu_the_kernels_behind_a_node_are_its_time() -> None:
    kernels = [{"cat": "Kernel", "name": "winograd", "ts": 900 + i, "dur": dur} for i, dur in enumerate((300, 50))]
    found = read_profile(run(0, node("conv1", "Conv", 4), *kernels, node("fc", "Gemm", 3, 1), kernels[1]), {})
    assert found.on_gpu
    assert [(one.path, round(1e6 * one.seconds)) for one in found.nodes] == [("conv1", 350), ("fc", 50)]


def multiplied(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """Every product that NumPy's matmul forms: as many as the outer index space is large."""
    rows, inner, columns = a[-2], a[-1], b[-1]
    return int(np.prod(np.broadcast_shapes(a[:-2], b[:-2]), dtype=int)) * rows * inner * columns


@pytest.mark.parametrize(
    ("a", "b"),
    [((4, 6), (6, 5)), ((2, 4, 6), (2, 6, 5)), ((2, 4, 6), (6, 5)), ((4, 6), (2, 6, 5)), ((3, 1, 4, 6), (2, 6, 5))],
)
def test_a_product_of_matrices_multiplies_as_often_as_by_hand(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    result = np.matmul(np.zeros(a), np.zeros(b)).shape
    assert macs_of("MatMul", [a, b], [result]) == multiplied(a, b)


def test_a_transposed_product_multiplies_as_often() -> None:
    assert macs_of("Gemm", [(4, 6), (5, 6), (5,)], [(4, 5)]) == 4 * 6 * 5


@pytest.mark.parametrize(
    ("op", "inputs", "output", "macs"),
    [
        ("Conv", [(2, 8, 10, 10), (16, 8, 3, 3), (16,)], (2, 16, 8, 8), 2 * 16 * 8 * 8 * 8 * 9),
        # Grouped: each output channel sees a quarter of the input.
        ("Conv", [(1, 8, 5, 5), (8, 2, 1, 1)], (1, 8, 5, 5), 8 * 25 * 2),
        ("QLinearConv", [(1, 4, 6, 6), (), (), (8, 4, 3, 3), (8,), (8,), (), ()], (1, 8, 4, 4), 8 * 16 * 4 * 9),
        ("ConvTranspose", [(1, 4, 3, 3), (4, 2, 2, 2)], (1, 2, 6, 6), 4 * 9 * 2 * 4),
        ("Relu", [(1, 4, 3, 3)], (1, 4, 3, 3), 0),
        ("Conv", [(1, 4, 3, 3), (4, 4, 1, 1)], (0, 4, 3, 3), 0),
    ],
)
def test_convolutions_multiply_as_often_as_by_hand(
    op: str, inputs: list[tuple[int, ...]], output: tuple[int, ...], macs: int
) -> None:
    assert macs_of(op, inputs, [output]) == macs


def test_the_macs_of_a_models_layers_are_those_of_its_specification(tmp_path: Path) -> None:
    specification = resdsl.loads(NETWORK)
    resdsl.compile(specification, tmp_path / "net.onnx", optimize=1)
    feeds = {"x": np.ones((2, 3, 16, 16), np.float32)}
    found = record(tmp_path / "net.onnx", feeds, device="cpu", runs=2)
    assert found.macs == 2 * specification.graph.macs
    assert count_macs(tmp_path / "net.onnx", feeds, device="cpu") == found.macs
    assert [part.name for part in tree(found) if part.macs] == ["relu", "body", "fc"]
    assert found.runs == 2
    assert 0 < sum(one.seconds for one in found.nodes) <= found.seconds


def test_padded_channels_and_batch_norms_turned_into_convolutions_are_not_counted(tmp_path: Path) -> None:
    # 5 channels: ONNX Runtime pads them to the width of the vector unit, and this norm cannot be folded.
    text = "model net { input x: f32[N, 3, 16, 16]; conv(5, 3x3); relu; bn; relu; conv(7, 1x1); output y }"
    specification = resdsl.loads(text.replace("; ", "\n").replace("{ ", "{\n").replace(" }", "\n}"))
    resdsl.compile(specification, tmp_path / "net.onnx", optimize=1)
    feeds = {"x": np.ones((1, 3, 16, 16), np.float32)}
    # 16 x 16 values of 5 channels from 3 x 3 x 3 each; then 7 channels from 5.
    expected = 16 * 16 * 5 * 27 + 16 * 16 * 7 * 5
    assert record(tmp_path / "net.onnx", feeds, device="cpu", runs=1).macs == expected
    assert count_macs(tmp_path / "net.onnx", feeds, device="cpu") == expected
