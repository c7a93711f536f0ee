"""What each operator is in PyTorch computes its definition, for every example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from resdsl.ir.graph import Graph
from resdsl.ir.operator import Example

from ..ops.harness import answers, every_operator, graph_of, pixels, weights_of

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch

EXAMPLES = [
    pytest.param(example, id=f"{example.text} on {'x'.join(map(str, example.shape))}")
    for operator in every_operator().values()
    for example in operator.examples
]


def module_of(graph: Graph, weights: Mapping[str, np.ndarray]) -> Any:
    from resdsl.torch.modules import _RESERVED
    from resdsl.torch.network import build
    from resdsl.torch.plan import Wanted, plan

    network = build(plan(graph, Wanted({"y": graph.outputs[0].node}, alone=True), _RESERVED))
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return network.double().eval()


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_module_computes_the_definition(example: Example) -> None:
    graph = graph_of(example.text, example.shape)
    weights, x = weights_of(graph), pixels(example.shape)
    module = module_of(graph, weights)
    with torch.no_grad():
        found = module(torch.from_numpy(x).double()).numpy()
    expected = answers(graph, weights, x)[-1].value
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * max(1.0, float(np.abs(expected).max())))


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_module_has_a_gradient_and_no_graph_break(example: Example) -> None:
    graph = graph_of(example.text, example.shape)
    module = module_of(graph, weights_of(graph)).train(False)
    x = torch.from_numpy(pixels(example.shape)).double()
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), module(x), rtol=0, atol=0)
    for name, parameter in module.named_parameters():
        parameter.grad = None
        module(x).square().sum().backward(inputs=[parameter])
        assert parameter.grad is not None, name
