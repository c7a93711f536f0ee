"""What a training step costs: multiply-accumulates and memory.

The gradient of a layer is two more products of the size of its own: with its input (the gradient of its weights) and
with its weights (the gradient of its input). That of its input is left out before the first trained layer, and both are
before it, so a step has a little less than three times the multiply-accumulates of the forward pass.

Memory is that of weights, gradients, optimizer state, of the values of all layers, which stay until the gradients are
computed from them, and of what exists for a moment: the gradients of two values, and the input of a convolution once
for each point of its window, which the gradient of its weights is computed from. Those of convolutions with groups are
counted together, since many of them exist at a time. Measured peaks on a CPU are 0.93 (a ResNet for CIFAR, 128 images),
1.04 (ResNet-18, 12 images) and 0.69 (MobileNet v2, 12 images) times the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from resdsl.analysis.cost import costs
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Graph, Parameter

STATES = {"sgd": 1, "adamw": 2}
"""Numbers that an optimizer keeps for each parameter: the momentum; the means of gradients and of their squares."""


@dataclass(frozen=True, slots=True)
class TrainingCost:
    """The cost of a step of ``batch`` images.

    ``macs`` are those of the forward pass, the gradients of weights and the gradients of inputs, together. Bytes:
    ``parameters`` are all tensors, ``gradients`` and ``optimizer`` those of the trained ones, ``activations`` the
    values of all layers, ``working`` what exists for a moment.
    """

    batch: int
    macs: Dim
    forward_macs: Dim
    parameters: int
    gradients: int
    optimizer: int
    activations: Dim
    working: Dim

    @property
    def bytes(self) -> Dim:
        """All of the memory."""
        return self.parameters + self.gradients + self.optimizer + self.activations + self.working

    @property
    def fixed(self) -> int:
        """The part that does not depend on the batch."""
        return self.parameters + self.gradients + self.optimizer


def training_cost(
    graph: Graph, batch: int, *, optimizer: str = "sgd", frozen: Callable[[str], bool] = lambda _name: False
) -> TrainingCost:
    """The cost of a step; ``frozen`` says which parameters are not trained, by name. Values may be symbolic."""
    trained = [one for one in graph.parameters.values() if one.trainable and not frozen(one.name)]
    each = costs(graph)
    reached = _reached(graph, trained)
    owners = {one.node for one in trained if len(one.shape) > 1}
    forward: Dim = 0
    backward: Dim = 0
    activations: Dim = 0
    largest, grouped = 0, 0
    values: list[int] = [0]
    for index in graph.inference_nodes:
        macs, node = each[index].macs, graph.nodes[index]
        forward = forward + macs
        if index in owners:
            backward = backward + macs
        if any(source in reached for source in node.inputs):
            backward = backward + macs
        value = each[index].activation_bytes
        activations = activations + value
        values.append(value if isinstance(value, int) else 0)
        if node.operator.counts_as_layer and index in reached:
            columns, groups = _columns(graph, index)
            largest, grouped = (largest, grouped + columns) if groups else (max(largest, columns), grouped)
    tensors = sum(one.bytes for one in graph.parameters.values())
    gradients = sum(one.bytes for one in trained)
    return TrainingCost(
        batch=batch,
        macs=(forward + backward) * batch,
        forward_macs=forward * batch,
        parameters=tensors,
        gradients=gradients,
        optimizer=gradients * STATES[optimizer],
        activations=activations * batch,
        working=(largest + grouped + 2 * max(values)) * batch,
    )


def largest_batch(cost: TrainingCost, available: int) -> int:
    """The largest batch whose step fits into ``available`` bytes; 0 if none does."""
    varying = cost.activations + cost.working
    if not isinstance(varying, int):
        return cost.batch
    each = max(1, varying // cost.batch)
    return max(0, (available - cost.fixed) // each)


def _reached(graph: Graph, trained: Sequence[Parameter]) -> set[int]:
    """The nodes whose value depends on a trained parameter: those through which a gradient flows."""
    reached = {one.node for one in trained}
    for node in graph.nodes:
        if any(source in reached for source in node.inputs):
            reached.add(node.index)
    return reached


def _columns(graph: Graph, index: int) -> tuple[int, bool]:
    """Bytes of the input of a layer, once for each point of its window, for one image; and whether it has groups.

    0 where sizes are symbolic.
    """
    node = graph.nodes[index]
    result, source = node.type, graph.nodes[node.inputs[0]].type
    weights = [one for one in graph.parameters_of(node) if len(one.shape) == 4]
    sizes = [size for size in (*result.shape[2:], source.channels) if isinstance(size, int)]
    if not weights or len(sizes) < 3:
        return 0, False
    points = prod(weights[0].shape[2:])
    return prod(sizes) * points * result.dtype.size, weights[0].shape[1] != source.channels
