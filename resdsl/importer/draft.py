"""The network while it is read: values with operators where they are recognised, constants, and views of values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from resdsl.importer.layout import Layout, layout_of, permutation, permuted, shape_of
from resdsl.importer.records import NodeRecord, ValueRecord
from resdsl.importer.source import NetworkSource
from resdsl.importer.tensors import OnnxFile
from resdsl.ir.application import Application, distinct
from resdsl.ir.dims import Dim
from resdsl.ir.graph import ValueSource
from resdsl.ir.operator import Operator, Refusal
from resdsl.ir.types import DType, TensorType
from resdsl.ir.values import ArgumentMismatch
from resdsl.ops.signature import require_arguments

DTYPES = {1: DType.F32, 2: DType.U8, 7: DType.I64, 10: DType.F16, 16: DType.BF16}
"""The element types of values that operators of the language take, by their number in ONNX."""


@dataclass(eq=False, slots=True)
class Constant:
    """A value that does not depend on the input.

    ``items`` are its elements in order, where they are few and known: numbers, or sizes of values (which may be
    symbolic). ``source`` gives its numbers when weights are read; a vector of sizes has none.
    """

    name: str
    element: int
    shape: tuple[int, ...]
    items: tuple[Dim | float, ...] | None
    source: ValueSource | None

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def count(self) -> int:
        total = 1
        for size in self.shape:
            total *= size
        return total


@dataclass(frozen=True, slots=True)
class Tensor:
    """What an operator of the language owns: a tensor of its shape, and where the numbers come from.

    ``name`` is that of the file's tensor it is made of, which says where the operator belongs.
    """

    name: str
    shape: tuple[int, ...]
    source: ValueSource


@dataclass(eq=False, slots=True)
class Value:
    """The result of an operator. ``records`` are the nodes of the file that it stands for, the last one first."""

    name: str
    operator: Operator
    inputs: tuple[Value, ...]
    type: TensorType
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    records: tuple[NodeRecord, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """A value with its axes transposed, split or joined, as ``Transpose`` and ``Reshape`` give it.

    ``records`` are the nodes that do it, the last one first.
    """

    base: Value
    layout: Layout
    records: tuple[NodeRecord, ...] = ()

    @property
    def shape(self) -> tuple[Dim, ...]:
        return shape_of(self.layout)

    @property
    def perm(self) -> tuple[int, ...] | None:
        """The axes of ``base`` in the order of the view, where it has them whole."""
        return permutation(self.layout, self.base.type.shape)

    def of(self, base: Value) -> View:
        """The same view of another value: of the same shape, or with a size of 1 where this one has another."""
        if base.type.shape == self.base.type.shape:
            return View(base, self.layout, self.records)
        assert self.perm is not None
        return View(base, permuted(layout_of(base.type.shape), self.perm), self.records)


Item = Value | Constant | View


@dataclass(slots=True)
class Draft:
    """The network so far. ``items`` are the values of the file by name; ``uses`` counts their readers in the file."""

    file: NetworkSource
    uses: Counter[str]
    items: dict[str, Item] = field(default_factory=dict)
    values: list[Value] = field(default_factory=list)
    """Every value in the order of computation, also those that a later idiom made unnecessary."""
    readers: dict[str, list[NodeRecord]] = field(default_factory=dict)
    """The nodes that read each value of the file."""
    makers: dict[str, NodeRecord] = field(default_factory=dict)
    """The node that makes each value of the file."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Copies of values (``Identity``): the name of the value itself."""
    items_to_fold: int = 200_000
    """How many numbers the reader may still compute, so that a hostile file takes bounded time."""
    channels_last_input: bool = False
    """Whether the file's input is ``[N, H, W, C]``, and that of the network ``[N, C, H, W]``."""
    folded: int = 0
    """Numbers that were computed from constants and sizes."""
    types: frozenset[str] = frozenset()
    """The types of the file's nodes."""
    outputs: Mapping[str, ValueRecord] = field(default_factory=dict)
    """The outputs of the file by name."""
    given_inputs: dict[str, ValueRecord] = field(default_factory=dict)
    """The input in the shape that the user has given for it, which the file doesn't know of."""
    _inferred: Mapping[str, ValueRecord] | None = None
    _types: dict[TensorType, TensorType] = field(default_factory=dict)
    _applications: dict[Hashable, tuple[tuple[TensorType, ...], Application | None]] = field(default_factory=dict)

    def applied(self, operator: Operator, types: tuple[TensorType, ...]) -> Application | None:
        """An operator of the language applied to values of these types; ``None`` where it refuses them.

        Equal applications are one object, with one operator and one result, so that what follows compares by identity.
        """
        # By identity: hashing the symbolic shapes of each node would take longer than anything else.
        key = (distinct(operator), *map(id, types))
        known = self._applications.get(key)
        if known is None:
            # The types are kept, so that an identity stays theirs.
            known = self._applications[key] = types, self._application(operator, types)
        return known[1]

    def _application(self, operator: Operator, types: tuple[TensorType, ...]) -> Application | None:
        try:
            require_arguments(operator)
            result = operator.infer(*types)
            application = Application(operator, types, self._types.setdefault(result, result))
            _ = application.parameters
        except (Refusal, ArgumentMismatch, ValueError):
            return None
        return application

    def inferred(self, name: str) -> ValueRecord | None:
        """What ONNX's shape inference finds for a value that the file states no type of."""
        if not isinstance(self.file, OnnxFile):
            return None
        if self._inferred is None:
            from resdsl.importer.inference import infer_types  # needs the onnx library

            self._inferred = infer_types(self.file, self.given_inputs)
        return self._inferred.get(name)

    def original(self, name: str) -> str:
        """The name of the value that this one is a copy of, or its own."""
        return self.aliases.get(name, name)

    def alias(self, name: str, value: str) -> None:
        """The value ``name`` is the value ``value`` again: its readers are readers of that."""
        original = self.original(value)
        if name != original:
            self.aliases[name] = original
            self.uses[original] += self.uses[name] - 1

    def only_read_once(self, value: Value | Constant) -> bool:
        """Whether one node alone reads the value, so that an idiom may take it in."""
        return self.uses[value.name] == 1
