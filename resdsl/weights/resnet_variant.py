"""ResNet v1 and v1.5: two networks with the same tensors and different results.

In a bottleneck that halves the resolution, the stride is in the first 1x1 convolution (He et al. 2015; Caffe, Keras,
Gluon's ``v1``: *v1*) or in the 3x3 (torchvision, timm, NVIDIA: *v1.5*). Weights of one load into the other without an
error, and accuracy is then poor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from resdsl.diagnostics import Diagnostic, Diagnostics, catalogue
from resdsl.ir import metadata
from resdsl.ir.graph import Graph, Scope
from resdsl.ir.types import Size
from resdsl.ops.conv import Conv
from resdsl.weights.checkpoint import Checkpoint
from resdsl.weights.initial import residuals


class Variant(StrEnum):
    """Which convolution of a bottleneck has the stride."""

    V1 = "v1"
    V1_5 = "v1.5"

    @property
    def convolution(self) -> str:
        return "first 1x1 convolution (`conv1`)" if self is Variant.V1 else "3x3 convolution (`conv2`)"

    @property
    def argument(self) -> str:
        return "stride_in = conv1" if self is Variant.V1 else "stride_in = conv2"


@dataclass(frozen=True, slots=True)
class Hint:
    """The variant that a checkpoint names, and where it does."""

    variant: Variant
    because: str


def variant_of(graph: Graph) -> Variant | None:
    """The variant of a network of bottlenecks, from its structure; ``None`` if it has both or neither."""
    variants = {_placement(_main_path(graph, scope)) for scope in residuals(graph)} - {None}
    return variants.pop() if len(variants) == 1 else None


def _main_path(graph: Graph, residual: Scope) -> list[Conv]:
    """The convolutions of a residual's main path, in order, without those in gates."""
    path: list[Conv] = []
    index = graph.nodes[residual.output].inputs[0]
    while index > residual.input:
        node = graph.nodes[index]
        if isinstance(node.operator, Conv):
            path.append(node.operator)
        index = node.inputs[0]
    return path[::-1]


def _placement(path: list[Conv]) -> Variant | None:
    one, three = Size(1, 1), Size(3, 3)
    if [conv.kernel for conv in path] != [one, three, one]:
        return None
    strided = [conv.stride != one for conv in path]
    if strided == [True, False, False]:
        return Variant.V1
    return Variant.V1_5 if strided == [False, True, False] else None


_NET = r"(?<![a-z])(?:wide[_-]?)?resn(?:et|ext)[_-]?\d+(?:_\d+x\d+d|_2)?"

_HINTS = (
    (Variant.V1_5, r"(?<![a-z0-9])v1[._]5(?!\d)"),
    # Gluon's v1b, v1c, v1d and v1s all have the stride in the 3x3.
    (Variant.V1_5, rf"{_NET}[_-]?v1[bcds](?![a-z0-9])"),
    # Before torchvision's hashes: others append hashes too.
    (Variant.V1, r"(?<![a-z0-9])(?:caffe2?|msra|keras|matterport)(?![a-z0-9])"),
    # A name of torchvision's enumeration of weights, not a variant.
    (Variant.V1_5, r"imagenet1k_v[12](?!\d)"),
    (Variant.V1_5, r"(?<![a-z0-9])torchvision(?![a-z0-9])"),
    # timm: the architecture, a dot, how it was trained.
    (Variant.V1_5, rf"{_NET}\.[a-z0-9_]*in\d+k?(?![a-z0-9])"),
    (Variant.V1_5, r"(?<![a-z0-9])(?:tv2?|a[123]h?)_in1k(?![a-z0-9])"),
    (Variant.V1, rf"{_NET}[_-]?v1(?![a-z0-9]|[._]5)"),
    (Variant.V1_5, rf"{_NET}-[0-9a-f]{{8}}(?![a-z0-9])"),
)
"""How publishers name their weights; the first match decides."""

_KEYS = ("architecture", "arch", "source", "url", "model", "model_name", "name")


def hint_of(checkpoint: Checkpoint) -> Hint | None:
    """The variant named by a checkpoint's metadata or file name, if any."""
    stated = metadata.VARIANT.find(checkpoint.metadata)
    if stated in list(Variant):
        return Hint(Variant(stated), f"`{stated}` in its metadata (`{metadata.VARIANT.key}`)")
    for key in _KEYS:
        text = checkpoint.metadata.get(key, "")
        if hint := _named_variant(text):
            return Hint(hint[0], f"`{hint[1]}` in its metadata (`{key}`)")
    if hint := _named_variant(checkpoint.name):
        return Hint(hint[0], f"`{hint[1]}` in its name")
    return None


def _named_variant(text: str) -> tuple[Variant, str] | None:
    lower = text[:1000].lower()
    for variant, pattern in _HINTS:
        if match := re.search(pattern, lower):
            return variant, match.group()
    return None


def check_variant(graph: Graph, checkpoint: Checkpoint, diagnostics: Diagnostics) -> None:
    """Warn if the weights are of the other variant than the network."""
    ours, hint = variant_of(graph), hint_of(checkpoint)
    if ours is None or hint is None or hint.variant is ours:
        return
    theirs = hint.variant
    diagnostics.report(
        Diagnostic(
            catalogue.VARIANT,
            f"`{checkpoint.name}` looks like weights of a {theirs} ResNet, and this network is {ours}: all tensors fit,"
            " and the results will be wrong",
            notes=(
                f"the weights look like {theirs} because of {hint.because}",
                f"the stride of a bottleneck is in the {theirs.convolution} in {theirs}, in the {ours.convolution} in"
                f" {ours}",
            ),
            helps=(f"call the bottlenecks with `{theirs.argument}`, or use weights that were trained as {ours}",),
        )
    )
