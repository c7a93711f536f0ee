"""Losses and their gradients, as nodes of a training step. Logits and targets are ``[N, classes]``."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.training.nodes import Nodes
from resdsl.training.options import StepOptions


@dataclass(frozen=True, slots=True)
class Loss:
    """The names of a loss, of its gradient by the logits and of the number of correct answers."""

    value: str
    gradient: str
    correct: str


def add_loss(nodes: Nodes, logits: str, targets: str, options: StepOptions) -> Loss:
    """The mean over the batch. ``targets`` are rows of probabilities, or of 0 and 1 for each class."""
    if options.loss == "binary":
        return _binary(nodes, logits, targets)
    return _cross_entropy(nodes, logits, targets, options.label_smoothing)


def _cross_entropy(nodes: Nodes, logits: str, targets: str, smoothing: float) -> Loss:
    """``-sum_k t[k] * log p[k]``, and ``(p * sum_k t[k] - t) / N``; ``t`` is smoothed as in PyTorch."""
    axis = nodes.integers(1)
    if smoothing:
        classes = nodes("Cast", nodes("Shape", targets, start=1, end=2), to=1)
        share = nodes("Div", nodes.number(smoothing), classes)
        smoothed = nodes("Add", nodes("Mul", targets, nodes.number(1 - smoothing)), share)
    else:
        smoothed = targets
    logs = nodes("LogSoftmax", logits, axis=1)
    batch = nodes("Cast", nodes("Shape", logits, end=1), to=1)
    total = nodes("ReduceSum", nodes("Mul", smoothed, logs), keepdims=0)
    value = nodes("Neg", nodes("Div", total, nodes("Squeeze", batch)))
    whole = nodes("ReduceSum", smoothed, axis, keepdims=1)
    excess = nodes("Sub", nodes("Mul", nodes("Exp", logs), whole), smoothed)
    best = (nodes("ArgMax", rows, axis=1, keepdims=0) for rows in (logits, targets))
    return Loss(value, nodes("Div", excess, batch), _count(nodes, nodes("Equal", *best)))


def _binary(nodes: Nodes, logits: str, targets: str) -> Loss:
    """``max(z, 0) - z * t + log(1 + exp(-|z|))``, and ``(sigmoid(z) - t) / (N * classes)``."""
    zero = nodes.number(0.0)
    elements = nodes("Cast", nodes("Size", logits), to=1)
    rest = nodes("Softplus", nodes("Neg", nodes("Abs", logits)))
    each = nodes("Add", nodes("Sub", nodes("Max", logits, zero), nodes("Mul", logits, targets)), rest)
    value = nodes("Div", nodes("ReduceSum", each, keepdims=0), elements)
    gradient = nodes("Div", nodes("Sub", nodes("Sigmoid", logits), targets), elements)
    answers = (nodes("Greater", logits, zero), nodes("Greater", targets, nodes.number(0.5)))
    return Loss(value, gradient, _count(nodes, nodes("Equal", *answers)))


def _count(nodes: Nodes, holds: str) -> str:
    return nodes("ReduceSum", nodes("Cast", holds, to=7), keepdims=0)
