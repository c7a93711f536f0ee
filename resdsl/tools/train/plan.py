"""From what a user asks for to what a run does: the network, its classes, its images, the number of steps."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy.typing as npt

from resdsl.analysis.training import TrainingCost, largest_batch, training_cost
from resdsl.compiler.compile import prepare
from resdsl.compiler.options import CompileOptions
from resdsl.diagnostics import CompileError, Diagnostic, Option, Text, catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.diagnostics.suggest import closest
from resdsl.inputs import record_input
from resdsl.ir.graph import Graph, Node
from resdsl.ir.preprocess import Preprocess
from resdsl.ops.sigmoid import Sigmoid
from resdsl.ops.softmax import Softmax
from resdsl.runtime.images import MAX_PIXELS
from resdsl.runtime.preprocess import output_size
from resdsl.specification.load import Network, NetworkOptions, load
from resdsl.specification.specification import Specification
from resdsl.tools.train.augmentation import Augmentation
from resdsl.tools.train.batches import InputForm, Reader
from resdsl.tools.train.classes import Classes, classes_of, held_back, samples_of, without_images
from resdsl.tools.train.labelled import facts, read_both, read_labelled
from resdsl.tools.train.loop import Plan
from resdsl.tools.train.options import TrainOptions
from resdsl.tools.train.schedule import Schedule
from resdsl.version import __version__
from resdsl.weights.values import stream

Array = npt.NDArray[Any]

_DATA_SEED = 1 << 32
"""Added to the seed for the images, so that their random numbers are not those of weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a user asks for: the arguments of ``resdsl.train``."""

    network: Network
    configure: NetworkOptions = field(default_factory=NetworkOptions)
    data: str
    validation: str | None = None
    output: Path
    weights: str | None = None
    column: str | None = None
    label_column: str | None = None
    device: str = "auto"
    threads: int | None = None
    readers: int | None = None
    max_pixels: int = MAX_PIXELS
    resume: bool = False
    options: TrainOptions = field(default_factory=TrainOptions)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run before its first step.

    ``graph`` is the network with its weights matched, ``values`` are its tensors, ``preprocess`` comes with the
    weights, ``cost`` is that of a step, ``description`` what a resumed run must have too. ``warnings`` are for the
    user.
    """

    specification: Specification
    graph: Graph
    logits: Node
    values: Mapping[str, Array]
    classes: Classes
    plan: Plan
    cost: TrainingCost
    description: Mapping[str, object]
    preprocess: Preprocess | None = None
    warnings: tuple[Diagnostic, ...] = ()


