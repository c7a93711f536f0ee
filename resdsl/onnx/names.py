"""The names of values in the ONNX file."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.ir.graph import Graph, Output


@dataclass(frozen=True, slots=True)
class ValueNames:
    """``of`` names the value of each node, by index; ``copies`` are outputs that need an ``Identity`` of their own.

    An ONNX value has one name, so the node behind an output takes the output's name, and a second output of the same
    node, or an output that is the input itself, is a copy.
    """

    of: tuple[str, ...]
    copies: tuple[Output, ...]


def name_values(graph: Graph) -> ValueNames:
    """Name the value of each node by the node's path, unless it is an output or that name is taken.

    Values, inputs, outputs and weights share one namespace in ONNX. A path that is also one of those becomes
    ``path:value``, which is free because labels contain no colon.
    """
    output_names: dict[int, str] = {}
    copies: list[Output] = []
    for output in graph.outputs:
        if output.node == graph.input.index or output.node in output_names:
            copies.append(output)
        else:
            output_names[output.node] = output.name

    taken = {graph.input_name, *(output.name for output in graph.outputs), *graph.parameters}
    names = [graph.input_name]
    for node in graph.nodes[1:]:
        name = output_names.get(node.index)
        if name is None:
            name = f"{node.path}:value" if node.path in taken else node.path
        names.append(name)
    return ValueNames(tuple(names), tuple(copies))
