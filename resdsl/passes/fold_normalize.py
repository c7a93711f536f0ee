"""Fold the normalisation of raw images into the convolution that reads them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resdsl.ir.graph import Graph, Node
from resdsl.ops.conv import Conv
from resdsl.ops.normalize_pixels import NormalizePixels
from resdsl.passes.folding import Channels, fold_before, ignores_borders
from resdsl.passes.readers import Readers
from resdsl.passes.rewrite import Rewrite

if TYPE_CHECKING:
    import numpy as np


def fold_normalize(graph: Graph) -> Graph:
    """Fold ``y = W ((x / divisor - mean) / std) + b``, where ``embed_preprocess`` put the normalisation::

        y = W' (x - divisor * mean) + b          W'[o, c] = W[o, c] / (divisor * std[c])

    Zero padding stays right: it is zero in ``x - divisor * mean`` as it was after dividing. Where the convolution pads
    nothing the mean is folded too, and the conversion from bytes is all that is left::

        y = W' x + b'                            b'[o] = b[o] - sum_{c, u, v} W[o, c, u, v] * mean[c] / std[c]

    With ``order = bgr`` the channels of ``W'`` are reversed instead of those of every image.

    Refused: a normalised image that is an output, has another reader, or is read by anything but a convolution; and
    BGR before a convolution in groups.
    """
    readers = Readers(graph)
    rewrite = Rewrite(graph)
    for node in graph.nodes:
        normalize = node.operator
        if not isinstance(normalize, NormalizePixels) or (normalize.divisor == 1 and set(normalize.std) == {1}):
            continue
        layer = readers.only(node)
        if layer is None or not isinstance(layer.operator, Conv):
            continue
        if not (normalize.reverse and layer.operator.groups > 1):
            _fold(graph, rewrite, node, normalize, layer, layer.operator)
    return rewrite.apply()


def _fold(graph: Graph, rewrite: Rewrite, node: Node, normalize: NormalizePixels, layer: Node, conv: Conv) -> None:
    _, *old_bias = graph.parameters_of(layer)
    channels = PixelMap(normalize.divisor, normalize.mean, normalize.std)
    weight, bias = fold_before(graph, layer, "fold_normalize", channels, (), reverse=normalize.reverse)
    if ignores_borders(graph, layer):
        mean = (0.0,) * len(normalize.mean)
        rewrite.replace(layer, replace(conv, bias=True), (weight, bias))
    else:
        mean = tuple(normalize.divisor * value for value in normalize.mean)
        rewrite.replace(layer, conv, (weight, *old_bias))
    if normalize.reverse:
        mean = mean[::-1]
    rewrite.replace(node, NormalizePixels(1.0, mean, (1.0,) * len(mean), reverse=False))


@dataclass(frozen=True)
class PixelMap:
    """``(x / divisor - mean) / std``: ``scale = 1 / (divisor * std)``, ``center = divisor * mean``. No operands."""

    divisor: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, *_: np.ndarray) -> Channels:
        import numpy as np  # passes are listed and printed without it

        mean, std = np.array(self.mean, np.float64), np.array(self.std, np.float64)
        return Channels(1 / (self.divisor * std), self.divisor * mean, np.zeros_like(mean))