def prepare_run(request: Request) -> Prepared:
    """Read the network, the names and labels of all images, and the weights.

    Raises ``CompileError`` for errors in the network and its weights, ``RunError`` for those in the data.
    """
    options = request.options
    specification = load(request.network, **request.configure)
    graph = specification.graph
    for file in specification.files:
        record_input(file)
    data, held = read_both(request.data, column=request.column, label_column=request.label_column)
    if request.validation is not None:
        held = read_labelled(request.validation, column=request.column, label_column=request.label_column)
    elif held is None:
        data, held = held_back(data, options.split, options.seed)
    name, (logits, count) = specification.source.name, _logits(graph, specification)
    parameter = _count_parameter(graph, logits)
    given = request.configure.get("set", MappingProxyType({}))
    classes = classes_of(
        data,
        name,
        graph.labels or (),
        count,
        may_change=parameter is not None and parameter not in given,
        new=options.new_labels,
    )
    if classes.count != count:
        assert parameter is not None
        specification = _with_argument(specification, parameter, classes.count)
        graph = specification.graph
        logits, _ = _logits(graph, specification)
    training = samples_of(data, classes, name)
    validation = samples_of(held, classes, name) if held is not None else None
    _require_frozen_layers(graph, options.freeze)
    if (training.targets.ndim == 2) != (options.loss == "binary") and options.loss == "binary":
        raise RunError.of(
            catalogue.TRAINING_DATA,
            f"the loss `binary` needs a row of 0 and 1 for each image, and `{data.name}` has one class for each",
            helps=("store the targets as an array [N, classes] in an .npz file", Text(Option("loss", "cross_entropy"))),
        )
    _require_loss_that_fits(graph, options.loss, name)
    with ExitStack() as files:
        compiled = prepare(
            specification,
            CompileOptions(
                weights=request.weights,
                new_head=request.weights is not None,
                labels=classes.names or None,
                init=options.init,
                seed=options.seed,
                zero_init_residual=options.zero_init_residual,
            ),
            files,
        )
        graph = _with_heads(compiled.graph, graph) if options.aux_weight else compiled.graph
        values = {
            parameter.name: value for parameter, value in stream(graph.parameters.values(), options.seed, options.init)
        }
    logits, _ = _logits(graph, specification)
    form = _input_form(graph)
    batch = min(options.batch_size, len(training) - len(training) % options.accumulate or options.accumulate)
    if batch > len(training):
        raise RunError.of(
            catalogue.TRAINING_DATA,
            f"`{data.name}` has {len(training)} images, fewer than the {options.accumulate} parts of a batch",
            helps=("add images",),
        )
    steps = len(training) // batch
    augmentation = Augmentation(options.crop, options.flip, options.mixup, options.padding, (options.least_area, 1.0))
    seed = options.seed + _DATA_SEED
    reader = Reader(training, form, classes.count, augmentation, seed, request.max_pixels)
    schedule = Schedule(
        options.peak_rate(pretrained=request.weights is not None),
        steps * options.epochs,
        options.schedule,
        round(options.warmup * steps),
        options.milestones,
    )
    plan = Plan(
        options,
        reader,
        Reader(validation, form, classes.count, max_pixels=request.max_pixels) if validation is not None else None,
        schedule,
        batch,
        steps,
        request.readers,
    )
    cost = training_cost(
        graph,
        plan.part,
        optimizer=options.optimizer,
        frozen=lambda one: is_frozen(one, options.freeze),
    )
    digest = sha256()
    for labelled in (data, held):
        for fact in facts(labelled) if labelled is not None else ():
            digest.update(len(fact).to_bytes(8, "little") + fact)
    description = {
        "resdsl": __version__,
        "network": name,
        "specification": sha256("\0".join(one.text for one in specification.program.sources).encode()).hexdigest(),
        "arguments": {key: str(value) for key, value in specification.arguments.items()},
        "weights": request.weights or "",
        "data": request.data,
        "validation": request.validation or "",
        "images": digest.hexdigest(),
        "options": asdict(options),
    }
    return Prepared(
        specification,
        graph,
        logits,
        values,
        classes,
        plan,
        cost,
        description,
        compiled.adopted.preprocess,
        without_images(training, classes),
    )


