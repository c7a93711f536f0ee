"""Initialisation schemes, and which tensors start at zero."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from resdsl.ir.graph import Graph, Node, Scope, ScopeKind
from resdsl.ir.initializers import ZEROS, Initializer, VarianceScaling
from resdsl.ops.add import Add
from resdsl.ops.mul import Mul
from resdsl.ops.scale import Scale


class Scheme(StrEnum):
    """The distribution of randomly initialised weights (``VarianceScaling``).

    The operator states ``fan_in`` and ``fan_out``: for a convolution with weights ``[out, in, height, width]`` they are
    ``in * height * width`` and ``out * height * width``. ``U(b)`` is uniform over ``[-b, b)``.

    - ``he_normal``: ``N(0, 2 / fan_in)`` (He et al. 2015, arXiv:1502.01852, eq. 10); used by the ResNet paper
    - ``he_normal_fan_out``: ``N(0, 2 / fan_out)`` (same, eq. 14); torchvision's for ResNets
    - ``he_uniform``: ``U(sqrt(6 / fan_in))``, which has the variance of ``he_normal``
    - ``xavier_uniform``: ``U(sqrt(6 / (fan_in + fan_out)))`` (Glorot & Bengio 2010, eq. 16)
    - ``lecun_normal``: ``N(0, 1 / fan_in)`` (LeCun et al. 1998, "Efficient BackProp", eq. 16)
    - ``zeros``: 0, for files whose values are irrelevant: they compress to almost nothing
    """

    HE_NORMAL = "he_normal"
    HE_NORMAL_FAN_OUT = "he_normal_fan_out"
    HE_UNIFORM = "he_uniform"
    XAVIER_UNIFORM = "xavier_uniform"
    LECUN_NORMAL = "lecun_normal"
    ZEROS = "zeros"

    def variance(self, initializer: VarianceScaling) -> float:
        """The variance of the values."""
        fan_in, fan_out = max(1, initializer.fan_in), max(1, initializer.fan_out)
        match self:
            case Scheme.HE_NORMAL | Scheme.HE_UNIFORM:
                return 2 / fan_in
            case Scheme.HE_NORMAL_FAN_OUT:
                return 2 / fan_out
            case Scheme.XAVIER_UNIFORM:
                return 2 / (fan_in + fan_out)
            case Scheme.LECUN_NORMAL:
                return 1 / fan_in
            case Scheme.ZEROS:
                return 0.0


def zero_init_residual(graph: Graph) -> Graph:
    """The graph with the last norm's weight of every residual's main path starting at zero.

    Each block is then the identity at first (Goyal et al. 2017, arXiv:1706.02677, section 5.1). The norm is found
    through a ``scale`` and through a gate (squeeze and excitation); other main paths and
    weights from a checkpoint are unchanged.
    """
    parameters = dict(graph.parameters)
    for residual in residuals(graph):
        norm = _last_norm(graph, graph.nodes[residual.output].inputs[0])
        if norm is None:
            continue
        for parameter in graph.parameters_of(norm):
            if parameter.name == f"{norm.path}.weight" and isinstance(parameter.source, Initializer):
                parameters[parameter.name] = replace(parameter, source=ZEROS)
    return replace(graph, parameters=parameters)


def residuals(graph: Graph) -> list[Scope]:
    """The residuals that end with a sum, in order. The first input of their output node is the main path."""
    joins: list[Scope] = []
    scopes = [graph.root]
    while scopes:
        scope = scopes.pop()
        scopes.extend(child for child in scope.children if isinstance(child, Scope))
        # A residual with `shortcut none` ends with its main path, not with a sum.
        ends_with_sum = isinstance(graph.nodes[scope.output].operator, Add)
        if scope.kind is ScopeKind.JOIN and scope.callee == "residual" and ends_with_sum:
            joins.append(scope)
    return sorted(joins, key=lambda scope: scope.output)


def _last_norm(graph: Graph, index: int) -> Node | None:
    node = graph.nodes[index]
    if node.operator.is_norm:
        return node
    # A product is zero where its first factor is.
    return _last_norm(graph, node.inputs[0]) if isinstance(node.operator, Scale | Mul) else None
