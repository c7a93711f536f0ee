"""The mean square of the values of all layers in training mode, for one batch: does the signal reach the end?"""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.ir.graph import Graph
from resdsl.training.network import IMAGES, SEED, NetworkPasses, ancestors
from resdsl.training.nodes import Nodes, Port
from resdsl.training.options import StepOptions

SQUARES = "squares"


@dataclass(frozen=True, slots=True)
class Responses:
    """An ONNX model from ``images`` ``[N, C, H, W]``, ``seed`` and ``parameters`` to ``squares``, one number for each
    of ``nodes``, in order; the first one is of the images.
    """

    model: bytes
    parameters: tuple[str, ...]
    nodes: tuple[int, ...]


def responses(graph: Graph, head: int) -> Responses:
    """The model for all nodes that ``head`` is computed from."""
    nodes = Nodes()
    passes = NetworkPasses(graph, nodes, StepOptions(), [head])
    passes.forward()
    squares = []
    order = tuple(ancestors(graph, [head]))
    for index in order:
        value = passes.name(index)
        nodes.scope(f"{graph.nodes[index].path or IMAGES}:response")
        square = nodes("ReduceMean", nodes("Mul", value, value), keepdims=0)
        squares.append(nodes("Unsqueeze", square, nodes.integers(0)))
    nodes("Concat", *squares, output=SQUARES, axis=0)
    parameters = [one for index in order for one in graph.parameters_of(graph.nodes[index])]
    # Statistics of a batch are its own: what no node reads is no input.
    shape = tuple(size if isinstance(size, int) else str(size) for size in graph.input.type.shape)
    inputs = (
        Port(IMAGES, "float32", shape),
        Port(SEED, "int64", ()),
        *(Port(one.name, "float32", one.shape) for one in parameters),
    )
    model = nodes.model(graph.name, inputs, (Port(SQUARES, "float32", (len(order),)),), {})
    return Responses(model, tuple(one.name for one in parameters), order)
