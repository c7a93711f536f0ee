"""The smallest input: with one pixel less, the network cannot be built."""

from __future__ import annotations

import pytest

from resdsl.analysis.smallest_input import smallest_input
from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import elaborate, load_program

from ..building import network

BODIES = [
    "conv(4, 3x3)",
    "conv(4, 7x5, pad = valid)",
    "conv(4, 3x3, pad = valid, stride = 2);  maxpool(3x3, stride = 2, pad = valid);  conv(2, 5x3, pad = valid)",
    "conv(4, 3x3, dilation = 3, pad = valid);  avgpool(2x2, stride = 2, pad = valid, ceil = true)",
    "maxpool(2x2, stride = 2);  blurpool(5)",
    "concat { conv(4, 5x5, stride = 2);  { conv(2, 3x3, stride = 2);  conv(2, 3x3) } };  maxpool(4x3, pad = valid)",
]


def builds(body: str, height: int, width: int) -> bool:
    text = f"model net() {{\n  input x: f32[1, 3, {height}, {width}]\n  {body}\n  output y\n}}\n"
    return elaborate(load_program(Source("test.res", text), Diagnostics()), Diagnostics()) is not None


@pytest.mark.parametrize("body", BODIES)
def test_less_cannot_be_built(body: str) -> None:
    found = smallest_input(network(f"{body}\n  output y", "N, 3, H, W"))
    height, width = found["H"], found["W"]
    assert height is not None
    assert width is not None
    assert builds(body, height, width)
    assert height == 1 or not builds(body, height - 1, 999)
    assert width == 1 or not builds(body, 999, width - 1)
    assert found["N"] == 1


def test_a_network_of_known_sizes_has_no_question() -> None:
    assert smallest_input(network("conv(4, 3x3)\n  output y", "1, 3, 8, 8")) == {}
