"""A pad is merged into the windows that read it if zeros mean the same there."""

from __future__ import annotations

import pytest

from resdsl.passes.merge_pads import merge_pads

from ..building import network
from .computing import assert_computes_the_same, body, some

MERGED = {
    "pad(1);  c: conv(4, 3x3, pad = valid)": ["%c = conv(4, 3x3, pad = 1) %x -> [N, 4, 8, 8]"],
    "pad([0, 1, 2, 3]);  c: conv(4, 3x3)": ["%c = conv(4, 3x3, pad = [1, 2, 3, 4]) %x -> [N, 4, 10, 12]"],
    "pad(2);  c: conv(4, 3x3, stride = 2, dilation = 2)": [
        "%c = conv(4, 3x3, stride = 2, pad = 4, dilation = 2) %x -> [N, 4, 6, 6]"
    ],
    "pad(1);  c: conv(4, 3x3, stride = 2, pad = same)": [
        "%c = conv(4, 3x3, stride = 2, pad = [1, 1, 2, 2]) %x -> [N, 4, 5, 5]"
    ],
    "pad(1);  p: avgpool(3x3, pad = valid, count_pad = false)": ["%p = avgpool(3x3, pad = 1) %x -> [N, 3, 8, 8]"],
    "pad(1);  p: avgpool(4x4, stride = 2, pad = 1)": ["%p = avgpool(4x4, stride = 2, pad = 2) %x -> [N, 3, 5, 5]"],
    "r: relu;  pad(1);  p: maxpool(3x3, stride = 2, pad = valid)": [
        "%r = relu %x -> [N, 3, 8, 8]",
        "%p = maxpool(3x3, stride = 2, pad = 1) %r -> [N, 3, 4, 4]",
    ],
    "pad(1, value = 3);  q: pad(1x2, after = 2, value = 3)": [
        "%q = pad(sides = 2x3, after = 2, value = 3.0) %x -> [N, 5, 12, 14]"
    ],
    "pad(1);  pad(1);  pad(1);  c: conv(2, 3x3, pad = valid)": ["%c = conv(2, 3x3, pad = 3) %x -> [N, 2, 12, 12]"],
    "pad;  r: relu": ["%r = relu %x -> [N, 3, 8, 8]"],
    "pad(1);  concat { a: conv(2, 3x3);  b: conv(2, 3x3) }": [
        "join concat {",
        "%a = conv(2, 3x3, pad = 2) %x -> [N, 2, 10, 10]",
        "%b = conv(2, 3x3, pad = 2) %x -> [N, 2, 10, 10]",
        "%concat = concat %a, %b -> [N, 4, 10, 10]",
        "}",
    ],
}

REFUSED = {
    "a convolution pads with zeros, not with ones": "pad(1, value = 1);  conv(4, 3x3)",
    "a convolution pads no channels": "pad(1, after = 1);  conv(4, 3x3)",
    "the padded value is an output": "pad(1)\n  output early\n  conv(4, 3x3)",
    "one of its readers cannot take it": "pad(1);  concat { conv(3, 3x3);  relu }",
    "a maximum of zeros is no maximum of nothing": "pad(1);  maxpool(3x3)",
    "the values may be negative again": "relu;  scale(-1);  pad(1);  maxpool(3x3)",
    "a window would see nothing but padding": "relu;  pad(3);  maxpool(3x3, pad = valid)",
    "the pool's own padding does not count": "pad(1);  avgpool(3x3, pad = 1, count_pad = false)",
    "what a window reaches beyond depends on the size": "pad(1);  avgpool(3x3, stride = 2, ceil = true)",
    "a mean of everything counts everything": "pad(1);  avgpool(global)",
    "pads of different values": "pad(1, value = 1);  pad(1);  relu",
}


@pytest.mark.parametrize("before", MERGED)
def test_a_pad_goes_into(before: str) -> None:
    graph = network(f"{before}\n  output y")
    merged = merge_pads(graph)
    assert body(merged) == MERGED[before]
    assert_computes_the_same(graph, merged, some(2, 3, 8, 8))


@pytest.mark.parametrize("why", REFUSED)
def test_a_pad_stays_where(why: str) -> None:
    graph = network(f"{REFUSED[why]}\n  output y")
    assert merge_pads(graph) is graph


def test_of_a_chain_what_fits_is_merged() -> None:
    graph = network("pad(1);  one: pad(1, value = 1);  pad(2);  c: conv(4, 3x3, pad = valid)\n  output y")
    merged = merge_pads(graph)
    assert [node.path for node in merged.nodes] == ["x", "pad", "one", "c"]
    assert_computes_the_same(graph, merged, some(1, 3, 8, 8))
