"""Parameters and MACs, against sums by hand and an independent count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resdsl.analysis.cost import Cost, costs, total
from resdsl.ir.dims import evaluate
from resdsl.ir.graph import Graph

from ..building import network, shipped

REFERENCE = Path(__file__).parents[1] / "reference"


def of(graph: Graph, path: str) -> Cost:
    return costs(graph)[next(node.index for node in graph.nodes if node.path == path)]


def test_a_convolution_costs_its_kernel_at_every_place() -> None:
    graph = network("c: conv(6, 5x3, stride = 2, groups = 3, bias = true)\n  output y", "N, 3, 8, 10")
    kernel = 6 * (3 // 3) * 5 * 3
    places = 4 * 5
    assert of(graph, "c") == Cost(kernel + 6, 0, kernel * places, 6 * places, 4 * 6 * places)


def test_costs_are_for_one_image_for_any_batch() -> None:
    one, eight = (costs(network("c: conv(4, 3x3)\n  output y", f"{n}, 3, 8, 8")) for n in (1, 8))
    assert one == eight


def test_running_statistics_are_buffers() -> None:
    assert of(network("b: bn\n  output y", "N, 7, 2, 2"), "b") == Cost(14, 14, 0, 28, 112)


def test_macs_of_unknown_sizes_are_expressions() -> None:
    macs = of(network("c: conv(4, 1x1, stride = 2)\n  output y", "N, 3, H, W"), "c").macs
    # ceil(H / 2) * ceil(W / 2) places, 3 * 4 products each
    for height, width in ((1, 1), (7, 8), (224, 225)):
        assert evaluate(macs, {"H": height, "W": width}) == 12 * -(-height // 2) * -(-width // 2)


def test_scopes_sum_up_to_the_whole() -> None:
    graph = shipped("resnet18")
    each = costs(graph)
    parts = [total(each, [child] if isinstance(child, int) else child.nodes()) for child in graph.root.children]
    whole = sum(parts, Cost())
    assert whole == total(each, range(len(graph.nodes)))
    assert whole.parameters == graph.parameter_count
    assert whole.macs == graph.macs


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet152", "densenet121"])
def test_totals_are_those_of_an_independent_count(name: str) -> None:
    reference = json.loads((REFERENCE / f"{name}.json").read_text())
    graph = shipped(name)
    cost = total(costs(graph), range(len(graph.nodes)))
    assert (cost.parameters, cost.buffers) == (reference["parameters"], reference["buffers"])
    assert cost.macs == reference["macs_per_image"]


# He et al. 2015 (arXiv:1512.03385) and Huang et al. 2016 (arXiv:1608.06993) name their networks by this number.
@pytest.mark.parametrize(
    ("name", "layers"), [("resnet18", 18), ("resnet34", 34), ("resnet50", 50), ("resnet152", 152), ("densenet121", 121)]
)
def test_depth_is_the_number_in_the_name(name: str, layers: int) -> None:
    assert shipped(name).depth == layers


def test_depth_follows_the_longest_path_to_an_output() -> None:
    graph = network(
        "concat { { conv(2, 1x1); conv(2, 1x1) };  conv(2, 1x1) }\n  output y\n  conv(2, 1x1)\n  conv(2, 1x1)"
    )
    assert graph.depth == 2
    assert max(graph.depths()) == 4
