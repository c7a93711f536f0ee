"""How long each layer of a model takes: ONNX Runtime's profile, by the paths that the specification gave its nodes."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy.typing as npt

from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.session import Session, open_session

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Event = Mapping[str, Any]
"""An event of a trace, as Chrome's tracing and ONNX Runtime write it; times are in microseconds."""

Key = tuple[str, str, str, int]
"""A node: its path, operator and provider, and its number."""

_SUFFIX = "_kernel_time"
_WARMUPS = 2
# What ONNX Runtime makes of a node's name when it fuses the node or changes its layout. A fused node has the name of
# one of its parts.
_REWRITTEN = re.compile(
    r"^fused |/(?:MatMulAddFusion|GemmTransposeFusion)\w*$|_(?:nchwc|nhwc|quant|token_\d+)$|:(?:\d+|identity)$"
)
# Weights that were packed into another layout are told no more among a node's inputs.
_UNPACKED = {"session.disable_prepacking": "1"}
_CONV = re.compile(r"conv", re.IGNORECASE)
_PRODUCT = re.compile(r"gemm|matmul", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NodeTime:
    """One node of the graph that ONNX Runtime made of the model.

    ``path`` is the name of the specification's node, or of the last of those that were fused; ``seconds`` are the
    median over the runs; ``macs`` are those of all images of the batch.
    """

    path: str
    op: str
    provider: str
    seconds: float
    macs: int


@dataclass(frozen=True, slots=True)
class Profile:
    """The nodes in the order in which they ran, the ``seconds`` of a whole run, and those ``between`` its nodes.

    All are medians over the runs. Recording itself takes time, so that a run is slower than without. ``on_gpu``: the
    nodes' seconds are those of their kernels on the GPU, which run while the processor goes on.
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
class Part:
    """A row of the tree: what the nodes below one path take together. ``nodes`` is their number."""

    name: str
    seconds: float
    macs: int
    ops: tuple[str, ...]
    nodes: int
    parts: tuple[Part, ...] = ()


def profile(
    model: Path | bytes,
    feeds: Mapping[str, Array],
    *,
    device: str | DeviceOptions = "auto",
    runs: int = 10,
    name: str | None = None,
) -> Profile:
    """Run a model on ``feeds`` and take each node's time. Raises ``RunError`` as ``open_session`` and ``run`` do."""
    with tempfile.TemporaryDirectory() as folder:
        begin = Path(folder) / "profile"
        plain = open_session(model, device=device, name=name, profile=begin, entries=_UNPACKED)
        macs = _macs_of_nodes(_recorded(plain, feeds, 1))
        session = open_session(model, device=device, name=name, profile=begin)
        return read_profile(_recorded(session, feeds, runs + _WARMUPS), macs, warmups=_WARMUPS)


def count_macs(model: Path | bytes, feeds: Mapping[str, Array], *, device: str | DeviceOptions = "auto") -> int:
    """The multiply-accumulates of one run on ``feeds``: those of convolutions and products of matrices."""
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(model, device=device, profile=Path(folder) / "profile", entries=_UNPACKED)
        return sum(_macs_of_nodes(_recorded(session, feeds, 1)).values())


def _recorded(session: Session, feeds: Mapping[str, Array], runs: int) -> list[dict[str, Any]]:
    binding = session.bind(feeds)
    for _ in range(runs):
        session.run_bound(binding)
    events: list[dict[str, Any]] = json.loads(session.end_profile().read_text(encoding="utf-8"))
    return events


def read_profile(events: Sequence[Event], macs: Mapping[Key, int], *, warmups: int = 0) -> Profile:
    """The profile that these events of a trace describe; the first ``warmups`` runs don't count."""
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


def _key(node: Event) -> Key:
    told = node["args"]
    path = _path(str(node["name"]).removesuffix(_SUFFIX))
    return path, str(told["op_name"]), str(told.get("provider", "")), int(told.get("node_index", 0))


def tree(profile: Profile) -> tuple[Part, ...]:
    """The nodes under the stages and blocks that their paths name, in the order of their first node."""
    return tuple(
        _part(name, nodes, 1) for name, nodes in _grouped([(_steps(one.path), one) for one in profile.nodes], 0)
    )


def by_op(profile: Profile) -> tuple[Part, ...]:
    """The nodes by what they do, the slowest first."""
    groups: dict[str, list[NodeTime]] = {}
    for node in profile.nodes:
        groups.setdefault(node.op, []).append(node)
    parts = [_sum(op, nodes) for op, nodes in groups.items()]
    return tuple(sorted(parts, key=lambda part: -part.seconds))


Stepped = tuple[tuple[str, ...], NodeTime]


def _part(name: str, nodes: Sequence[Stepped], level: int) -> Part:
    whole = _sum(name, [node for _, node in nodes])
    if all(len(steps) <= level for steps, _ in nodes):
        return whole
    parts = tuple(_part(f"{name}.{step}", below, level + 1) for step, below in _grouped(nodes, level))
    return Part(whole.name, whole.seconds, whole.macs, whole.ops, whole.nodes, parts)


def _grouped(nodes: Sequence[Stepped], level: int) -> list[tuple[str, list[Stepped]]]:
    groups: dict[str, list[Stepped]] = {}
    for steps, node in nodes:
        groups.setdefault(steps[level] if level < len(steps) else "(itself)", []).append((steps, node))
    return list(groups.items())


def _sum(name: str, nodes: Sequence[NodeTime]) -> Part:
    ops = tuple(dict.fromkeys(node.op for node in nodes))
    return Part(name, sum(node.seconds for node in nodes), sum(node.macs for node in nodes), ops, len(nodes))


def _steps(path: str) -> tuple[str, ...]:
    """``layer1.0.conv1`` as its steps; so is ``/layer1/layer1.0/conv1/Conv``, as another exporter writes it."""
    steps = path.strip("/").split("/") if "/" in path else path.split(".")
    return tuple(step for step in steps if step) or ("(no name)",)


def _path(name: str) -> str:
    before = None
    while name != before:
        before, name = name, _REWRITTEN.sub("", name)
    return name


def _nodes(events: Sequence[Event]) -> Iterator[tuple[Event, list[float]]]:
    """Each execution of a node with the microseconds of its GPU kernels, which ONNX Runtime writes right after it."""
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


def _shapes(told: Any) -> list[Shape]:
    """``[{"float": [1, 64, 56, 56]}, ...]`` as shapes."""
    return [tuple(shape) for one in told or () for shape in one.values()]


def macs_of(op: str, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    """Multiply-accumulates of a node, from the shapes that it really had; 0 for all but products.

    A convolution takes ``|y| * C / groups * kh * kw``, where the kernel is ``[M, C / groups, kh, kw]``; it is the
    second input with as many dimensions as the first, for a quantized one has scales and zero points between. A product
    of matrices takes ``M K N``, and ``|A| |B| / |y| = K^2``, whichever of them is transposed, for each of its batches.
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
