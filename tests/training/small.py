"""A small network with what a training step has to do with, and what NumPy says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import resdsl
from resdsl.ir.graph import Graph
from resdsl.runtime.stepper import Stepper
from resdsl.training import StepOptions, TrainingStep, training_step
from resdsl.weights.values import value_of

from .oracles_in_training import answers_in_training

Array = np.ndarray

NET = """
model small(classes = 3) {
  input image: f32[N, 2, 6, 6]
  conv1: conv(4, 3x3, stride = 2);  bn1: bn;  relu
  stage layer1 { residual { conv1: conv(4, 3x3);  bn1: bn };  relu }
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
  softmax
  output probabilities
}
"""


def graph(text: str = NET) -> Graph:
    return resdsl.loads(text, name="small.res").graph


def tensors(of: Graph, seed: int = 0) -> dict[str, Array]:
    return {name: value_of(parameter, seed) for name, parameter in of.parameters.items()}


def batch(of: Graph, classes: int = 3, count: int = 5, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    shape: Any = of.input.type.shape[1:]
    return rng.standard_normal((count, *shape)).astype(np.float32), rng.integers(0, classes, count)


def stepper(of: Graph, values: Mapping[str, Array], **options: Any) -> tuple[TrainingStep, Stepper]:
    step = training_step(of, StepOptions(**options))
    made = Stepper(step, device="cpu", threads=1)
    made.load(values)
    return step, made


def loss_of(of: Graph, values: Mapping[str, Array], images: Array, rows: Array, smoothing: float = 0.0) -> float:
    """The cross entropy in float64, as PyTorch defines it for rows of probabilities."""
    wide = {name: value.astype(np.float64) for name, value in values.items()} | {"images": images.astype(np.float64)}
    node = next(output.node for output in of.outputs if output.name == "logits")
    logits = answers_in_training(of, wide, upto=node)
    logs = logits - logits.max(1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(1, keepdims=True))
    smoothed = (1 - smoothing) * rows + smoothing / rows.shape[1]
    return float(-(smoothed * logs).sum(1).mean())


def slope_of(
    of: Graph, values: Mapping[str, Array], name: str, direction: Array, images: Array, rows: Array, smoothing: float
) -> float:
    """The central difference of that loss along a direction of a tensor."""
    at = values[name].astype(np.float64)
    above, below = (
        loss_of(of, {**values, name: at + step * direction}, images, rows, smoothing) for step in (1e-5, -1e-5)
    )
    return (above - below) / 2e-5
