"""Networks of other families, written by a newcomer to the language, compile without a change of Python."""

from pathlib import Path

import pytest

from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import elaborate, load_program
from resdsl.ir.graph import Graph

NETWORKS = Path(__file__).parent / "networks"


def build(name: str) -> Graph:
    path = NETWORKS / f"{name}.res"
    diagnostics = Diagnostics()
    graph = elaborate(load_program(Source(path.name, path.read_text(), path), diagnostics), diagnostics)
    assert graph is not None, [found.message for found in diagnostics]
    return graph


@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [
        # torchvision 0.29: sum(p.numel() for p in model.parameters()), and its documented GFLOPs (multiply-adds).
        ("alexnet", 61_100_840, 0.71e9),
        ("mobilenet_v2", 3_504_872, 0.30e9),
        ("shufflenet_v2", 2_278_604, 0.145e9),
        ("squeezenet", 1_235_496, 0.35e9),
    ],
)
def test_torchvision_agrees(name: str, parameters: int, macs: float) -> None:
    graph = build(name)
    assert graph.parameter_count == parameters
    assert graph.macs == pytest.approx(macs, rel=0.02)


def test_mobilenet_has_torchvisions_names() -> None:
    names = build("mobilenet_v2").parameters
    for name in ("features.0.0.weight", "features.1.conv.1.weight", "features.18.1.running_var", "classifier.1.bias"):
        assert name in names


def test_the_halves_of_a_shuffle_unit_have_torchvisions_names() -> None:
    parameters = build("shufflenet_v2").parameters
    # The first unit of a stage reads all channels, the others one half.
    assert parameters["stage2.0.branch2.0.weight"].shape == (58, 24, 1, 1)
    assert parameters["stage2.1.branch2.0.weight"].shape == (58, 58, 1, 1)
    assert "stage2.0.branch1.0.weight" in parameters
    assert "stage2.1.branch1.0.weight" not in parameters


def test_a_unet_gives_a_mask_of_the_size_of_its_input() -> None:
    graph = build("unet")
    assert [str(graph.nodes[output.node].type) for output in graph.outputs] == ["[N, 2, 256, 256]"]


def test_same_padding_halves_an_odd_size_upwards() -> None:
    graph = build("efficient_stem")
    assert str(graph.nodes[graph.outputs[0].node].type) == "[N, 16, 113, 113]"
    assert graph.parameters["blocks.0.0.conv_dw.weight"].shape == (32, 1, 3, 3)
    assert graph.parameters["blocks.0.0.se.conv_expand.bias"].shape == (32,)
