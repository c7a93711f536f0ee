"""Which nodes of an ONNX graph make and read each value."""

from __future__ import annotations

import onnx


class Wiring:
    """A graph by the names of its values.

    ``readers`` has the nodes that read a value, each once; ``producers`` the node that makes it; ``tensors`` are the
    initializers, and ``outputs`` the names of the graph's outputs.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                self.readers.setdefault(name, []).append(node)
        self.producers = {name: node for node in graph.node for name in node.output}
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.outputs = {info.name for info in graph.output}
