"""The time of each layer of a model: ONNX Runtime's profile, by the paths of the specification."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from resdsl.files import scratch_folder
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.session import Session, open_session

if TYPE_CHECKING:
    from resdsl.onnx.outline import Outline

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Event = Mapping[str, Any]
"""A trace event in the format of Chrome and ONNX Runtime; times are in microseconds."""

Key = tuple[str, str, str, int]
"""A node: its path, operator, provider and index."""

_SUFFIX = "_kernel_time"
_WARMUPS = 2
# How ONNX Runtime changes the name of a node that it fuses or whose layout it changes. A fused node has the name of one
# of its parts.
_REWRITTEN = re.compile(
    r"^fused |/(?:MatMulAddFusion|GemmTransposeFusion)\w*$|_(?:nchwc|nhwc|quant|token_\d+)$|:(?:\d+|identity)$"
)
# The profile does not list prepacked weights among the inputs of a node.
_UNPACKED = {"session.disable_prepacking": "1"}
_CONV = re.compile(r"conv", re.IGNORECASE)
_PRODUCT = re.compile(r"gemm|matmul", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NodeTime:
    """One node of the graph as ONNX Runtime optimised it.

    ``path`` is the name of the specification's node, or of one of the nodes fused into it; ``seconds`` is the median
    over the runs; ``macs`` are those of all images of the batch.
    """

    path: str
    op: str
    provider: str
    seconds: float
    macs: int


@dataclass(frozen=True, slots=True)
class Profile:
    """The nodes in execution order, the ``seconds`` of a whole run, and the seconds ``between`` its nodes.

    All are medians over the runs. Profiling itself takes time, so a run is slower than without. ``on_gpu``: the seconds
    of a node are those of its GPU kernels, which run asynchronously.
    """

    nodes: tuple[NodeTime, ...]
    seconds: float
    between: float
    runs: int
    on_gpu: bool = False

    @property
    def macs(self) -> int:
        return sum(node.macs for node in self.nodes)


@dataclass(frozen=True, slots=True)
class LayerTime:
    """The total of the nodes below one path; ``nodes`` is their number."""

    name: str
    seconds: float
    macs: int
    ops: tuple[str, ...]
    nodes: int
    parts: tuple[LayerTime, ...] = ()


def record(
    model: Path,
    feeds: Mapping[str, Array],
    *,
    device: str | DeviceOptions = "auto",
    runs: int = 10,
    name: str | None = None,
) -> Profile:
    """Run a model on ``feeds`` and time each node. Raises ``RunError`` as ``open_session`` and ``Session.run`` do."""
    from resdsl.onnx.outline import Outline  # it imports onnx, which only profiles need

    with scratch_folder() as folder:
        prefix = folder / "profile"
        unpacked = open_session(model, device=device, name=name, profile=prefix, entries=_UNPACKED)
        executed = _macs_of_nodes(_recorded(unpacked, feeds, 1))
        macs = _attributed(executed, _macs_by_name(_unoptimized(model, feeds, device, prefix)), Outline(model))
        session = open_session(model, device=device, name=name, profile=prefix)
        return read_profile(_recorded(session, feeds, runs + _WARMUPS), macs, warmups=_WARMUPS)


def count_macs(model: Path | bytes, feeds: Mapping[str, Array], *, device: str | DeviceOptions = "auto") -> int:
    """The multiply-accumulates of one run on ``feeds``: those of convolutions and matrix products."""
    with scratch_folder() as folder:
        return sum(_macs_of_nodes(_unoptimized(model, feeds, device, folder / "profile")).values())


def _unoptimized(
    model: Path | bytes, feeds: Mapping[str, Array], device: str | DeviceOptions, prefix: Path
) -> list[dict[str, Any]]:
    """The events of a run of the graph as written.

    Only there do tensors have the sizes of the model: for the vector unit, ONNX Runtime pads channels to a multiple of
    8 or 16, and turns batch norms into convolutions.
    """
    session = open_session(model, device=device, profile=prefix, entries=_UNPACKED, optimize=False)
    return _recorded(session, feeds, 1)


def _recorded(session: Session, feeds: Mapping[str, Array], runs: int) -> list[dict[str, Any]]:
    binding = session.bind(feeds)
    for _ in range(runs):
        session.run_bound(binding)
    events: list[dict[str, Any]] = json.loads(session.end_profile().read_text(encoding="utf-8"))
    return events


def read_profile(events: Sequence[Event], macs: Mapping[Key, int], *, warmups: int = 0) -> Profile:
    """The profile in these trace events, without the first ``warmups`` runs."""
    starts = [(int(event["ts"]), int(event["dur"])) for event in events if event.get("name") == "model_run"]
    counted = sorted(starts)[warmups:]
    times: dict[Key, list[float]] = {}
    busy = [0.0] * len(counted)
    on_gpu = any(event.get("cat") == "Kernel" for event in events)
    for node, kernels in _nodes(events):
        run = next((i for i, (start, length) in enumerate(counted) if start <= node["ts"] <= start + length), None)
        if run is not None:
            taken = (sum(kernels) if on_gpu else float(node["dur"])) / 1e6
            times.setdefault(_key(node), []).append(taken)
            busy[run] += taken
    nodes = tuple(NodeTime(*key[:3], median(taken), macs.get(key, 0)) for key, taken in times.items())
    whole = [length / 1e6 for _, length in counted] or [0.0]
    between = [max(its - its_busy, 0.0) for its, its_busy in zip(whole, busy, strict=False)] or [0.0]
    return Profile(nodes, median(whole), median(between), len(counted), on_gpu)


def _macs_of_nodes(events: Sequence[Event]) -> dict[Key, int]:
    return {
        _key(node): macs_of(
            str(node["args"]["op_name"]),
            _shapes(node["args"].get("input_type_shape")),
            _shapes(node["args"].get("output_type_shape")),
        )
        for node, _ in _nodes(events)
    }


def _macs_by_name(events: Sequence[Event]) -> dict[str, int]:
    """The multiply-accumulates of the convolutions and matrix products, by the names of their nodes."""
    macs: dict[str, int] = {}
    for (path, *_), count in _macs_of_nodes(events).items():
        if count:
            macs[path] = macs.get(path, 0) + count
    return macs


def _attributed(executed: Mapping[Key, int], by_name: Mapping[str, int], outline: Outline) -> dict[Key, int]:
    """The multiply-accumulates of each executed node, from those of the model's own nodes.

    A fused node has the name of its convolution, or of a node after it: then its convolution is the nearest one before
    that node which no other executed node accounts for. A node whose name is not one of the model's keeps its own.
    """
    macs = dict(executed)
    own = {key: name for key in executed if (name := _own_name(key[0], outline)) is not None}
    free = set(by_name) - set(own.values())
    stop = {*own.values(), *by_name}
    # In execution order: if a convolution was fused with a sum, the other operand is computed before it.
    for key, name in own.items():
        if not executed[key]:
            continue
        fused: str | None = name
        if name not in by_name:
            fused = next((before for before in outline.before(name, stop=stop) if before in free), None)
        macs[key] = 0 if fused is None else by_name[fused]
        free.discard(fused or "")
    return macs


def _own_name(path: str, outline: Outline) -> str | None:
    """The model's node that an executed node is called after: by its name, or by that of its result."""
    if path in outline.names:
        return path
    # A batch norm that became a convolution is called after its result, with a suffix.
    value = outline.values.get(path) or outline.values.get(path.removesuffix("_bn"))
    return value.node or None if value else None


