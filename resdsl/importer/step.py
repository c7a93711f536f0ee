"""One node of the file while it is read: what it takes, and the values that can be made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from resdsl.importer.derived import origin
from resdsl.importer.draft import Constant, Draft, Item, Tensor, Value, View
from resdsl.importer.layout import layout_of, permuted
from resdsl.importer.paths import is_invented, is_named_by_role
from resdsl.importer.records import NodeRecord, path_of
from resdsl.ir.dims import Dim
from resdsl.ir.operator import Operator

_INFERENCE_SINCE = 7
"""The operator set since which dropouts and batch norms are those of inference, unless they say otherwise."""


@dataclass(frozen=True, slots=True)
class Step:
    """A node, its inputs, and the draft that it is read into.

    In a node that computes each element alone, views of one layout are read as the values behind them: ``perm`` is
    that layout then, and the result gets it back.
    """

    draft: Draft
    node: NodeRecord
    inputs: tuple[Item | None, ...]
    perm: tuple[int, ...] | None = None

    @property
    def type(self) -> str:
        return self.node.type

    @property
    def opset(self) -> int:
        """The version of standard ONNX that the file is written in."""
        return self.draft.file.model.opsets.get("", 1)

    @property
    def is_training(self) -> bool:
        """Whether a dropout or a batch norm does what it does in training."""
        if self.opset < _INFERENCE_SINCE:
            return not self.node.integer("is_test")
        return bool(self.node.integer("training_mode"))

    def output(self, name: str) -> Step:
        """The step of one output of a node that has several."""
        return Step(self.draft, replace(self.node, outputs=[name]), self.inputs, self.perm)

    @property
    def path(self) -> str:
        """The path of the layer in a file of this package; else nothing."""
        return path_of(self.node)

    def can_take(self, value: Value) -> bool:
        """Whether an earlier operator can be part of this node's layer: a file of this package says where each ends."""
        return all(path_of(record) == self.path for record in value.records)

    def is_compiled(self, constant: Constant) -> bool:
        """Whether it is no tensor of the network: this package has written it for the layer."""
        return bool(self.path) and constant.name.startswith(f"{self.path}:const")

    def is_learned(self, constant: Constant) -> bool:
        """Whether it is a tensor of a module (``stages.0.gain``), not numbers that an exporter has named."""
        name = origin(constant)
        # A colon: a constant that the compiler has named (`layer1.0.scale:const0`).
        is_path = "." in name and not {"/", ":"} & set(name) and not is_invented(name)
        # Paddle's exporter writes weights as nodes, as it does numbers.
        return is_path and (name in self.draft.file.model.tensors or is_named_by_role(name))

    def of(self, record: NodeRecord) -> Step:
        """The step of another node, which has been read."""
        items = self.draft.items
        return Step(self.draft, record, tuple(items[name] if name else None for name in record.inputs))

    def rank(self, index: int) -> int | None:
        """The rank of a constant input."""
        constant = self.constant(index)
        return None if constant is None else constant.rank

    def value(self, index: int = 0) -> Value | None:
        """An input that is a value in its own layout; ``None`` for anything else."""
        item = self.inputs[index] if index < len(self.inputs) else None
        return item if isinstance(item, Value) else None

    def view(self, index: int = 0) -> View | None:
        item = self.inputs[index] if index < len(self.inputs) else None
        return item if isinstance(item, View) else None

    def constant(self, index: int) -> Constant | None:
        item = self.inputs[index] if index < len(self.inputs) else None
        return item if isinstance(item, Constant) else None

    def given(self, index: int) -> bool:
        """Whether the node has this input at all."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def scalar(self, index: int) -> float | None:
        """An input that is one known number, of any rank."""
        constant = self.constant(index)
        if constant is None or constant.items is None or len(constant.items) != 1:
            return None
        item = constant.items[0]
        return float(item) if isinstance(item, int | float) else None

    def sizes(self, index: int) -> tuple[Dim, ...] | None:
        """An input that is a known vector of integers or sizes of values."""
        constant = self.constant(index)
        if constant is None or constant.items is None or constant.rank > 1:
            return None
        return tuple(int(item) if isinstance(item, float) else item for item in constant.items)

    def integers(self, index: int) -> tuple[int, ...] | None:
        """An input that is a known vector of integers."""
        sizes = self.sizes(index)
        return None if sizes is None or not all(isinstance(size, int) for size in sizes) else sizes  # type: ignore[return-value]

    def pair(self) -> tuple[Value, Constant] | None:
        """The inputs of a commutative node of a value and a constant."""
        for one, other in ((0, 1), (1, 0)):
            value, constant = self.value(one), self.constant(other)
            if value is not None and constant is not None:
                return value, constant
        return None

    def axes(self, name: str = "axes", index: int = 1) -> tuple[int, ...] | None:
        """Axes, as an attribute (older operator sets) or as an input; ``None`` where they are not given."""
        return self.integers(index) if self.given(index) else self.node.integers(name)

    def channels(self, constant: Constant, value: Value) -> int | None:
        """As ``channel_count``, in the layout of this node."""
        return channel_count(constant, value, self.perm)

    def made(
        self,
        operator: Operator,
        *inputs: Value,
        tensors: Mapping[str, Tensor] | None = None,
        taking: tuple[Value, ...] = (),
        also: Sequence[NodeRecord] = (),
    ) -> Value | None:
        """The value of this node as an operator of the language; ``None`` where that refuses its inputs.

        ``taking`` are values of earlier nodes that the operator computes as well: nobody else may read them, and they
        are of one layer where the file says so. ``also`` are such nodes, where a pattern has made sure of that.
        """
        tensors = tensors or {}
        if any(not self.draft.only_read_once(value) or not self.can_take(value) for value in taking):
            return None
        application = self.draft.applied(operator, tuple(value.type for value in inputs))
        if application is None:
            return None
        if {spec.name: spec.shape for spec in application.parameters} != {
            name: tensor.shape for name, tensor in tensors.items()
        }:
            return None
        records = (self.node, *also, *(record for value in taking for record in value.records))
        name = self.node.outputs[0]
        value = Value(name, application.operator, inputs, application.result, tensors, records)
        self.draft.values.append(value)
        return value

    def made_in(
        self,
        place: tuple[Value, tuple[int, ...] | None] | None,
        operator: Operator,
        *,
        tensors: Mapping[str, Tensor] | None = None,
        taking: tuple[Value, ...] = (),
        also: Sequence[NodeRecord] = (),
    ) -> Value | View | None:
        """As ``made``, of a value that is seen in a layout: the result is seen in it too."""
        if place is None:
            return None
        base, perm = place
        value = self.made(operator, base, tensors=tensors, taking=taking, also=also)
        return None if value is None else seen(value, perm)

    def place(self, index: int = 0) -> tuple[Value, tuple[int, ...] | None] | None:
        """An input that is a value, and the layout that it is seen in: ``None`` for its own."""
        view = self.view(index)
        if view is not None:
            perm = view.perm
            return None if perm is None else (view.base, perm)
        value = self.value(index)
        return None if value is None else (value, None)

    def again(
        self, value: Value, operator: Operator, *inputs: Value, tensors: Mapping[str, Tensor] | None = None
    ) -> Value | None:
        """An earlier value in another form, which takes its place among the values of the draft."""
        step = Step(self.draft, NodeRecord(self.node.type, outputs=[value.name]), ())
        other = step.made(operator, *inputs, tensors=tensors)
        if other is not None:
            other.records = value.records
        return other

    def inner(
        self, operator: Operator, *inputs: Value, name: str, tensors: Mapping[str, Tensor] | None = None
    ) -> Value | None:
        """A further value that this node is made of, read only by the one that ``made`` gives."""
        step = Step(
            self.draft, NodeRecord(self.node.type, name=self.node.name, outputs=[name], metadata=self.node.metadata), ()
        )
        value = step.made(operator, *inputs, tensors=tensors)
        if value is not None:
            self.draft.uses[name] = 1
        return value


def seen(value: Value, perm: tuple[int, ...] | None) -> Value | View:
    """The value in the layout ``perm``; ``None`` is its own."""
    return value if perm is None else View(value, permuted(layout_of(value.type.shape), perm))


def channel_count(constant: Constant, value: Value, perm: tuple[int, ...] | None) -> int | None:
    """How many channels a constant has a number for, if it is repeated over everything else; else ``None``.

    In a view the axis of the channels is where the layout ``perm`` puts it.
    """
    rank = value.type.rank
    axis = perm.index(1) if perm is not None else 1
    shape = (1,) * (rank - constant.rank) + constant.shape
    if rank < 2 or len(shape) != rank or not isinstance(value.type.shape[1], int):
        return None
    if any(size != 1 for place, size in enumerate(shape) if place != axis):
        return None
    return shape[axis] if shape[axis] == value.type.shape[1] else None