def is_frozen(parameter: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern names a parameter, or a layer or stage that it belongs to."""
    return any(fnmatchcase(parameter, pattern) for pattern in with_parts(patterns))


def with_parts(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Patterns of the tensors that these patterns of layers or tensors freeze."""
    return tuple(one for pattern in patterns for one in (pattern, f"{pattern}.*"))


def require_memory(cost: TrainingCost, available: int | None) -> None:
    """Raise ``UnavailableError`` if a step needs more than the ``available`` bytes."""
    needed = cost.bytes
    if available is None or not isinstance(needed, int) or needed <= available:
        return
    fits = largest_batch(cost, available)
    raise UnavailableError.of(
        catalogue.TRAINING_MEMORY,
        f"a step of {cost.batch} images needs about {needed / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB are "
        "available",
        notes=(
            f"values of layers {_gigabytes(cost.activations)}, working memory {_gigabytes(cost.working)}, "
            f"weights, gradients and optimizer {_gigabytes(cost.fixed)}",
        ),
        helps=(
            (
                Text(f"a batch of {fits} fits: ", Option("batch_size", fits)),
                Text(
                    "or add up the gradients of parts of a batch: ",
                    Option("accumulate", _parts(cost.batch, fits)),
                ),
            )
            if fits
            else ("use smaller images or a smaller network",)
        ),
    )


def _parts(batch: int, fits: int) -> int:
    """The smallest number of equal parts of a batch that fit."""
    return next((parts for parts in range(1, batch + 1) if batch % parts == 0 and batch // parts <= fits), batch)


def _gigabytes(count: object) -> str:
    return f"{count / 1e9:.2f} GB" if isinstance(count, int) else str(count)


def _with_heads(graph: Graph, whole: Graph) -> Graph:
    """The network with the heads that only training needs, which start from random values."""
    if not whole.aux_heads:
        return graph
    parameters = {
        name: replace(graph.parameters[name], node=own.node) if name in graph.parameters else own
        for name, own in whole.parameters.items()
    }
    return replace(whole, parameters=parameters, labels=graph.labels, preprocess=graph.preprocess)


def _logits(graph: Graph, specification: Specification) -> tuple[Node, int]:
    """The layer that gives the classes, and their number. Raises ``RunError`` for a network without classes."""
    for output in graph.outputs:
        shape = graph.nodes[output.node].type.shape
        if output.aux or len(shape) != 2 or not isinstance(shape[1], int):
            continue
        node = graph.nodes[output.node]
        while not node.operator.counts_as_layer and len(node.inputs) == 1:
            node = graph.nodes[node.inputs[0]]
        return node, shape[1]
    raise RunError.of(
        catalogue.NOT_A_CLASSIFIER,
        f"`{specification.source.name}` has no output [N, classes], so there is nothing to train",
        helps=("write `output logits` after its last layer, such as `linear(10)`",),
    )


def _require_loss_that_fits(graph: Graph, loss: str, name: str) -> None:
    """The losses are of what the softmax or the sigmoid at the end takes: the other one would be trained through."""
    (last,) = [output.node for output in graph.outputs if not output.aux][-1:]
    operator = graph.nodes[last].operator
    if isinstance(operator, Softmax if loss == "binary" else Sigmoid):
        fits, end = ("cross_entropy", "softmax") if loss == "binary" else ("binary", "sigmoid")
        raise RunError.of(
            catalogue.TRAINING_CLASSES,
            f"`{name}` ends with `{end}`, which the loss `{loss}` is not for",
            helps=(
                Text("use ", Option("loss", fits)),
                f"or end the network with `{'sigmoid' if loss == 'binary' else 'softmax'}`",
            ),
        )


def _count_parameter(graph: Graph, logits: Node) -> str | None:
    """The parameter of the model that sets the number of classes."""
    sources = graph.argument_sources.get(logits.path, {})
    return next((sources[name] for name in ("features", "channels") if name in sources), None)


def _with_argument(specification: Specification, parameter: str, count: int) -> Specification:
    return Specification(
        specification.source,
        model=specification.model,
        arguments={**specification.arguments, parameter: str(count)},
        input_shape=specification.input_shape,
        limits=specification.limits,
        read=specification.read,
    )


def _input_form(graph: Graph) -> InputForm:
    shape = graph.input.type.shape
    if len(shape) != 4 or not isinstance(shape[1], int):
        raise RunError.of(
            catalogue.NOT_A_CLASSIFIER,
            f"`{graph.name}` takes {graph.input.type}, which is not a batch of images",
            helps=("images are `f32[N, 3, 224, 224]`",),
        )
    sides = [size if isinstance(size, int) else None for size in shape[2:]]
    form = InputForm(shape[1], sides[0], sides[1], graph.preprocess)
    made = output_size(graph.preprocess) if graph.preprocess else None
    if made is not None and any(size is not None and size != given for size, given in zip(sides, made, strict=True)):
        raise CompileError.of(
            catalogue.PREPROCESS_SIZE,
            f"the preprocessing gives {made[0]} x {made[1]} pixels, and the network takes {sides[0]} x {sides[1]}",
            helps=("change the `preprocess` of the specification",),
        )
    return form


def _require_frozen_layers(graph: Graph, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        if not any(is_frozen(name, (pattern,)) for name in graph.parameters):
            layers = sorted({name.rpartition(".")[0] for name in graph.parameters})
            near = closest(pattern.rstrip(".*"), [*layers, *{name.split(".")[0] for name in layers}])
            raise RunError.of(
                catalogue.UNKNOWN_LAYER,
                f"no layer is named like `{pattern}`",
                helps=(
                    *((f"did you mean `{near}.*`?",) if near else ()),
                    f"the first layers are {', '.join(f'`{name}`' for name in layers[:5])}",
                ),
            )
    if patterns and all(is_frozen(one.name, patterns) for one in graph.parameters.values() if one.trainable):
        raise RunError.of(
            catalogue.UNKNOWN_LAYER,
            "all layers are frozen, so there is nothing to train",
            helps=("freeze fewer layers",),
        )
