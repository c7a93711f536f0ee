"""Patterns of nodes: what exporters spell out in several nodes, described as an expression and matched as one.

A pattern is written inside out, as the formula that it computes::

    x = Operand("x")
    GELU = node("Mul", node("Mul", x, node("Add", node("Erf", node("Div", x, math.sqrt(2))), 1.0)), 0.5)

It is matched from its last node backwards, in the nodes of the file, whatever the values between have been read as. A
number stands for a constant of one element near it. The values between may have no readers but the pattern.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache

from resdsl.importer.draft import Constant, Draft, Item, Value, View
from resdsl.importer.numbers import near
from resdsl.importer.records import Element, NodeRecord
from resdsl.importer.step import Step
from resdsl.ir.dims import Dim

_COMMUTATIVE = frozenset(("Add", "Mul", "Max", "Min", "Sum"))

_HALF_PRECISION = (Element.FLOAT16, Element.BFLOAT16)


@dataclass(frozen=True, slots=True)
class Operand:
    """Any value; the same one wherever the name stands."""

    name: str


@dataclass(frozen=True, slots=True)
class Weight:
    """Any constant; the same one wherever the name stands."""

    name: str


@dataclass(frozen=True, eq=False, slots=True)  # Compared by identity: patterns are constants, and keys.
class NodePattern:
    """A node of one of ``types``, of standard ONNX. It may have more inputs than ``parts`` (axes, for reductions)."""

    types: tuple[str, ...]
    parts: tuple[Part, ...]
    name: str = ""


Part = Operand | Weight | NodePattern | float


def node(types: str, *parts: Part, name: str = "") -> NodePattern:
    """A node of a type, or of one of several (``"ReduceMean|GlobalAveragePool"``), with these inputs first.

    The inputs of a commutative node of two may be in either order. A node with a ``name`` can be asked for afterwards.
    """
    return NodePattern(tuple(types.split("|")), parts, name)


@dataclass(slots=True)
class Match:
    """What a pattern has been found to stand for: items of the draft by name, and nodes, the last one first."""

    draft: Draft
    items: dict[str, Item] = field(default_factory=dict)
    named: dict[str, NodeRecord] = field(default_factory=dict)
    records: tuple[NodeRecord, ...] = ()
    _names: dict[str, str] = field(default_factory=dict)

    def value(self, name: str) -> Value | None:
        """A value in its own layout."""
        item = self.items.get(name)
        return item if isinstance(item, Value) else None

    def base(self, name: str) -> tuple[Value, tuple[int, ...] | None] | None:
        """A value and the layout that the pattern sees it in; ``None`` for its own."""
        item = self.items.get(name)
        if isinstance(item, View):
            perm = item.perm
            return None if perm is None else (item.base, perm)
        return (item, None) if isinstance(item, Value) else None

    def constant(self, name: str) -> Constant | None:
        item = self.items.get(name)
        return item if isinstance(item, Constant) else None

    def number(self, name: str) -> float | None:
        """A constant of one known number."""
        constant = self.constant(name)
        return None if constant is None or constant.rank > 1 else _number(constant)

    def axes(self, name: str) -> tuple[int, ...] | None:
        """The axes of a reduction, given as an attribute or as its second input; negative ones as they stand there."""
        record = self.named[name]
        if len(record.inputs) < 2 or not record.inputs[1]:
            return record.integers("axes")
        sizes = self.sizes(name)
        return sizes if sizes is not None and all(isinstance(one, int) for one in sizes) else None  # type: ignore[return-value]

    def axes_of(self, name: str, rank: int, perm: tuple[int, ...] | None) -> set[int] | None:
        """The axes of a value of this rank, seen in the layout ``perm``, that a reduction is over and keeps."""
        axes = self.axes(name)
        if axes is None or not self.named[name].integer("keepdims", 1):
            return None
        return {axis % rank if perm is None else perm[axis % rank] for axis in axes}

    def sizes(self, name: str) -> tuple[Dim, ...] | None:
        """The second input of a node, where it is a known vector of integers or sizes of values."""
        item = self.draft.items.get(self.named[name].inputs[1])
        if not isinstance(item, Constant) or item.items is None:
            return None
        return tuple(int(one) if isinstance(one, float) else one for one in item.items)


def match(step: Step, *patterns: NodePattern) -> Match | None:
    """The first of the patterns that ends in the node of ``step``."""
    # Most files have no node of some type that a long pattern needs.
    possible = _possible(patterns, step.draft.types)
    if not possible:
        return None
    makers = {record.type for name in step.node.inputs if (record := step.draft.makers.get(step.draft.original(name)))}
    for pattern in possible:
        # Most nodes are no end of a pattern, which the nodes before them show at once.
        if any(isinstance(part, NodePattern) and makers.isdisjoint(part.types) for part in pattern.parts):
            continue
        for found in _at(step.draft, pattern, step.node, Match(step.draft)):
            if _is_closed(step.draft, found):
                return found
    return None


@lru_cache(1024)  # The patterns of an idiom, for each file that is open.
def _possible(patterns: tuple[NodePattern, ...], types: frozenset[str]) -> tuple[NodePattern, ...]:
    """The patterns all of whose nodes are of types that the file has."""
    return tuple(one for one in patterns if not any(types.isdisjoint(needed) for needed in _needed(one)))


@cache
def _needed(pattern: NodePattern) -> tuple[Collection[str], ...]:
    """The types of each node in a pattern."""
    inner = [types for part in pattern.parts if isinstance(part, NodePattern) for types in _needed(part)]
    return (pattern.types, *inner)


def _at(draft: Draft, pattern: NodePattern, record: NodeRecord, found: Match) -> Iterator[Match]:
    """The ways in which the pattern fits this node, added to what has been found so far."""
    count = len(pattern.parts)
    if record.type not in pattern.types or record.domain or len(record.inputs) < count:
        return
    extended = Match(found.draft, found.items, found.named, (*found.records, record), found._names)
    if pattern.name:
        extended.named = {**found.named, pattern.name: record}
    orders = [pattern.parts]
    if count == 2 and record.type in _COMMUTATIVE:
        orders.append(pattern.parts[::-1])
    for parts in orders:
        for whole in _inputs(draft, parts, record.inputs, extended):
            if not any(isinstance(part, float) for part in parts) or _keeps_rank(draft, record):
                yield whole


def _inputs(draft: Draft, parts: tuple[Part, ...], names: list[str], found: Match) -> Iterator[Match]:
    if not parts:
        yield found
        return
    for first in _operand(draft, parts[0], names[0], found):
        yield from _inputs(draft, parts[1:], names[1:], first)


def _operand(draft: Draft, part: Part, name: str, found: Match) -> Iterator[Match]:
    name = draft.original(name)
    item = draft.items.get(name)
    if isinstance(part, NodePattern):
        record = draft.makers.get(name)
        if record is not None and record.outputs[0] == name and not isinstance(item, Constant):
            yield from _at(draft, part, record, found)
    elif isinstance(part, Operand | Weight):
        if item is None or isinstance(item, Constant) != isinstance(part, Weight):
            return
        if part.name in found.items:
            if found._names[part.name] == name:
                yield found
            return
        items, names = {**found.items, part.name: item}, {**found._names, part.name: name}
        yield Match(draft, items, found.named, found.records, names)
    elif isinstance(item, Constant):
        number = _number(item)
        close = 1e-3 * max(1.0, abs(part)) if item.element in _HALF_PRECISION else 0.0
        if near(number, part) or (number is not None and abs(number - part) <= close):
            yield found


def _keeps_rank(draft: Draft, record: NodeRecord) -> bool:
    """Whether the constants of a node do not raise the rank of its result: TensorFlow has some as ``[1, 1, 1, 1]``."""
    items = [draft.items.get(draft.original(name)) for name in record.inputs if name]
    constants = [item.rank for item in items if isinstance(item, Constant)]
    ranks = [
        len(item.shape) if isinstance(item, View) else item.type.rank
        for item in items
        if isinstance(item, Value | View)
    ]
    return max(constants, default=0) <= max([1, *ranks])


def _number(constant: Constant) -> float | None:
    if constant.items is None or len(constant.items) != 1:
        return None
    item = constant.items[0]
    return float(item) if isinstance(item, int | float) else None


def _is_closed(draft: Draft, found: Match) -> bool:
    """Whether nobody else reads what the nodes of the pattern make, save the last one."""
    nodes = {id(record): record for record in found.records}
    if len(nodes) < len(found.records):
        # A node that the formula has twice is one node with two readers.
        found.records = tuple(nodes.values())
    reads = Counter(draft.original(name) for record in found.records for name in record.inputs if name)
    return all(
        draft.uses[record.outputs[0]] == reads[record.outputs[0]] and not any(map(draft.uses.get, record.outputs[1:]))
        for record in found.records[1:]
    )
