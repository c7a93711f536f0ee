"""Whether a module of PyTorch is a network of a specification: the same tensors, and the same numbers from them."""

from __future__ import annotations

import copy
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import nn

from resdsl.ir.dims import evaluate
from resdsl.ir.graph import Graph
from resdsl.passes.drop_aux import drop_aux
from resdsl.specification.specification import Specification
from resdsl.torch.first_difference import FirstDifference, first_difference
from resdsl.torch.modules import module
from resdsl.weights.initial import Scheme
from resdsl.weights.renaming import weights_of_blocks

TOLERANCE = 1e-4
"""The largest deviation of equal values, relative to the largest magnitude of the value. The same operators in float32
differ by up to 1e-5, by the order in which they add; an ``eps`` of 1e-3 instead of 1e-5 by 5e-4."""

_BATCH = 2
_SIZE = 64
"""Height and width of the input where they are not known, and as small an image is large enough."""


Module: TypeAlias = nn.Module
"""A module of PyTorch, for those who may not import it."""


@dataclass(frozen=True, slots=True)
class Tensors:
    """How the tensors of a module differ from those of a specification. Shapes are those of both, ours first."""

    missing: tuple[str, ...]
    unexpected: Mapping[str, tuple[int, ...]]
    reshaped: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    heads: tuple[str, ...]
    """Paths of heads for training that the module does not have, which is no difference."""

    @property
    def agree(self) -> bool:
        return not (self.missing or self.unexpected or self.reshaped)


@dataclass(frozen=True, slots=True)
class Computation:
    """What both computed from the same weights and input: ``values`` were compared, ``outputs`` of them outputs.

    ``first`` is the first that differs, by name, and ``found`` how; both are empty if none does. ``place`` is where the
    module leaves the text, if that can be seen.
    """

    values: int
    outputs: int
    deviation: float
    first: str = ""
    found: str = ""
    place: FirstDifference | None = None


