"""Whether two graphs are the same network, whatever the text or tool that they come from."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from resdsl.ir.graph import Graph, Node
from resdsl.ops.concat import Concat
from resdsl.ops.identity import Identity
from resdsl.ops.join import Join


def same_network(old: Graph, new: Graph) -> bool:
    """Whether two graphs compute the same outputs from the same tensors, in any order of nodes.

    What does nothing (``identity``, ``upsample(1)``) may be left out, and concatenations be written inside others.
    """
    if (old.input_name, old.input.type) != (new.input_name, new.input.type):
        return False
    numbers: dict[Hashable, int] = {}
    return _outputs(old, numbers) == _outputs(new, numbers, complete=True)


def _outputs(
    graph: Graph, numbers: dict[Hashable, int], *, complete: bool = False
) -> tuple[dict[tuple[str, bool], int], frozenset[int]] | None:
    """A number for each output, equal for equal computations, and the numbers of all nodes but concatenations.

    With ``complete``, no new number is assigned, and the result is ``None`` if a node has none.
    """
    operators: dict[int, int] = {}
    number_of: list[int] = []
    computed: set[int] = set()
    concats = _Concats(numbers)
    for node, applied in zip(graph.nodes, graph.applications, strict=True):
        inputs = [number_of[index] for index in node.inputs]
        if isinstance(applied.canonical, Identity):
            number_of.append(inputs[0])
            continue
        if isinstance(applied.canonical, Concat):
            number_of.append(concats.number(inputs))
            continue
        operator = operators.get(id(applied))
        if operator is None:
            operator = operators[id(applied)] = numbers.setdefault(applied.canonical, len(numbers))
        if len(inputs) > 1 and commutes(node):
            inputs.sort()
        key = (operator, *inputs, node.path if applied.parameters else "")
        if complete and key not in numbers:
            return None
        number = numbers.setdefault(key, len(numbers))
        number_of.append(number)
        computed.add(number)
    return {(output.name, output.aux): number_of[output.node] for output in graph.outputs}, frozenset(computed)


class _Concats:
    """Numbers for the concatenations of a graph: equal for those of equal parts, however they are nested.

    That of ``a, b, c`` is that of ``a, b`` with ``c`` after it, so the long ones of a DenseNet take one step each.
    """

    _MOST_STEPS = 1_000_000
    """Parts that are taken out of others, in all: those of a concatenation that comes first stay where they are."""

    def __init__(self, numbers: dict[Hashable, int]) -> None:
        self._numbers = numbers
        self._ends: dict[int, tuple[int, int]] = {}
        self._left = self._MOST_STEPS

    def number(self, inputs: Sequence[int]) -> int:
        whole, *others = inputs
        for other in others:
            for part in self._parts(other):
                ends = whole, part
                whole = self._numbers.setdefault((Concat, *ends), len(self._numbers))
                self._ends[whole] = ends
        return whole

    def _parts(self, number: int) -> list[int]:
        parts = []
        while number in self._ends and self._left > 0:
            self._left -= 1
            number, part = self._ends[number]
            parts.append(part)
        return [number, *reversed(parts)]


def commutes(node: Node) -> bool:
    """Whether the order of its inputs does not matter."""
    return isinstance(node.operator, Join) and node.operator.join != "concat"
