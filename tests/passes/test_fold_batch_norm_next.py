"""A norm is folded into the following layer where that is exact, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from resdsl.passes.fold_batch_norm import fold_batch_norm

from ..building import network, tensor
from .computing import assert_computes_the_same, body, some

FOLDED = [
    "n: bn;  c: conv(4, 1x1)",
    "n: bn(eps = 0.1);  c: conv(4, 3x2, pad = valid, bias = true)",
    "n: bn(affine = false);  c: conv(4, 1x1, stride = 2)",
    "relu;  n: bn;  c: conv(6, 3x3, pad = valid, groups = 3)",
    "concat { identity;  relu };  n: bn;  c: conv(4, 1x1)",
    "avgpool(global);  flatten;  n: bn;  c: linear(5)",
    "avgpool(global);  flatten;  n: bn;  c: linear(5, bias = false)",
]

REFUSED = {
    "the convolution pads, and zero is no norm of zero": "bn;  conv(4, 3x3)",
    "it pads at one side": "bn;  conv(4, 1x1, pad = [0, 0, 0, 1])",
    "a block of pre-activation or of DenseNet has a relu between them": "bn;  relu;  conv(4, 1x1)",
    "the norm has another reader": "bn;  concat { conv(4, 1x1);  identity }",
    "the norm is an output": "bn\n  output early\n  conv(4, 1x1)",
    "nothing linear comes behind it": "bn;  sigmoid",
}


@pytest.mark.parametrize("before", FOLDED)
def test_a_norm_goes_into_the_layer_behind_it(before: str) -> None:
    graph = network(f"{before}\n  output y")
    folded = fold_batch_norm(graph)
    assert "n" not in [node.path for node in folded.nodes]
    assert not [name for name in folded.parameters if name.startswith("n.")]
    assert_computes_the_same(graph, folded, some(2, 3, 8, 8))


def test_the_text_shows_how_the_weights_are_computed() -> None:
    folded = fold_batch_norm(network("n: bn;  c: conv(4, 1x1)\n  output y"))
    assert body(folded) == [
        "%c = conv(4, 1x1, bias = true) %x -> [N, 4, 8, 8] {weight: fold_batch_norm.next.weight(c, n), "
        "bias: fold_batch_norm.next.bias(c, n)}"
    ]


def test_folded_weights_are_those_of_the_formula() -> None:
    graph = network("n: bn(eps = 0.5);  c: conv(2, 1x1, bias = true)\n  output y")
    folded = fold_batch_norm(graph).parameters
    value = {name: tensor(parameter).astype(np.float64) for name, parameter in graph.parameters.items()}
    scale = value["n.weight"] / np.sqrt(value["n.running_var"] + 0.5)
    shift = value["n.bias"] - value["n.running_mean"] * scale
    weight = value["c.weight"][:, :, 0, 0]
    np.testing.assert_allclose(tensor(folded["c.weight"])[:, :, 0, 0], weight * scale, rtol=1e-6)
    np.testing.assert_allclose(tensor(folded["c.bias"]), value["c.bias"] + weight @ shift, rtol=1e-6)
    assert tensor(folded["c.weight"]).dtype == tensor(folded["c.bias"]).dtype == np.float32


@pytest.mark.parametrize("why", REFUSED)
def test_a_norm_stays_where(why: str) -> None:
    graph = network(f"{REFUSED[why]}\n  output y")
    assert fold_batch_norm(graph) is graph
