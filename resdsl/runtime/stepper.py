"""Run a training step: its state stays in the memory of the device, and each run writes the new one over the old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from resdsl.runtime.binding import StateBinding
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.session import Session, open_session

Array = npt.NDArray[Any]

_RESULTS = ("loss", "correct", "gradient_norm", "finite")


class Tensor(Protocol):
    """A tensor of the state: input ``name``, output ``next``. ``kind`` is ``parameter`` or ``optimizer``."""

    @property
    def name(self) -> str: ...
    @property
    def next(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def kind(self) -> str: ...
    @property
    def initial(self) -> float: ...


class Step(Protocol):
    """What a ``Stepper`` runs: a ``resdsl.training.TrainingStep``."""

    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> int: ...
    @property
    def state(self) -> Sequence[Tensor]: ...
    @property
    def frozen(self) -> Sequence[Tensor]: ...
    def model_bytes(self) -> bytes: ...
    def evaluation_bytes(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class StepResult:
    """One run. ``correct`` counts the images (for binary labels: the labels) that are classified as in the targets,
    before the update; ``gradient_norm`` is that of all gradients together before clipping, ``finite`` whether it is a
    number.
    """

    loss: float
    correct: int
    gradient_norm: float
    finite: bool


class Stepper:
    """A training step on a device.

    ``device`` and ``threads`` are as for ``open_session``. Raises ``UnavailableError`` if the device cannot be used.
    """

    def __init__(self, step: Step, device: str | DeviceOptions = "auto", threads: int | None = None) -> None:
        self._step = step
        self._options = (device, threads)
        # The values of a step are large, and the block of a plan is memory beside that of the first run. Without it,
        # ResNet-20 at a batch of 64 takes 204 MB instead of 390, in the same time.
        self._session = open_session(
            step.model_bytes(), device=device, threads=threads, name=f"step of {step.name}", plan_memory=False
        )
        self._binding = self._session.bind_state()
        self._evaluation: tuple[Session, StateBinding] | None = None

    @property
    def device(self) -> str:
        """The device that runs it."""
        return str(self._session.device)

    def load(self, parameters: Mapping[str, Array], optimizer_state: Mapping[str, Array] | None = None) -> None:
        """Set the state. ``parameters`` has all tensors of the network, ``optimizer_state`` is as ``optimizer_state``
        gives it; ``None`` starts anew. Raises ``KeyError`` for a missing tensor, ``ValueError`` for another shape.
        """
        kept = optimizer_state
        for tensor in (*self._step.state, *self._step.frozen):
            if tensor.kind == "parameter":
                value = parameters[tensor.name]
            elif kept is None:
                value = np.full(tensor.shape, tensor.initial)
            else:
                value = kept[tensor.name]
            if value.shape != tensor.shape:
                raise ValueError(f"{tensor.name} has the shape {list(value.shape)}, not {list(tensor.shape)}")
            self._binding.set(tensor.name, value.astype(tensor.dtype))
        for tensor in self._step.state:
            self._binding.write_over(tensor.name, tensor.next)

    def run(self, images: Array, targets: Array, *, learning_rate: float, seed: int = 0) -> StepResult:
        """One step. ``images`` is float32 ``[N, C, H, W]``, ``targets`` int64 class indices ``[N]`` or float32
        ``[N, classes]``. Raises ``RunError`` if ONNX Runtime fails.
        """
        feeds = {
            "images": np.ascontiguousarray(images, np.float32),
            "targets": self._rows(targets),
            "learning_rate": np.array(learning_rate, np.float32),
            "seed": np.array(seed % 2**31, np.int64),
        }
        loss, correct, norm, finite = self._session.run_state(self._binding, feeds, _RESULTS)
        return StepResult(float(loss), int(correct), float(norm), bool(finite))

    def _rows(self, targets: Array) -> Array:
        if targets.ndim == 2:
            return np.ascontiguousarray(targets, np.float32)
        rows = np.zeros((len(targets), self._step.classes), np.float32)
        rows[np.arange(len(targets)), targets] = 1
        return rows

    def parameters(self) -> dict[str, Array]:
        """Copies of all tensors of the network, also of the frozen ones and of running statistics."""
        return self._values("parameter")

    def optimizer_state(self) -> dict[str, Array]:
        """Copies of what the optimizer keeps."""
        return self._values("optimizer")

    def _values(self, kind: str) -> dict[str, Array]:
        tensors = (*self._step.state, *self._step.frozen)
        return {one.name: self._binding.array(one.name) for one in tensors if one.kind == kind}

    def evaluate(self, images: Array) -> Array:
        """The logits ``[N, classes]`` of the network at inference, with the current parameters."""
        if self._evaluation is None:
            device, threads = self._options
            session = open_session(
                self._step.evaluation_bytes(), device=device, threads=threads, name=f"the network {self._step.name}"
            )
            self._evaluation = session, session.bind_state()
        session, binding = self._evaluation
        for port in session.inputs:
            if port.name != "images":
                binding.share(port.name, self._binding.value(port.name))
        (logits,) = session.run_state(binding, {"images": np.ascontiguousarray(images, np.float32)}, ("logits",))
        return logits
