"""Calls that mean something else in PyTorch: where there is a warning, and where there is none."""

from __future__ import annotations

import pytest

from .conftest import Codes, Net


@pytest.mark.parametrize(
    "call",
    [
        "conv(3, 64, 3)",
        "conv(3, 64, 3x3)",
        "conv(3, 8, 3, 2)",
        "conv(3, 32, 3, pad = valid)",
        "conv_transpose(3, 64, 2)",
    ],
)
def test_pytorch_s_order_of_arguments_is_a_warning(call: str, net: Net, codes: Codes) -> None:
    assert "W0509" in codes(net(f"c: {call}\noutput y", shape="N, 3, 128, 128"))


@pytest.mark.parametrize(
    "call",
    [
        "conv(3, 3x3, 2)",
        "conv(3, 7, 2)",
        "conv(3, 64)",
        "conv(3, kernel = 64, stride = 3)",
        "conv(96, 11, 4)",
        "conv(16, 16, 16)",
    ],
)
def test_arguments_in_order_give_no_warning(call: str, net: Net, codes: Codes) -> None:
    assert codes(net(f"c: {call}\noutput y", shape="N, 3, 128, 128")) == []


@pytest.mark.parametrize("pool", ["maxpool(2x2)", "avgpool(3)", "maxpool(3x1)", "avgpool(2x2, ceil = true)"])
def test_a_pool_without_a_stride_is_a_warning(pool: str, net: Net, codes: Codes) -> None:
    assert codes(net(f"{pool}\noutput y")) == ["W0510"]


@pytest.mark.parametrize(
    "pool",
    [
        "maxpool(2x2, stride = 2)",
        "maxpool(3x3, stride = 1)",
        "maxpool(1x1)",
        "maxpool(3x3, pad = valid)",
        "maxpool(3x3, dilation = 2)",
        "avgpool(global)",
        # Inception: the branches keep the size.
        "concat { identity; maxpool(3x3) }",
        "concat { identity; p: pooled }",
        "default maxpool(stride = 2)\nmaxpool(2x2)",
    ],
)
def test_other_pools_give_no_warning(pool: str, net: Net, codes: Codes) -> None:
    block = "block pooled() { avgpool(3x3); c: conv(8, 1x1) }\n" if "pooled" in pool else ""
    assert codes(net(f"{pool}\noutput y", block)) == []