def compare_tensors(graph: Graph, subject: nn.Module) -> Tensors:
    """The differences of names and shapes. The counters of batch norms are no tensors of a network."""
    theirs = {
        name: tuple(tensor.shape)
        for name, tensor in subject.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    heads = tuple(head.path for head in graph.aux_heads if not any(name.startswith(f"{head.path}.") for name in theirs))
    if heads:
        graph = drop_aux(graph)
    ours = {name: parameter.shape for name, parameter in graph.parameters.items()}
    of_blocks = weights_of_blocks(theirs, ours)
    theirs = {of_blocks.get(name, name): shape for name, shape in theirs.items()}
    return Tensors(
        tuple(name for name in ours if name not in theirs),
        {name: shape for name, shape in theirs.items() if name not in ours},
        {name: (ours[name], theirs[name]) for name in ours if name in theirs and ours[name] != theirs[name]},
        heads,
    )


def compare_computation(
    specification: Specification, subject: nn.Module, tensors: Tensors, *, seed: int
) -> Computation:
    """Run both at inference on a random input, with weights drawn from the names of the tensors.

    The weights of a module that was made just now hide differences: a norm whose weight is 0 hides all before it, one
    whose variance is 1 hides most of its ``eps``. ``subject`` is not changed.
    """
    ours = module(specification, aux=not tensors.heads, init=Scheme.ZEROS).eval()
    theirs = copy.deepcopy(subject).float().cpu().eval()
    names = [name for name in ours.state_dict() if not name.endswith("num_batches_tracked")]
    drawn = {name: _drawn(name, tuple(ours.state_dict()[name].shape), seed) for name in names}
    of_blocks = weights_of_blocks(theirs.state_dict(), drawn)
    ours.load_state_dict(drawn, strict=False)
    theirs.load_state_dict(drawn | {name: drawn[weight] for name, weight in of_blocks.items()}, strict=False)
    image = torch.randn(_input_shape(specification), generator=torch.Generator().manual_seed(seed))
    compared = _compared(ours, theirs, image)
    if not compared.first:
        return compared
    return replace(compared, place=_place(specification, theirs, tensors, drawn, image))


def _place(
    specification: Specification,
    subject: nn.Module,
    tensors: Tensors,
    drawn: Mapping[str, torch.Tensor],
    image: torch.Tensor,
) -> FirstDifference | None:
    graph = drop_aux(specification.graph) if tensors.heads else specification.graph
    paths = {node.path: node.index for node in graph.nodes[1:] if node.index in graph.inference_nodes}
    whole = module(specification, aux=not tensors.heads, init=Scheme.ZEROS, outputs=list(paths)).eval()
    whole.load_state_dict(drawn, strict=False)
    with torch.no_grad():
        values = {paths[name]: value for name, value in whole(image).items()}
    return first_difference(graph, values | {0: image}, subject, image, tolerance=TOLERANCE)


def _compared(ours: nn.Module, theirs: nn.Module, image: torch.Tensor) -> Computation:
    with torch.no_grad():
        of_ours, of_theirs = _run(ours, image), _run(theirs, image)
    worst, compared = 0.0, 0
    for name, value in of_ours.inner.items():
        if name not in of_theirs.inner:
            continue
        found = _deviation(value, of_theirs.inner[name])
        if isinstance(found, str):
            return Computation(compared, 0, worst, name, found)
        worst, compared = max(worst, found), compared + 1
    outputs = 0
    for name, value in of_theirs.outputs.items():
        # One with the same name, or else whichever it is: a module may give a part of what the text does.
        candidates = [of_ours.outputs[name]] if name in of_ours.outputs else list(of_ours.outputs.values())
        deviations = [_deviation(candidate, value) for candidate in candidates]
        numbers = [one for one in deviations if not isinstance(one, str)]
        if not numbers:
            return Computation(compared, outputs, worst, name, str(deviations[0]))
        worst, compared, outputs = max(worst, min(numbers)), compared + 1, outputs + 1
    if not outputs:
        return Computation(compared, 0, worst, "output", "is no tensor in the module")
    return Computation(compared, outputs, worst)


def _drawn(name: str, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed((seed << 32) + zlib.crc32(name.encode()))
    kind = name.rpartition(".")[2]
    if kind == "running_var":
        return torch.rand(shape, generator=random) + 0.5
    normal = torch.randn(shape, generator=random)
    if kind in ("running_mean", "bias"):
        return 0.1 * normal
    if len(shape) == 1:
        return torch.rand(shape, generator=random) / 2 + 0.5
    return normal * math.sqrt(2 / math.prod(shape[1:]))


def _input_shape(specification: Specification) -> tuple[int, ...]:
    shape = specification.graph.input.type.shape
    smallest = specification.smallest_input
    sizes = {name: max(_SIZE, smallest.get(name) or 1) for name in specification.graph.symbols}
    batch = shape[0]
    return (batch if isinstance(batch, int) else _BATCH, *(evaluate(size, sizes) for size in shape[1:]))


@dataclass(frozen=True, slots=True)
class _Values:
    inner: Mapping[str, torch.Tensor]
    outputs: Mapping[str, torch.Tensor]


def _run(model: nn.Module, image: torch.Tensor) -> _Values:
    """The outputs by name, and what each layer with tensors of its own gave, by its path, in order."""
    inner: dict[str, torch.Tensor] = {}

    def keep(path: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _given: object, result: object) -> None:
            if isinstance(result, torch.Tensor) and path not in inner:
                inner[path] = result.detach().clone()  # an activation may change it in place

        return hook

    handles = [
        layer.register_forward_hook(keep(path))
        for path, layer in model.named_modules()
        if any(True for _ in (*layer.parameters(recurse=False), *layer.buffers(recurse=False)))
    ]
    try:
        outputs = dict(_tensors("output", model(image)))
    finally:
        for handle in handles:
            handle.remove()
    return _Values(inner, outputs)


def _tensors(name: str, value: object) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in what a module returns, each with a name."""
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _tensors(str(key), item)
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        yield from _tensors(name, value._asdict())
    elif isinstance(value, tuple | list):
        for number, item in enumerate(value):
            yield from _tensors(f"{name} {number}", item)


def _deviation(ours: torch.Tensor, theirs: torch.Tensor) -> float | str:
    """The largest difference relative to the largest magnitude; a text where the two are not the same value."""
    if ours.shape != theirs.shape:
        return f"has the shape {list(ours.shape)} in the text and {list(theirs.shape)} in the module"
    largest = float(ours.abs().max()) if ours.numel() else 0.0
    distance = float((ours - theirs.float()).abs().max()) if ours.numel() else 0.0
    found = distance / largest if largest else distance
    return found if found <= TOLERANCE else f"deviates by {found:.1e} of its largest magnitude"
