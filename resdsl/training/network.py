"""The forward and the backward pass of a network, as nodes of a training step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from resdsl.diagnostics import CompileError, Diagnostic, Diagnostics
from resdsl.diagnostics.diagnostic import Label
from resdsl.ir.graph import Graph, Node
from resdsl.ir.operator import Gradient, Ref, Refusal, TrainingLowering
from resdsl.ir.types import DType, TensorType
from resdsl.ops.cast import ONNX_TYPES
from resdsl.training.nodes import Nodes
from resdsl.training.options import StepOptions

IMAGES, SEED = "images", "seed"


class NetworkPasses:
    """Emits ``forward``, then ``backward``.

    Computed in ``half`` are all operators but norms and those that sum exponentials or squares. Values are converted
    where they are read, and again for the backward pass, so that only one form of them is kept in memory.
    """

    def __init__(
        self, graph: Graph, nodes: Nodes, options: StepOptions, heads: Collection[int], *, of_input: bool = False
    ) -> None:
        self.options = options
        self._graph = graph
        self._of_input = of_input
        self._nodes = nodes
        self._half = options.precision == "mixed"
        self._names: dict[int, str] = {0: IMAGES}
        self._kept: dict[int, Mapping[str, str]] = {}
        self._converted: dict[tuple[str, DType], str] = {}
        self.needed = ancestors(graph, heads)
        """The nodes that are computed, the input first."""
        self.updates: dict[str, str] = {}
        """The new values of running statistics, by the names of the tensors."""

    @property
    def trained(self) -> tuple[str, ...]:
        """The names of the tensors that gradients are needed for, in the order of the graph."""
        return tuple(
            parameter.name
            for node in self.needed
            for parameter in self._graph.parameters_of(self._graph.nodes[node])
            if parameter.trainable and not self.options.freezes(parameter.name)
        )

    def name(self, node: int) -> str:
        """The value of a node in float32."""
        return self._as(self._names[node], self._dtype(self._graph.nodes[node]), DType.F32)

    def forward(self) -> None:
        for index in self.needed[1:]:
            node = self._graph.nodes[index]
            self._nodes.scope(f"{node.path}:forward")
            dtype = self._dtype(node)
            lowering = TrainingLowering(
                self._types(node, dtype), self._result(node, dtype), place=index, is_frozen=self._is_frozen(node)
            )
            with refusals_at(node):
                node.operator.lower_training(lowering)
            name = self._nodes.lowered(lowering, partial(self._outside, node, dtype, ""))
            self._names[index] = name(lowering.value or Ref("prim", len(lowering.prims) - 1))
            self._kept[index] = {key: name(ref) for key, ref in lowering.kept.items()}
            self.updates |= {f"{node.path}.{key}": name(ref) for key, ref in lowering.updates.items()}

    def backward(self, of_heads: Mapping[int, str]) -> dict[str, str]:
        """The gradients of the trained tensors by their names, from those of the heads, all in float32.

        With ``of_input`` also that of the images, as ``images``.
        """
        self._converted.clear()
        trained = set(self.trained)
        flows = self._flows(trained)
        pending: dict[int, list[str]] = defaultdict(list)
        for index, gradient in of_heads.items():
            if index in flows:
                self._nodes.scope(f"{self._graph.nodes[index].path}:loss")
                pending[index].append(self._as(gradient, DType.F32, self._dtype(self._graph.nodes[index])))
        found: dict[str, str] = {}
        for index in reversed(self.needed):
            if index == 0 or index not in pending:
                continue
            node = self._graph.nodes[index]
            self._nodes.scope(f"{node.path}:backward")
            own = {parameter.name.rpartition(".")[2] for parameter in self._graph.parameters_of(node)}
            wanted = {name for name in own if f"{node.path}.{name}" in trained}
            dtype = self._dtype(node)
            to = Gradient(
                self._types(node, dtype),
                self._result(node, dtype),
                wanted=[one in flows for one in node.inputs],
                parameters=wanted,
                is_frozen=self._is_frozen(node),
            )
            with refusals_at(node):
                node.operator.gradient(to)
            upward = self._sum(pending.pop(index))
            name = self._nodes.lowered(to, partial(self._outside, node, dtype, upward))
            for place, ref in to.of_inputs.items():
                source = node.inputs[place]
                if source in flows:
                    gradient = self._as(name(ref), dtype, self._dtype(self._graph.nodes[source]))
                    pending[source].append(gradient)
            for key, ref in to.of_parameters.items():
                found[f"{node.path}.{key}"] = self._as(name(ref), dtype, DType.F32)
        if self._of_input:
            found[IMAGES] = self._sum(pending[0])
        return found

    def _sum(self, gradients: Sequence[str]) -> str:
        total, *rest = gradients
        for gradient in rest:
            total = self._nodes("Add", total, gradient)
        return total

    def _flows(self, trained: Collection[str]) -> set[int]:
        """The nodes whose gradient is needed: a trained tensor is theirs, or of a node before them."""
        flows = {0} if self._of_input else set[int]()
        for index in self.needed:
            node = self._graph.nodes[index]
            if not flows.isdisjoint(node.inputs) or any(
                parameter.name in trained for parameter in self._graph.parameters_of(node)
            ):
                flows.add(index)
        return flows

    def _is_frozen(self, node: Node) -> bool:
        buffers = [parameter for parameter in self._graph.parameters_of(node) if not parameter.trainable]
        return bool(buffers) and all(self.options.freezes(buffer.name) for buffer in buffers)

    def _dtype(self, node: Node) -> DType:
        computed = self._half and node.index and not node.operator.needs_f32 and not node.operator.is_norm
        return DType.F16 if computed else DType.F32

    def _types(self, node: Node, dtype: DType) -> tuple[TensorType, ...]:
        return tuple(replace(one, dtype=dtype) for one in self._graph.input_types(node))

    def _result(self, node: Node, dtype: DType) -> TensorType:
        return replace(node.type, dtype=dtype)

    def _outside(self, node: Node, dtype: DType, gradient: str, ref: Ref) -> str:
        """The name of what a lowering reads from outside, in the type that it computes in."""
        if ref.kind == "input":
            source = node.inputs[ref.index]
            return self._as(self._names[source], self._dtype(self._graph.nodes[source]), dtype)
        if ref.kind == "parameter":
            return self._as(f"{node.path}.{ref.name}", DType.F32, dtype)
        if ref.kind == "kept":
            return self._kept[node.index][ref.name]
        if ref.kind == "output":
            return self._names[node.index]
        return SEED if ref.kind == "seed" else gradient

    def _as(self, name: str, dtype: DType, target: DType) -> str:
        if dtype is target:
            return name
        if (name, target) not in self._converted:
            self._converted[name, target] = self._nodes("Cast", name, to=ONNX_TYPES[target])
        return self._converted[name, target]


@contextmanager
def refusals_at(node: Node) -> Iterator[None]:
    """What an operator refuses becomes an error at its place."""
    try:
        yield
    except Refusal as refusal:
        diagnostics = Diagnostics()
        diagnostics.report(Diagnostic(refusal.code, refusal.message, Label(node.span), helps=refusal.helps))
        raise CompileError(diagnostics) from None


def ancestors(graph: Graph, heads: Collection[int]) -> tuple[int, ...]:
    """The nodes that these are computed from, and themselves, in order; the input first."""
    found = {0, *heads}
    for index in range(max(heads), 0, -1):
        if index in found:
            found.update(graph.nodes[index].inputs)
    return tuple(sorted(found))
