"""One call of a traced program while it becomes records, and the table of functions that write them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import fx

from resdsl.importer.records import AttributeValue, Element, ModelRecord, NodeRecord, TensorRecord

Operand: TypeAlias = "fx.Node | float | int | bool | None"
Shape = tuple[int | None, ...]


class Unwritable(Exception):
    """A call has no records; the text says why."""


@dataclass(slots=True)
class Records:
    """The model so far. ``names`` are the values of calls by their nodes; a call of several values has a tuple."""

    model: ModelRecord
    names: dict[fx.Node, str | tuple[str, ...]]
    constants: int = 0

    def numbers(self, numbers: Sequence[float], shape: tuple[int, ...], element: Element) -> str:
        """The name of a constant with these elements."""
        self.constants += 1
        name = f"const_{self.constants}"
        self.model.tensors[name] = TensorRecord(name, element, shape, numbers=tuple(numbers))
        return name


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an operator: ``arguments`` by the names in its schema, defaults included.

    A function of the table writes nodes, of which the last one gives the value of the call (``result``), or names the
    value that it is again (``same``). It raises ``Unwritable`` for arguments that no record expresses.
    """

    records: Records
    node: fx.Node
    arguments: Mapping[str, object]
    metadata: dict[str, str]

    def operand(self, name: str) -> Operand:
        value = self.arguments.get(name)
        if value is None or isinstance(value, fx.Node | float | int | bool):
            return value
        raise Unwritable(f"`{name}` is neither a value nor a number")

    def integers(self, name: str, count: int = 0) -> tuple[int, ...]:
        """A list of integers that are known, the only one repeated ``count`` times; empty where it is not given."""
        value = self.arguments.get(name)
        items: list[object] = [] if value is None else list(value) if isinstance(value, Sequence) else [value]
        whole = tuple(item for item in items if isinstance(item, int))
        if len(whole) < len(items):
            raise Unwritable(f"`{name}` depends on the size of the input")
        return whole * count if count and len(whole) == 1 else whole

    def integer(self, name: str) -> int:
        (value,) = self.integers(name)
        return value

    def number(self, name: str, default: float = 0.0) -> float:
        value = self.arguments.get(name)
        if value is None:
            return default
        if isinstance(value, int | float):
            return float(value)
        raise Unwritable(f"`{name}` is no number")

    def flag(self, name: str) -> bool:
        return bool(self.arguments.get(name))

    def value(self, operand: Operand) -> str:
        """The name of a value or of a number; empty for nothing."""
        if operand is None:
            return ""
        if not isinstance(operand, fx.Node):
            return self.scalar(float(operand))
        name = self.records.names.get(operand)
        if not isinstance(name, str):
            raise Unwritable("it takes several values as one, or a number that is computed from sizes")
        return name

    def input(self, name: str = "self") -> str:
        """The value of an argument; the first one of most operators is called ``self`` or ``input``."""
        if name == "self" and name not in self.arguments:
            name = "input"
        return self.value(self.operand(name))

    @property
    def shape(self) -> Shape:
        """The shape of the first argument."""
        name = "self" if "self" in self.arguments else "input"
        return shape_of(self.operand(name))

    def scalar(self, number: float) -> str:
        return self.records.numbers((number,), (), Element.FLOAT)

    def vector(self, *numbers: float) -> str:
        return self.records.numbers(numbers, (len(numbers),), Element.FLOAT)

    def whole(self, *numbers: int) -> str:
        """A constant vector of integers."""
        return self.records.numbers(numbers, (len(numbers),), Element.INT64)

    def place(self, place: int) -> str:
        """A constant integer."""
        return self.records.numbers((place,), (), Element.INT64)

    def sizes(self, sizes: object) -> str:
        """A vector of sizes, some of which may be computed from those of values."""
        assert isinstance(sizes, Sequence)
        if all(isinstance(size, int) for size in sizes):
            return self.whole(*sizes)
        parts = [self._size(size) for size in sizes]
        return self.emit("Concat", *parts, axis=0)

    def _size(self, size: object) -> str:
        """One size as a vector of one number."""
        if isinstance(size, int):
            return self.whole(size)
        if not isinstance(size, fx.Node):
            raise Unwritable("a size is no integer")
        known = self.records.names.get(size)
        if isinstance(known, str):
            return known
        if size.target is torch.ops.aten.sym_size.int:
            source, axis = size.args
            name = self.emit("Shape", self.value(source), start=axis, end=axis + 1)
        else:
            kind = _ARITHMETIC.get(getattr(size.target, "__name__", ""))
            if kind is None or len(size.args) != 2:
                raise Unwritable(f"a size is computed by `{getattr(size.target, '__name__', size.target)}`")
            name = self.emit(kind, *(self._size(one) for one in size.args))
        self.records.names[size] = name
        return name

    def emit(self, type_: str, *inputs: str, outputs: Sequence[str] = (), **attributes: AttributeValue) -> str:
        """Write a node and give the name of its value."""
        names = list(outputs) or [f"{self.node.name}:{len(self.records.model.nodes)}"]
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        self.records.model.nodes.append(
            NodeRecord(
                type_,
                name=self.metadata.get(PLACE, ""),
                inputs=list(inputs),
                outputs=names,
                attributes=attributes,
                metadata=dict(self.metadata),
            )
        )
        return names[0]

    def result(self, type_: str, *inputs: str, **attributes: AttributeValue) -> None:
        """Write the node that gives the value of this call."""
        self.records.names[self.node] = self.emit(type_, *inputs, outputs=(self.node.name,), **attributes)

    def results(self, type_: str, count: int, *inputs: str, **attributes: AttributeValue) -> None:
        """Write the node that gives all values of this call."""
        items = {user.args[1]: user.name for user in self.node.users if user.target.__class__.__name__ == _ITEM}
        names = tuple(items.get(place, f"{self.node.name}:{place}") for place in range(count))
        self.emit(type_, *inputs, outputs=names, **attributes)
        self.records.names[self.node] = names

    def same(self, name: str) -> None:
        """The value of this call is that value."""
        self.records.names[self.node] = name


PLACE = "place"
"""The entry of a record's metadata that has the path of its module."""
_ITEM = "builtin_function_or_method"
_ARITHMETIC = {"mul": "Mul", "add": "Add", "sub": "Sub", "floordiv": "Div"}

Writer = Callable[[Call], None]
WRITERS: dict[str, Writer] = {}
"""The functions that write calls, by the name of the operator in ATen."""


def writes(*names: str) -> Callable[[Writer], Writer]:
    """Register a function for these operators of ATen; one in place is the one that is not."""

    def register(function: Writer) -> Writer:
        WRITERS.update(dict.fromkeys(names, function))
        return function

    return register


def shape_of(operand: object) -> Shape:
    """The shape of a value, ``None`` for sizes that are not known. Empty for a number."""
    found = operand.meta.get("val") if isinstance(operand, fx.Node) else None
    if not isinstance(found, torch.Tensor):
        return ()
    return tuple(size if isinstance(size, int) else None for size in found.shape)


def is_whole(number: float) -> bool:
    return math.isfinite(number) and number == round(number)
