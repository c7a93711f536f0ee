"""Names, shapes and counts of the shipped networks equal those of independent implementations, to the unit."""

from __future__ import annotations

from collections import Counter

import pytest

from resdsl.ops.bn import BatchNorm

from .shipped import ROOT, graph_of, reference, reference_names


@pytest.mark.parametrize("name", reference_names())
def test_a_network_is_its_reference(name: str) -> None:
    graph = graph_of(name)
    wanted = reference(name)

    shapes = {parameter.name: list(parameter.shape) for parameter in graph.parameters.values()}
    assert shapes == {key: shape for key, shape in wanted["state_dict"].items() if "num_batches_tracked" not in key}
    assert graph.parameter_count == wanted["parameters"]
    buffers = sum(parameter.count for parameter in graph.parameters.values() if not parameter.trainable)
    assert buffers == wanted["buffers"]
    assert graph.macs == wanted["macs_per_image"]
    # Heads for training are in the checkpoint, and not computed.
    calls = Counter(graph.nodes[index].operator.name for index in graph.inference_nodes)
    assert (calls["conv"], calls["linear"]) == (wanted["conv_calls"], wanted["linear_calls"])
    eps = {node.operator.eps for node in graph.nodes if isinstance(node.operator, BatchNorm)}
    assert sorted(eps) == pytest.approx(wanted["bn_eps"])


def test_every_reference_has_a_specification() -> None:
    assert [name for name in reference_names() if not (ROOT / "specs" / f"{name}.res").is_file()] == []
