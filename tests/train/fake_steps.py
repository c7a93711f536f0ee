"""Steps without ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class FakeResult:
    loss: float
    correct: int
    gradient_norm: float
    finite: bool


class Regression:
    """Softmax regression by gradient descent with momentum; a run is interrupted after ``most`` steps."""

    def __init__(self, pixels: int, classes: int, *, most: int | None = None) -> None:
        self.most = most
        self.weight = np.zeros((pixels, classes), np.float32)
        self.momentum = np.zeros_like(self.weight)
        self.seen: list[Array] = []

    def run(self, images: Array, targets: Array, *, learning_rate: float, seed: int) -> FakeResult:
        if len(self.seen) == self.most:
            raise KeyboardInterrupt
        self.seen.append(images.copy())
        x = images.reshape(len(images), -1).astype(np.float64)
        rows = np.eye(self.weight.shape[1])[targets] if targets.ndim == 1 else targets
        logits = x @ self.weight
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        gradient = x.T @ (shares - rows) / len(x)
        # Rounded to what a checkpoint holds, so that a run that is loaded from one is the same.
        self.momentum = (0.9 * self.momentum + gradient).astype(np.float32)
        self.weight = (self.weight - learning_rate * self.momentum).astype(np.float32)
        loss = float(-(rows * np.log(shares + 1e-300)).sum() / len(x))
        correct = int((shares.argmax(axis=1) == rows.argmax(axis=1)).sum())
        norm = float(np.sqrt((gradient**2).sum()))
        return FakeResult(loss, correct, norm, bool(np.isfinite(loss)))

    def evaluate(self, images: Array) -> Array:
        logits: Array = images.reshape(len(images), -1).astype(np.float64) @ self.weight
        return logits

    def parameters(self) -> Mapping[str, Array]:
        return {"weight": self.weight}

    def optimizer_state(self) -> Mapping[str, Array]:
        return {"momentum": self.momentum}

    def load(self, parameters: Mapping[str, Array], optimizer: Mapping[str, Array]) -> None:
        self.weight = parameters["weight"]
        self.momentum = optimizer["momentum"]
