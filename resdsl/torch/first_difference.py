"""Where a module of PyTorch leaves a network: the first operator of the text whose value the module never computes.

Both run on one image with the same weights. Values are paired by their numbers, not by names, so it does not matter how
the module is written: with modules, functions or methods, in place or not, with dropouts and other layers between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from resdsl.ir.graph import Graph, Node

_MOST_ARGUMENTS = 8


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """The operator of the text, and what the module computes of the same inputs instead.

    ``instead`` is an operation of PyTorch with its arguments (``gelu(approximate='none')``), ``within`` the path of the
    module that calls it; both are empty if it does nothing with them. With ``is_after`` the module has the value of
    ``node`` and all others, and does more with it.
    """

    node: Node
    instead: str = ""
    within: str = ""
    is_after: bool = False


def first_difference(
    graph: Graph, values: Mapping[int, torch.Tensor], subject: nn.Module, image: torch.Tensor, *, tolerance: float
) -> FirstDifference | None:
    """Compare ``values``, those of the text by the index of their nodes, with all that ``subject`` computes.

    ``None`` if both compute the same values. Values are equal that deviate by at most ``tolerance`` of
    their largest magnitude; their shapes may differ.
    """
    trace = _traced(subject, image)
    equal = {index: trace.equal(value, tolerance) for index, value in values.items()}
    reached = {index for index, found in equal.items() if found}
    # A value of which later ones are there need not be: modules leave out identities, and sum in another order.
    for node in reversed(graph.nodes):
        if node.index in reached:
            reached.update(node.inputs)
    for node in graph.nodes[1:]:
        if node.index in values and node.index not in reached and all(index in reached for index in node.inputs):
            return _described(node, equal, trace)
    return _after(graph, equal, trace)


def _after(graph: Graph, equal: Mapping[int, Sequence[int]], trace: _Trace) -> FirstDifference | None:
    """The first operation that leads to no value of the text, and the node whose value it reads."""
    node_of = {number: index for index, found in equal.items() for number in found}
    leads = set(node_of)
    for operation in reversed(trace.operations):
        if operation.number in leads:
            leads.update(operation.inputs)
    for operation in trace.operations:
        known = [node_of[number] for number in operation.inputs if number in node_of]
        if operation.number not in leads and known:
            return FirstDifference(graph.nodes[max(known)], operation.text, operation.within, is_after=True)
    return None


def _described(node: Node, equal: Mapping[int, Sequence[int]], trace: _Trace) -> FirstDifference:
    given = {number for index in node.inputs for number in equal.get(index, ())}
    ours = {number for found in equal.values() for number in found}
    for operation in trace.operations:
        if operation.number not in ours and given.intersection(operation.inputs):
            return FirstDifference(node, operation.text, operation.within)
    return FirstDifference(node)


@dataclass(frozen=True, slots=True)
class _Operation:
    """An operation that the module did: the numbers of those whose results it read, and its own result."""

    number: int
    text: str
    within: str
    inputs: tuple[int, ...]
    result: torch.Tensor


@dataclass(slots=True)
class _Trace:
    operations: list[_Operation] = field(default_factory=list)
    _by_size: dict[int, list[_Operation]] = field(default_factory=lambda: defaultdict(list))

    def add(self, operation: _Operation) -> None:
        self.operations.append(operation)
        self._by_size[operation.result.numel()].append(operation)

    def equal(self, value: torch.Tensor, tolerance: float) -> tuple[int, ...]:
        """The operations whose result this is."""
        largest = float(value.abs().max()) if value.numel() else 0.0
        limit = tolerance * (largest or 1.0)
        return tuple(
            operation.number
            for operation in self._by_size[value.numel()]
            if bool(((operation.result.flatten() - value.flatten()).abs() <= limit).all())
        )


class _Recorder(TorchDispatchMode):
    """Records the operations on floating-point tensors, below everything that Python code can call."""

    def __init__(self, subject: nn.Module) -> None:
        super().__init__()
        self.trace = _Trace()
        self.within: list[str] = []
        self._made_by: dict[int, int] = {}
        # An id is that of one tensor only while the tensor lives.
        self._kept: list[torch.Tensor] = []
        self._weights = {id(tensor) for tensor in (*subject.parameters(), *subject.buffers())}

    def start(self, image: torch.Tensor) -> None:
        self._record("input", (), image)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = tuple(self._tensors((args, kwargs)))
        inputs = tuple(self._made_by[id(tensor)] for tensor in given if id(tensor) in self._made_by)
        result = func(*args, **(kwargs or {}))
        if inputs:
            # What it gives first: of a norm the statistics follow, of a pool the places.
            results = [*self._tensors(result)] if isinstance(result, list) else [*self._tensors(result)][:1]
            for tensor in results:
                self._record(_text(func, args, kwargs or {}), inputs, tensor)
        return result

    def _record(self, text: str, inputs: tuple[int, ...], result: torch.Tensor) -> None:
        number = len(self.trace.operations)
        self._made_by[id(result)] = number
        self._kept.append(result)
        # It may be changed in place later.
        value = result.detach().float().clone()
        self.trace.add(_Operation(number, text, self.within[-1] if self.within else "", inputs, value))

    def _tensors(self, values: object) -> Iterator[torch.Tensor]:
        for leaf in tree_leaves(values):
            if isinstance(leaf, torch.Tensor) and leaf.is_floating_point() and id(leaf) not in self._weights:
                yield leaf


def _text(func: Any, args: Sequence[object], kwargs: Mapping[str, object]) -> str:
    """``max_pool2d(kernel_size=[3, 3], stride=[2, 2])``: the arguments that are no tensors and no defaults."""
    schema = func._schema
    name = schema.name.rpartition("::")[2].strip("_")
    parts = []
    for place, argument in enumerate(schema.arguments):
        value = args[place] if place < len(args) else kwargs.get(argument.name)
        default = argument.default_value if argument.has_default_value() else None
        if _is_setting(value) and value != default:
            parts.append(f"{argument.name}={value!r}")
    more = ", .." if len(parts) > _MOST_ARGUMENTS else ""
    return f"{name}({', '.join(parts[:_MOST_ARGUMENTS])}{more})"


def _is_setting(value: object) -> bool:
    """Whether an argument is worth showing: no tensor, and not the zeros and noes of an operation that does less."""
    if isinstance(value, list | tuple):
        return any(_is_setting(item) for item in value)
    return isinstance(value, int | float | str) and value not in (0, False)


def _traced(subject: nn.Module, image: torch.Tensor) -> _Trace:
    recorder = _Recorder(subject)
    handles = []
    for path, module in subject.named_modules():
        handles += [
            module.register_forward_pre_hook(lambda _module, _given, path=path: recorder.within.append(path)),
            module.register_forward_hook(lambda *_: _leave(recorder.within), always_call=True),
        ]
    try:
        with torch.no_grad(), recorder:
            recorder.start(image)
            subject(image)
    finally:
        for handle in handles:
            handle.remove()
    return recorder.trace


def _leave(within: list[str]) -> None:
    within.pop()