def _key(node: Event) -> Key:
    arguments = node["args"]
    path = _path(str(node["name"]).removesuffix(_SUFFIX))
    return path, str(arguments["op_name"]), str(arguments.get("provider", "")), int(arguments.get("node_index", 0))


def tree(profile: Profile) -> tuple[LayerTime, ...]:
    """The nodes grouped by stage and block, from their paths, in the order of their first node."""
    return tuple(
        _part(name, nodes, 1) for name, nodes in _grouped([(_steps(one.path), one) for one in profile.nodes], 0)
    )


def by_op(profile: Profile) -> tuple[LayerTime, ...]:
    """The nodes grouped by operator, the slowest first."""
    groups: dict[str, list[NodeTime]] = {}
    for node in profile.nodes:
        groups.setdefault(node.op, []).append(node)
    parts = [_sum(op, nodes) for op, nodes in groups.items()]
    return tuple(sorted(parts, key=lambda part: -part.seconds))


Stepped = tuple[tuple[str, ...], NodeTime]


def _part(name: str, nodes: Sequence[Stepped], level: int) -> LayerTime:
    whole = _sum(name, [node for _, node in nodes])
    if all(len(steps) <= level for steps, _ in nodes):
        return whole
    parts = tuple(_part(f"{name}.{step}", below, level + 1) for step, below in _grouped(nodes, level))
    return LayerTime(whole.name, whole.seconds, whole.macs, whole.ops, whole.nodes, parts)


