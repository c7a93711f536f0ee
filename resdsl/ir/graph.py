"""The typed graph that a specification becomes.

Every node makes one value, so a node and its value are the same thing here, named by the node's index. Node 0 is the
input. Nodes are in the order of computation: a node's inputs have smaller indices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from resdsl.diagnostics.source import Span
from resdsl.ir.application import Application, distinct
from resdsl.ir.dims import Dim, symbols
from resdsl.ir.initializers import Initializer
from resdsl.ir.operator import Operator
from resdsl.ir.preprocess import Preprocess
from resdsl.ir.types import DType, TensorType

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Node:
    """An operator applied to values. ``path`` is its name and the prefix of its tensors' names (``layer1.0.conv1``)."""

    index: int
    operator: Operator
    inputs: tuple[int, ...]
    type: TensorType
    path: str
    span: Span = field(compare=False)


class ScopeKind(StrEnum):
    MODEL = "model"
    STAGE = "stage"
    BLOCK = "block"
    GROUP = "group"
    AUX = "aux"
    JOIN = "join"


@dataclass(slots=True)
class Scope:
    """A piece of the network as it was written: what the summary, the diff, a picture and ONNX metadata fold by.

    ``label`` is its own part of the path (empty for one that adds nothing to names), ``path`` the whole, ``callee``
    the block, model or join it is an instance of (``bottleneck``), ``arguments`` what that was called with, written
    out in full (``stride = 2``), ``children`` its scopes and node indices in order. ``input`` is the node that flows
    into it and ``output`` the one that flows out. ``given`` names the arguments that stand in the call itself; the
    others are defaults, or come from the stage around it.
    """

    kind: ScopeKind
    label: str
    path: str
    callee: str
    arguments: Mapping[str, str]
    span: Span
    children: list[Scope | int]
    input: int = 0
    output: int = 0
    given: tuple[str, ...] = field(default=(), compare=False)

    def leaves_first(self) -> Iterator[Scope]:
        """The scope and all below it, each after those in it; without recursion, however deep a text nests."""
        order = [self]
        for scope in order:
            order.extend(child for child in scope.children if isinstance(child, Scope))
        return reversed(order)

    def nodes(self) -> Iterator[int]:
        """Every node below, in order."""
        stack: list[Scope | int] = [self]
        while stack:
            item = stack.pop()
            if isinstance(item, int):
                yield item
            else:
                stack.extend(reversed(item.children))


