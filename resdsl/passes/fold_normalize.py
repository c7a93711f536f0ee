"""Fold the normalisation of raw images into the convolution that reads them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resdsl.ir.graph import Graph
from resdsl.ir.operator import Operator
from resdsl.ops.conv import Conv
from resdsl.ops.normalize_pixels import NormalizePixels
from resdsl.passes.input_scaling import scaled, shifted, takes_a_shift
from resdsl.passes.readers import Readers
from resdsl.passes.rebuild import Changes, rebuild

if TYPE_CHECKING:
    import numpy as np

_NAME = "fold_normalize"


def fold_normalize(graph: Graph) -> Graph:
    """Make of ``y = W * ((x / divisor - mean) / std) + b``, which ``--embed-preprocess`` puts before a network::

        y = W' * (x - divisor * mean) + b          W'[o, c] = W[o, c] / (divisor * std[c])

    Zero padding stays what it is: what it adds is zero in ``x - divisor * mean`` as it was after dividing. Where the
    convolution pads nothing the mean goes as well, and bytes are all that is left to convert::

        y = W' * x + b'                            b'[o] = b[o] - sum_{c, u, v} W[o, c, u, v] * mean[c] / std[c]

    With ``order = bgr`` the channels of ``W'`` are turned around instead of those of every image.

    Refused: a normalised image that something else reads too or that is an output, that anything but a convolution
    reads, and BGR before a convolution in groups.
    """
    readers = Readers(graph)
    for node in graph.nodes:
        layer = readers.only(node) if isinstance(node.operator, NormalizePixels) else None
        if layer is None or not isinstance(layer.operator, Conv):
            continue
        assert isinstance(node.operator, NormalizePixels)
        if node.operator.reverse and layer.operator.groups > 1:
            continue
        if node.operator.divisor == 1 and set(node.operator.std) == {1}:
            continue
        return rebuild(graph, _folded(graph, node.index, node.operator, layer.index, layer.operator))
    return graph


def _folded(graph: Graph, index: int, normalize: NormalizePixels, place: int, conv: Conv) -> Changes:
    layer = graph.nodes[place]
    channels = PixelsOfChannels(normalize.divisor, normalize.mean, normalize.std)
    _, *bias = graph.parameters_of(layer)
    operators: dict[int, Operator] = {}
    mean = tuple(normalize.divisor * value for value in normalize.mean)
    if takes_a_shift(graph, layer):
        mean = (0.0,) * len(mean)
        bias = [shifted(graph, layer, _NAME, channels, ())]
        operators[place] = replace(conv, bias=True)
    else:
        operators[place] = conv
    if normalize.reverse:
        mean = mean[::-1]
    operators[index] = replace(normalize, divisor=1.0, mean=mean, std=(1.0,) * len(mean), reverse=False)
    weight = scaled(graph, layer, _NAME, channels, (), reverse=normalize.reverse)
    return Changes({}, operators, {place: (weight, *bias)})


@dataclass(frozen=True)
class PixelsOfChannels:
    """Normalisation as ``scale = 1 / (divisor * std)`` and ``shift = -mean / std``; it has no operands."""

    divisor: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np  # passes are listed and printed without it

        std = np.array(self.std, np.float64)
        return 1 / (self.divisor * std), -np.array(self.mean, np.float64) / std