def _grouped(nodes: Sequence[Stepped], level: int) -> list[tuple[str, list[Stepped]]]:
    groups: dict[str, list[Stepped]] = {}
    for steps, node in nodes:
        groups.setdefault(steps[level] if level < len(steps) else "(itself)", []).append((steps, node))
    return list(groups.items())


def _sum(name: str, nodes: Sequence[NodeTime]) -> LayerTime:
    ops = tuple(dict.fromkeys(node.op for node in nodes))
    return LayerTime(name, sum(node.seconds for node in nodes), sum(node.macs for node in nodes), ops, len(nodes))


def _steps(path: str) -> tuple[str, ...]:
    """The steps of ``layer1.0.conv1``, or of ``/layer1/layer1.0/conv1/Conv`` as torch exports it."""
    steps = path.strip("/").split("/") if "/" in path else path.split(".")
    return tuple(step for step in steps if step) or ("(no name)",)


def _path(name: str) -> str:
    before = None
    while name != before:
        before, name = name, _REWRITTEN.sub("", name)
    return name


def _nodes(events: Sequence[Event]) -> Iterator[tuple[Event, list[float]]]:
    """Each execution of a node with the microseconds of its GPU kernels, whose events follow it."""
    current: Event | None = None
    kernels: list[float] = []
    for event in events:
        if event.get("cat") == "Kernel":
            kernels.append(float(event["dur"]))
        elif event.get("cat") == "Node" and str(event["name"]).endswith(_SUFFIX):
            if current is not None:
                yield current, kernels
            current, kernels = event, []
    if current is not None:
        yield current, kernels


def _shapes(typed: Any) -> list[Shape]:
    """``[{"float": [1, 64, 56, 56]}, ...]`` as shapes."""
    return [tuple(shape) for one in typed or () for shape in one.values()]


def macs_of(op: str, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    """The multiply-accumulates of a node from the shapes of its tensors; 0 unless it is a convolution or product.

    A convolution takes ``|y| * C / groups * kh * kw`` with the kernel ``[M, C / groups, kh, kw]``: the first other
    input of the same rank, as a quantized one has scales and zero points between. A matrix product takes ``M K N``,
    and ``|A| |B| / |y| = K^2`` for each of its batches, whether or not a factor is transposed.
    """
    if not inputs or not outputs or not math.prod(outputs[0]):
        return 0
    first, result = inputs[0], outputs[0]
    if _CONV.search(op):
        kernel = next((shape for shape in inputs[1:] if len(shape) == len(first)), ())
        return math.prod(first if "Transpose" in op else result) * math.prod(kernel[1:]) if kernel else 0
    if _PRODUCT.search(op):
        second = next((shape for shape in inputs[1:] if len(shape) > 1), ())
        batches = math.prod(first[:-2]) * math.prod(second[:-2]) // math.prod(result[:-2])
        return math.prod(result) * math.isqrt(math.prod(first) * math.prod(second) // (math.prod(result) * batches))
    return 0
