"""Heads that only training needs: named and counted apart, and compiled on request."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors.numpy import load_file, save_file

import resdsl
from resdsl.diagnostics import CompileError
from resdsl.ir.print import print_graph
from resdsl.ir.verify import verify
from resdsl.passes.drop_aux import drop_aux
from resdsl.passes.include_aux import include_aux
from resdsl.picture.build import build as diagram
from resdsl.picture.diagram import Detail
from resdsl.review.checkpoint import Fit
from resdsl.review.review import compare
from tests.building import build, shipped

WITH_AUX = """\
model net(classes = 3) {
  input image: f32[N, 3, 8, 8]
  conv1: conv(4, 3x3)
  stage body {
    conv2: conv(4, 3x3);  bn2: bn
    aux head { conv: conv(5, 1x1); bn: bn; avgpool(global); flatten; fc: linear(classes) }
  }
  relu;  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""
WITHOUT_AUX = "".join(line for line in WITH_AUX.splitlines(keepends=True) if "aux head" not in line)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "net.res"
    path.write_text(WITH_AUX)
    return path


@pytest.fixture
def checkpoint(spec: Path, tmp_path: Path) -> Path:
    """Every tensor, with values of its own."""
    random = np.random.default_rng(1)
    tensors = {
        name: random.uniform(0.1, 1, parameter.shape).astype(np.float32)
        for name, parameter in resdsl.load(spec).graph.parameters.items()
    }
    path = tmp_path / "net.safetensors"
    save_file(tensors, path)
    return path


def outputs(model: Path) -> list[str]:
    return [output.name for output in onnx.load(model).graph.output]


def run(model: Path) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(os.fspath(model), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(2).standard_normal((2, 3, 8, 8), dtype=np.float32)
    names = [port.name for port in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


def as_taps(end: str) -> str:
    """The network with a group and a tap for the head, whose last layer is followed by ``end``."""
    return WITH_AUX.replace("aux head { ", "tap t; head: { ").replace("classes) }", end)


def trainable(graph: resdsl.Graph) -> int:
    return sum(parameter.count for parameter in graph.parameters.values() if parameter.trainable)


# The counts are those of torchvision: `num_params` in its tables of weights, and `aux_logits=True` counted by PyTorch.
@pytest.mark.parametrize(
    ("name", "inference", "training"),
    [("googlenet", 6_624_904, 13_004_888), ("inception_v3", 23_834_568, 27_161_264)],
)
def test_parameters_are_those_of_torchvision(name: str, inference: int, training: int) -> None:
    graph = shipped(name)
    verify(graph)
    assert graph.parameter_count == inference
    assert trainable(graph) == training
    assert drop_aux(graph).parameter_count == trainable(drop_aux(graph)) == inference
    assert include_aux(graph).parameter_count == training


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        (
            "googlenet",
            {
                "aux1.conv.conv.weight": (128, 512, 1, 1),
                "aux1.conv.bn.running_var": (128,),
                "aux1.fc1.weight": (1024, 2048),
                "aux1.fc2.bias": (1000,),
                "aux2.conv.conv.weight": (128, 528, 1, 1),
            },
        ),
        (
            "inception_v3",
            {
                "AuxLogits.conv0.conv.weight": (128, 768, 1, 1),
                "AuxLogits.conv0.bn.weight": (128,),
                "AuxLogits.conv1.conv.weight": (768, 128, 5, 5),
                "AuxLogits.conv1.bn.running_mean": (768,),
                "AuxLogits.fc.weight": (1000, 768),
            },
        ),
    ],
)
def test_tensors_are_named_as_in_torchvision(name: str, shapes: dict[str, tuple[int, ...]]) -> None:
    parameters = shipped(name).parameters
    assert {tensor: parameters[tensor].shape for tensor in shapes} == shapes


def test_the_value_behind_a_head_is_that_before_it() -> None:
    assert print_graph(drop_aux(build(WITH_AUX))) == print_graph(build(WITHOUT_AUX))


def test_figures_are_those_without_the_head() -> None:
    graph, without = build(WITH_AUX), build(WITHOUT_AUX)
    assert (graph.parameter_count, graph.macs, graph.depth) == (
        without.parameter_count,
        without.macs,
        without.depth,
    )
    # A convolution of 8 * 8 pixels, and a linear layer.
    assert include_aux(graph).macs == without.macs + 8 * 8 * 4 * 5 + 5 * 3


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_model_has_no_head(spec: Path, tmp_path: Path, level: int) -> None:
    compiled = resdsl.compile(spec, tmp_path / "net.onnx", optimize=level)
    assert outputs(tmp_path / "net.onnx") == ["logits"]
    assert not [one.name for one in onnx.load(tmp_path / "net.onnx").graph.node if "head" in one.name]
    assert (compiled.parameters, compiled.macs) == (build(WITHOUT_AUX).parameter_count, build(WITHOUT_AUX).macs)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_head_on_request_is_an_output(spec: Path, checkpoint: Path, tmp_path: Path, level: int) -> None:
    resdsl.compile(spec, tmp_path / "with.onnx", weights=checkpoint, aux=True, optimize=level)
    resdsl.compile(spec, tmp_path / "without.onnx", weights=checkpoint)
    values = run(tmp_path / "with.onnx")
    assert list(values) == ["logits", "body.head"]
    np.testing.assert_allclose(values["logits"], run(tmp_path / "without.onnx")["logits"], rtol=1e-4)
    tapped = spec.with_name("tapped.res")
    tapped.write_text(as_taps("classes); output h }; from t {}"))
    resdsl.compile(tapped, tmp_path / "tapped.onnx", weights=checkpoint)
    np.testing.assert_allclose(values["body.head"], run(tmp_path / "tapped.onnx")["h"], rtol=1e-4)


def test_a_report_is_of_what_was_asked_for_at_every_level(tmp_path: Path) -> None:
    # Written without `aux`, a layer that no output needs is dropped from level 1 on.
    spec = tmp_path / "net.res"
    spec.write_text(as_taps("classes) }; from t {}"))
    asked = build(WITHOUT_AUX).parameter_count + 5 * 4 + 2 * 5 + 3 * 5 + 3
    for level in (0, 1, 2):
        compiled = resdsl.compile(spec, tmp_path / "net.onnx", optimize=level)
        stated = {entry.key: entry.value for entry in onnx.load(tmp_path / "net.onnx").metadata_props}
        assert compiled.parameters == int(stated["resdsl.parameters"]) == asked
        assert compiled.macs == int(stated["resdsl.macs"]) == build(WITHOUT_AUX).macs + 8 * 8 * 4 * 5 + 5 * 3


def test_a_checkpoint_may_have_the_head(spec: Path, checkpoint: Path, tmp_path: Path) -> None:
    compiled = resdsl.compile(spec, tmp_path / "net.onnx", weights=checkpoint)
    assert compiled.match is not None
    assert compiled.match.is_complete
    assert len(compiled.match.heads) == 7  # a convolution, a norm of 4 tensors, a linear layer of 2
    assert "7 tensors of aux heads left out" in str(compiled.match)


def test_a_checkpoint_may_lack_the_head_unless_it_is_compiled(spec: Path, checkpoint: Path, tmp_path: Path) -> None:
    tensors = {f"module.{name}": value for name, value in load_file(checkpoint).items() if ".head." not in name}
    save_file(tensors, checkpoint)
    compiled = resdsl.compile(spec, tmp_path / "net.onnx", weights=checkpoint)
    assert compiled.match is not None
    assert compiled.match.is_complete
    assert compiled.match.heads == ()
    with pytest.raises(CompileError, match=r"body\.head"):
        resdsl.compile(spec, tmp_path / "net.onnx", weights=checkpoint, aux=True)


def test_tensors_of_no_head_are_still_unexpected(spec: Path, checkpoint: Path, tmp_path: Path) -> None:
    save_file(load_file(checkpoint) | {"body.header.weight": np.ones(3, np.float32)}, checkpoint)
    with pytest.raises(CompileError, match=r"body\.header"):
        resdsl.compile(spec, tmp_path / "net.onnx", weights=checkpoint)


def test_the_summary_counts_the_head_apart(spec: Path) -> None:
    summary = resdsl.load(spec).summary(depth=2)
    without = build(WITHOUT_AUX)
    assert (summary.cost.parameters, summary.cost.macs) == (without.parameter_count, without.macs)
    assert summary.aux is not None
    assert summary.aux.parameters == 5 * 4 + 2 * 5 + 3 * 5 + 3
    assert [name for name, _ in summary.outputs] == ["logits"]
    stage = next(row for row in summary.rows if row.kind == "stage")
    assert stage.cost.macs == 8 * 8 * 9 * 4 * 4
    assert [(row.path, row.cost.macs) for row in stage.rows if row.kind == "aux"] == [
        ("body.head", 8 * 8 * 4 * 5 + 5 * 3)
    ]


def test_a_picture_shows_the_head_beside_the_flow() -> None:
    whole = diagram(build(WITH_AUX), Detail.LAYER).body
    assert "Offshoot" in [type(item).__name__ for item in whole.items]


def test_weights_of_a_network_without_the_head_fit() -> None:
    result = compare(build(WITHOUT_AUX), build(WITH_AUX))
    assert result.checkpoint.fit is Fit.FULLY
    before, after = result.old.totals, result.new.totals
    assert (before.macs, before.parameters) == (after.macs, after.parameters)
    assert compare(build(WITH_AUX), build(WITHOUT_AUX)).checkpoint.fit is Fit.PARTLY


def test_a_head_that_becomes_part_of_inference_is_a_change() -> None:
    text = "model net { input x: f32[N, 3, 8, 8]; conv1: conv(4, 3x3); tap t; %s; from t { relu }; output y }"
    old = build(text % "aux extra { conv: conv(2, 1x1) }; from t { relu }")
    new = build(text % "extra: { conv: conv(2, 1x1) }; output extra; from t { relu }")
    result = compare(old, new)
    assert [getattr(change, "what", "") for change in result.changes] == ["output extra"]
    assert result.new.totals.parameters - result.old.totals.parameters == 2 * 4


def test_a_block_may_be_called_aux() -> None:
    text = """
      block aux(n) { conv: conv(n, 1x1) }
      model net { input x: f32[N, 3, 8, 8]
        tap aux; aux(4)
        from aux { aux: 2 x aux(5) }
        output aux }
    """
    graph = build(text.replace("aux(4)", "a: aux(4)"))
    assert [node.operator.channels for node in graph.nodes[1:]] == [4, 5, 5]
    assert not graph.aux_nodes
    assert build(text.replace("aux: 2", "b: 2")).nodes[1].path == "aux.conv"
