"""Mean and variance of all values at initialisation: does the signal reach the end of the network?

A layer of ``n`` products with weights of variance ``s`` gives values of mean 0 and variance ``n * s * E[x^2]`` (He et
al. 2015, arXiv:1502.01852, eq. 7). A norm gives mean 0 and variance 1. An activation is integrated over the normal
distribution of its input (for ReLU, ``E[y^2] = E[x^2] / 2`` where the mean is 0, ibid., eq. 8). Branches of a sum are
taken as independent, so that residuals add their variances. Pools leave mean and variance as they are: neighbouring
pixels are taken as equal. The input is taken to have mean 0 and variance 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from resdsl.diagnostics import Diagnostic, Label, catalogue
from resdsl.ir.graph import Graph
from resdsl.ir.initializers import Constant, VarianceScaling
from resdsl.ir.operator import Moments, Operator
from resdsl.ir.types import TensorType

DEAD, EXPLODED = 1e-6, 1e6
"""Mean squares of values, from which on the signal is dead or has exploded: a thousandth and a thousand times the input
as standard deviations. Losses, gradients and steps are in proportion to it, so no usual learning rate fits."""

_POINTS = 64
"""Points of an integral over the normal distribution for each standard deviation."""

Variance = Callable[[VarianceScaling], float]
"""The variance of random weights: ``Scheme.variance``."""


def signal(graph: Graph, variance: Variance) -> tuple[Moments, ...]:
    """The moments of the value of each node, by index."""
    found: list[Moments] = []
    for node in graph.nodes:
        if node.index == 0:
            found.append(Moments(0.0, 1.0))
            continue
        weights = [(parameter.name, parameter.source) for parameter in graph.parameters_of(node) if parameter.trainable]
        inputs = [found[index] for index in node.inputs]
        types = [graph.nodes[index].type for index in node.inputs]
        found.append(_result(node.operator, inputs, types, dict(weights), variance, node.path))
    return tuple(found)


def signal_warnings(graph: Graph, variance: Variance) -> Iterator[Diagnostic]:
    """A warning at the first layer whose values are vanishingly small or huge at initialisation.

    Networks whose weights are loaded have none.
    """
    if not all(isinstance(parameter.source, Constant | VarianceScaling) for parameter in graph.parameters.values()):
        return
    moments = signal(graph, variance)
    for node in graph.nodes:
        square = moments[node.index].square
        if DEAD <= square <= EXPLODED or node.index in graph.aux_nodes:
            continue
        yield signal_warning(graph, node.index, math.sqrt(square), "by the formulas of the initialisation")
        return


def signal_warning(graph: Graph, index: int, deviation: float, source: str) -> Diagnostic:
    """The warning for a node with values of this root mean square."""
    node = graph.nodes[index]
    what = "explodes" if deviation > 1 else "dies"
    layers = graph.depths()[index]
    message = f"the signal {what} at initialisation: the values of `{node.path}` are about {deviation:.1e}"
    helps = (
        ("normalise: write `bn` after convolutions", "or scale residuals: `residual(scale = 0.1)`")
        if deviation > 1
        else ("normalise: write `bn` after convolutions", "or use the initialisation for ReLU, `he_normal`")
    )
    note = f"that is after {layers} layers with weights, {source}; the input has about 1"
    return Diagnostic(catalogue.SIGNAL, message, Label(node.span), notes=(note,), helps=helps)


def _result(
    operator: Operator,
    inputs: Sequence[Moments],
    types: Sequence[TensorType],
    weights: Mapping[str, object],
    variance: Variance,
    path: str,
) -> Moments:
    scaled = [one for one in weights.values() if isinstance(one, VarianceScaling)]
    if operator.is_norm:
        weight = weights.get(f"{path}.weight")
        gain = weight.value if isinstance(weight, Constant) else 1.0
        return Moments(0.0, gain * gain)
    if scaled:
        return Moments(0.0, scaled[0].fan_in * variance(scaled[0]) * inputs[0].square)
    if operator.of_number(0.5) is not None:
        return _through(operator, inputs[0])
    return operator.moments(inputs, types)


def _through(operator: Operator, moments: Moments) -> Moments:
    """The moments of a function of a normally distributed number."""
    deviation = math.sqrt(moments.variance)
    mean = square = 0.0
    for point, weight in _normal():
        value = operator.of_number(moments.mean + deviation * point)
        assert value is not None
        mean += weight * value
        square += weight * value * value
    return Moments(mean, max(square - mean * mean, 0.0))


@cache
def _normal() -> tuple[tuple[float, float], ...]:
    """Points of a standard normal distribution with their shares: the middles of strips of equal width up to 8."""
    points = [-8 + (place + 0.5) / _POINTS for place in range(16 * _POINTS)]
    weights = [math.exp(-point * point / 2) for point in points]
    total = sum(weights)
    return tuple((point, weight / total) for point, weight in zip(points, weights, strict=True))
