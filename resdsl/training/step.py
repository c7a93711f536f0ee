"""A training step as one ONNX model: forward pass, loss, gradients and update, from state to state."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from resdsl.diagnostics import CompileError, Diagnostic, catalogue
from resdsl.diagnostics.diagnostic import Label
from resdsl.files import write_file
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Graph, Node, Parameter
from resdsl.ir.operator import Lowering, Ref
from resdsl.onnx.model import model_metadata
from resdsl.ops.opaque import opaque_text
from resdsl.ops.sigmoid import Sigmoid
from resdsl.ops.softmax import Softmax
from resdsl.training.loss import Loss, add_loss
from resdsl.training.network import IMAGES, SEED, NetworkPasses, ancestors
from resdsl.training.nodes import Nodes, Port
from resdsl.training.optimizer import LEARNING_RATE, NEXT, Optimizer, StateTensor
from resdsl.training.options import StepOptions

TARGETS, LOGITS = "targets", "logits"

METADATA_KEY = "resdsl.training"


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """A training step of a network.

    ``state`` are the tensors that it takes and gives: trained parameters, running statistics, what the optimizer
    keeps. ``frozen`` are the parameters that it only takes. ``inputs`` and ``outputs`` are all that the model has, with
    those. ``classes`` is the number of columns of the targets.
    """

    name: str
    options: StepOptions
    classes: int
    state: tuple[StateTensor, ...]
    frozen: tuple[StateTensor, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    _model: bytes = field(repr=False)
    _evaluation: bytes = field(repr=False)

    def model_bytes(self) -> bytes:
        """The ONNX model."""
        return self._model

    def evaluation_bytes(self) -> bytes:
        """An ONNX model of the network at inference, from ``images`` and the parameters to ``logits``."""
        return self._evaluation

    def write(self, path: Path) -> None:
        """Write the ONNX model, whole or not at all. Raises ``OutputError``."""
        write_file(path, self._model)


def training_step(graph: Graph, options: StepOptions | None = None) -> TrainingStep:
    """The step that trains ``graph``. Raises ``CompileError`` if it cannot be trained.

    The loss is that of the value before the softmax that makes the last output (before its sigmoid with the loss
    ``binary``), of the shape ``[N, classes]`` or ``[N, classes, 1, 1]``. Images have the size that the input states.
    """
    options = options or StepOptions()
    if unknown := opaque_text(graph.nodes):
        raise CompileError.of(catalogue.NO_GRADIENT, f"`{graph.name}` cannot be trained: the language has no {unknown}")
    heads = _heads(graph, options)
    nodes = Nodes()
    passes = NetworkPasses(graph, nodes, options, [head.node for head in heads])
    trained = {name: graph.parameters[name] for name in passes.trained}
    if not trained:
        raise CompileError.of(
            catalogue.NO_GRADIENT,
            f"nothing of `{graph.name}` is trained: it has no parameters, or all are frozen",
            helps=("freeze fewer tensors",),
        )
    passes.forward()
    optimizer = Optimizer(nodes, options)
    gradients = passes.backward(_add_losses(nodes, passes, optimizer, graph, heads))
    missing = [name for name in trained if name not in gradients]
    assert not missing, missing
    optimizer.update(trained, gradients)
    for name, value in passes.updates.items():
        nodes("Identity", value, output=name + NEXT)

    used = [parameter for node in passes.needed for parameter in graph.parameters_of(graph.nodes[node])]
    tensors = [StateTensor(one.name, "float32", one.shape, "parameter") for one in used]
    changing = {*trained, *passes.updates}
    state = (*(one for one in tensors if one.name in changing), *optimizer.state)
    frozen = tuple(one for one in tensors if one.name not in changing)
    images = _images(graph)
    classes = _classes(graph.nodes[heads[0].node])
    inputs = (
        images,
        Port(TARGETS, "float32", (images.shape[0], classes)),
        Port(LEARNING_RATE, "float32", ()),
        Port(SEED, "int64", ()),
        *(Port(one.name, one.dtype, one.shape) for one in (*state, *frozen)),
    )
    outputs = (
        Port("loss", "float32", ()),
        Port("correct", "int64", ()),
        Port("gradient_norm", "float32", ()),
        Port("finite", "bool", ()),
        *(Port(one.next, one.dtype, one.shape) for one in state),
    )
    metadata = {**model_metadata(graph), METADATA_KEY: _description(state, frozen)}
    model = nodes.model(graph.name, inputs, outputs, metadata)
    evaluation = _evaluation(graph, heads[0].node, images)
    return TrainingStep(graph.name, options, classes, state, frozen, inputs, outputs, model, evaluation)


@dataclass(frozen=True, slots=True)
class _Head:
    """A node whose value are logits, and what its loss counts."""

    node: int
    weight: float


def _heads(graph: Graph, options: StepOptions) -> Sequence[_Head]:
    """The classifier, then the heads for training."""
    main = [output.node for output in graph.outputs if not output.aux][-1:]
    aux = [output.node for output in graph.outputs if output.aux] if options.aux_weight else []
    heads = [
        *(_Head(_logits(graph, node, options), 1.0) for node in main),
        *(_Head(_logits(graph, node, options), options.aux_weight) for node in aux),
    ]
    for head in heads:
        _classes(graph.nodes[head.node])
    return heads


def _logits(graph: Graph, output: int, options: StepOptions) -> int:
    """The node before the softmax or the sigmoid, which are part of the loss."""
    node = graph.nodes[output]
    is_part = isinstance(node.operator, Sigmoid if options.loss == "binary" else Softmax)
    return node.inputs[0] if is_part else output


def _classes(node: Node) -> int:
    """The number of classes of a classifier; refuses other networks."""
    shape = node.type.shape
    if len(shape) in (2, 4) and isinstance(shape[1], int) and shape[2:] in ((), (1, 1)):
        return shape[1]
    raise CompileError(
        Diagnostic(
            catalogue.NO_GRADIENT,
            f"the losses are those of classifiers, which give [N, classes], and this gives {node.type}",
            Label(node.span),
            helps=("end the network with `avgpool(global)`, `flatten` and `linear(classes)`",),
        )
    )


def _add_losses(
    nodes: Nodes, passes: NetworkPasses, optimizer: Optimizer, graph: Graph, heads: Sequence[_Head]
) -> dict[int, str]:
    """Adds the outputs ``loss`` and ``correct``; gives the gradients of the heads, of their shapes."""
    gradients: dict[int, str] = {}
    losses: list[Loss] = []
    total = ""
    for head in heads:
        nodes.scope(f"step:loss{len(losses) or ''}")
        logits, shape = passes.name(head.node), graph.nodes[head.node].type.shape
        rows = nodes("Flatten", logits, axis=1) if len(shape) == 4 else logits
        loss = add_loss(nodes, rows, TARGETS, passes.options)
        value, gradient = loss.value, optimizer.scale(loss.gradient)
        if head.weight != 1:
            value, gradient = (nodes("Mul", one, nodes.number(head.weight)) for one in (value, gradient))
        if len(shape) == 4:
            gradient = nodes("Unsqueeze", gradient, nodes.integers(2, 3))
        total = nodes("Add", total, value) if total else value
        gradients[head.node] = gradient
        losses.append(loss)
    nodes("Identity", total, output="loss")
    nodes("Identity", losses[0].correct, output="correct")
    return gradients


def _evaluation(graph: Graph, head: int, images: Port) -> bytes:
    """The network at inference, with its parameters as inputs."""
    nodes = Nodes()
    names = {0: IMAGES}
    parameters: list[Parameter] = []
    for index in ancestors(graph, [head])[1:]:
        node = graph.nodes[index]
        nodes.scope(node.path)
        lowering = Lowering(graph.input_types(node), node.type)
        node.operator.lower(lowering)

        def resolve(ref: Ref, node: Node = node) -> str:
            return names[node.inputs[ref.index]] if ref.kind == "input" else f"{node.path}.{ref.name}"

        names[index] = nodes.lowered(lowering, resolve)(Ref("prim", len(lowering.prims) - 1))
        parameters += graph.parameters_of(node)
    nodes("Flatten", names[head], axis=1, output=LOGITS)
    inputs = (images, *(Port(one.name, "float32", one.shape) for one in parameters))
    outputs = [Port(LOGITS, "float32", (images.shape[0], _classes(graph.nodes[head])))]
    return nodes.model(graph.name, inputs, outputs, model_metadata(graph))


def _images(graph: Graph) -> Port:
    def size(dim: Dim) -> int | str:
        return dim if isinstance(dim, int) else str(dim)

    return Port(IMAGES, "float32", tuple(map(size, graph.input.type.shape)))


def _description(state: Sequence[StateTensor], frozen: Sequence[StateTensor]) -> str:
    """What a program that runs the step needs to know beside the types of inputs and outputs."""
    described: Mapping[str, object] = {
        "state": {one.name: {"kind": one.kind, "initial": one.initial} for one in state},
        "frozen": [one.name for one in frozen],
    }
    return json.dumps(described, sort_keys=True)
