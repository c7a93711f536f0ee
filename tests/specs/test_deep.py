"""Networks far deeper than published ones: depth is not limited by recursion in Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import resdsl
from resdsl.analysis.summary import folded, summarize
from resdsl.elaborate import Limits
from resdsl.ir.print import print_graph
from resdsl.ir.verify import verify
from resdsl.onnx.model import encode_graph
from resdsl.passes import optimize
from resdsl.review.review import compare
from resdsl.review.terminal import render_text

DEEP = """
use "std/residual.res" (basic)
model deep(n, width = 4) {
  input image: f32[N, 3, 16, 16]
  conv1: conv(width, 3x3);  bn1: bn;  relu
  stage layer1             { n x basic(width, skip = pad) }
  stage layer2(stride = 2) { n x basic(width, skip = pad) }
  avgpool(global);  flatten
  fc: linear(10)
  output logits
}
"""


def test_a_network_of_two_thousand_operators_runs(tmp_path: Path) -> None:
    specification = resdsl.loads(DEEP, set={"n": 143})
    assert len(specification.graph.nodes) > 2_000
    # The paper's 6n + 2 layers with three stages; here are two.
    assert specification.graph.depth == 4 * 143 + 2
    path = tmp_path / "deep.onnx"
    resdsl.compile(specification, path)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"image": np.zeros((2, 3, 16, 16), np.float32)})
    assert logits.shape == (2, 10)


def test_three_hundred_thousand_operators_are_within_the_limits() -> None:
    # Two stages of n blocks, each of two convolutions, two norms, two relus and an addition.
    specification = resdsl.loads(DEEP, set={"n": 21_500})
    assert not specification.check().errors
    assert len(specification.graph.nodes) > 300_000


def nested(inside: str) -> str:
    """Groups in groups in blocks in blocks, as deep as the largest limit allows."""
    groups = 45
    blocks = "".join(
        f"block b{number} {{ {'g: { ' * groups}x: {inner}{' }' * groups} }}\n"
        for number, inner in enumerate([inside, *(f"b{number}" for number in range(9))])
    )
    return f"{blocks}model net {{\n  input image: f32[N, 3, 8, 8]\n  y: b9\n  output y\n}}\n"


@pytest.mark.parametrize(("inside", "expected"), [("conv(9, 3x3)", "1 changed"), ("relu", "1 added, 1 removed")])
def test_scopes_may_nest_as_deeply_as_can_be_allowed(inside: str, expected: str) -> None:
    deepest = Limits(depth=1_000)
    graph = resdsl.loads(nested("conv(8, 3x3)"), limits=deepest).graph
    assert graph.nodes[-1].path.count(".") > 400
    verify(graph)
    assert optimize(graph, 2).nodes
    assert encode_graph(graph)
    assert "conv(8, 3x3)" in print_graph(graph)
    assert folded(summarize(graph, depth=None).rows)
    other = resdsl.loads(nested(inside), limits=deepest).graph
    assert expected in render_text(compare(graph, other))
    assert compare(graph, graph).is_empty