@dataclass(frozen=True, slots=True)
class Output:
    """A graph output: the name it has outside and the node that makes it. ``aux``: whether only training needs it."""

    name: str
    node: int
    span: Span = field(compare=False)
    aux: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor in a checkpoint that is open: ``checkpoint.read(key)`` gives it."""

    checkpoint: CheckpointReader
    key: str


@dataclass(frozen=True, slots=True)
class Derived:
    """A value computed from other parameters, one tensor at a time (what folding a batch norm makes)."""

    function: DerivedFunction
    operands: tuple[Parameter, ...]


class CheckpointReader:
    """An open file of tensors. ``resdsl.weights`` has one for each format."""

    name: str

    def read(self, key: str) -> np.ndarray:
        raise NotImplementedError


class DerivedFunction:
    """A named function of arrays; the name is what the printer shows.

    With ``rowwise`` all operands have as many rows (places on the first axis) as the result, and rows of the result
    depend on the same rows of the operands alone: a large tensor need not be there as a whole.
    """

    name: str
    rowwise: bool = False

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        raise NotImplementedError


ValueSource = Initializer | Stored | Derived


@dataclass(frozen=True, slots=True)
class Parameter:
    """A tensor of weights, not yet computed: its name in a state dict, its shape, and where its values come from."""

    name: str
    shape: tuple[int, ...]
    dtype: DType
    trainable: bool
    source: ValueSource
    node: int

    @property
    def count(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.count * self.dtype.size


@dataclass(frozen=True)
class Graph:
    """A network: nodes in order, the tree of scopes, weights, outputs, and what travels with the model.

    ``preprocess`` says how an image becomes the input, ``labels`` are the names of the classes. ``argument_sources``
    names, by path of a node and by argument of its operator, the model parameter that the argument is passed through
    from unchanged: ``{"fc": {"features": "classes"}}``.

    Heads that only training needs are scopes of the kind ``AUX``. Parameters, multiply-accumulates and depth are those
    of inference, without these heads; ``parameters`` has their tensors too. Their outputs are after the others.
    """

    name: str
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    root: Scope
    parameters: Mapping[str, Parameter]
    input_name: str
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None
    argument_sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def input(self) -> Node:
        return self.nodes[0]

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of the input's shape, in order."""
        names: dict[str, None] = {}
        for dim in self.input.type.shape:
            names.update(dict.fromkeys(sorted(symbols(dim))))
        return tuple(names)

    @cached_property
    def applications(self) -> tuple[Application, ...]:
        """For each node, by index, its operator at work: what nodes that do the same have in common."""
        return tuple(_applications(self.nodes))

    def input_types(self, node: Node) -> tuple[TensorType, ...]:
        return tuple(self.nodes[index].type for index in node.inputs)

    def parameters_of(self, node: Node) -> tuple[Parameter, ...]:
        """The node's own tensors, in the order of a state dict."""
        specs = self.applications[node.index].parameters
        return tuple(self.parameters[f"{node.path}.{spec.name}"] for spec in specs)

    @cached_property
    def aux_heads(self) -> tuple[Scope, ...]:
        """The heads that only training needs. None is in another."""
        return tuple(scope for scope in self.root.leaves_first() if scope.kind is ScopeKind.AUX)

    @cached_property
    def aux_nodes(self) -> frozenset[int]:
        """The nodes of these heads. No other node reads them."""
        return frozenset(index for head in self.aux_heads for index in head.nodes())

    @property
    def inference_nodes(self) -> Sequence[int]:
        """The indices of the other nodes, without the input."""
        indices = range(1, len(self.nodes))
        return [index for index in indices if index not in self.aux_nodes] if self.aux_nodes else indices

    @property
    def parameter_count(self) -> int:
        """Trainable elements, as papers and frameworks count parameters."""
        aux = self.aux_nodes
        return sum(one.count for one in self.parameters.values() if one.trainable and one.node not in aux)

    @property
    def macs(self) -> Dim:
        """Multiply-accumulates for one image."""
        total: Dim = 0
        applications = self.applications
        if self.aux_nodes:
            applications = tuple(applications[index] for index in self.inference_nodes)
        for application, count in Counter(applications).items():
            total = total + application.macs * count
        return total

    def depths(self) -> tuple[int, ...]:
        """For each node, by index, the weighted layers on the longest path up to it, itself included."""
        return self._depths

    @cached_property
    def _depths(self) -> tuple[int, ...]:
        depths: list[int] = []
        for node in self.nodes:
            inputs = node.inputs
            before = depths[inputs[0]] if len(inputs) == 1 else max([depths[index] for index in inputs], default=0)
            depths.append(before + node.operator.counts_as_layer)
        return tuple(depths)

    @property
    def depth(self) -> int:
        """The weighted layers (convolutions and linear layers) on the longest path from the input to an output.

        ResNet-152 is called so because of it; projections in shortcuts are not on that path.
        """
        depths = self.depths()
        return max((depths[output.node] for output in self.outputs if not output.aux), default=0)


def _applications(nodes: Sequence[Node]) -> Iterable[Application]:
    """The application of each node, by index. Every node's inputs must stand before it.

    Elaborated nodes share the objects of equal operators and types, so most lookups are by identity: hashing an
    operator and symbolic shapes by value takes many times as long.
    """
    by_identity: dict[tuple[int, ...], Application] = {}
    by_value: dict[Hashable, Application] = {}
    for node in nodes:
        types = [nodes[index].type for index in node.inputs]
        # The graph holds on to all of these objects, so an identity stays theirs.
        key = (id(node.operator), id(node.type), *map(id, types))
        application = by_identity.get(key)
        if application is None:
            value = (distinct(node.operator), node.type, *types)
            application = by_value.get(value)
            if application is None:
                application = by_value[value] = Application(node.operator, tuple(types), node.type)
            by_identity[key] = application
        yield application
