"""The error of this CPU's int8 kernels, layer by layer, apart from the error of quantization.

A layer runs alone on the same bytes twice: with ONNX Runtime's int8 kernels, and operator by operator as the graph is
written. Nothing before the layer can differ, so the difference is that of its kernel: at most one step where a result
lies between two integers, more if sums saturate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.onnx.qdq import Kernel, QdqModel, Unit, saturating_kernel
from resdsl.runtime.session import Session, open_session
from resdsl.tools.quantize.agreement import Distance
from resdsl.tools.quantize.fit import Feeds, is_depthwise, matrix
from resdsl.tools.quantize.rounding import kernel_order, pairs_beyond

Array = npt.NDArray[Any]

_LEVELS = 255


@dataclass(frozen=True, slots=True)
class KernelError:
    """The signal-to-noise ratio of a layer's kernel, and its largest difference in steps of 1/255 of the range."""

    decibels: float
    steps: float


def kernel_errors(model: QdqModel, feeds: Sequence[Feeds]) -> dict[str, KernelError]:
    """The error of each quantized layer's kernel on the images ``feeds``, by the name of its node."""
    kernels = {kernel.name: kernel for kernel in model.kernels()}
    wanted = list(dict.fromkeys(kernel.reads for kernel in kernels.values()))
    if not wanted:
        return {}
    whole = open_session(model.exposing(wanted), device="cpu", name="the quantized model", optimize=False)
    inputs = [whole.run(dict(feed), wanted) for feed in feeds]
    return {name: _compare(kernel, [one[kernel.reads] for one in inputs]) for name, kernel in kernels.items()}


def kernels_saturate() -> bool:
    """Whether this CPU's kernels saturate sums of two products, measured with the largest products."""
    largest = np.full((1, 16, 8, 8), 255, np.uint8)
    return _compare(saturating_kernel(), [largest]).steps > 1


def layers_beyond(model: QdqModel) -> tuple[str, ...]:
    """The layers in which the sum of two products can leave 16 bits: those with a pair of weights beyond the bound."""
    return tuple(unit.name for unit in model.units if unit.layer is not None and _beyond(model, unit))


def depthwise_layers(model: QdqModel) -> tuple[str, ...]:
    """The quantized layers that ONNX Runtime's depthwise kernel computes."""
    return tuple(unit.name for unit in model.units if unit.layer is not None and _is_depthwise(model, unit))


def _is_depthwise(model: QdqModel, unit: Unit) -> bool:
    assert unit.layer is not None
    groups = int(unit.attributes.get("group", 1))
    return unit.op == "Conv" and is_depthwise(model.array(unit.layer.quantized[0]), groups)


def _beyond(model: QdqModel, unit: Unit) -> bool:
    assert unit.layer is not None
    weight = model.array(unit.layer.quantized[0])
    if unit.op == "Conv":
        if _is_depthwise(model, unit):
            return False
        return pairs_beyond(weight.reshape(len(weight), -1)[:, kernel_order(weight.shape)]) > 0
    rows = matrix(unit, weight) if weight.ndim == 2 else np.swapaxes(weight, -1, -2).reshape(-1, weight.shape[-2])
    return pairs_beyond(rows) > 0


def _compare(kernel: Kernel, inputs: Sequence[Array]) -> KernelError:
    fast = open_session(kernel.model, device="cpu", name=kernel.name)
    written = open_session(kernel.model, device="cpu", name=kernel.name, optimize=False)
    distance, steps = Distance(), 0.0
    for x in inputs:
        a, b = (_values(session, kernel, x) for session in (written, fast))
        distance.add(a, b)
        step = 1.0 if kernel.zero is not None else float(np.ptp(a)) / _LEVELS
        difference = float(np.abs(a - b).max(initial=0))
        if difference:
            steps = max(steps, difference / step if step else float("inf"))
    return KernelError(distance.decibels, steps)


def _values(session: Session, kernel: Kernel, x: Array) -> Array:
    result: Array = session.run({kernel.reads: x}, [kernel.output])[kernel.output]
    return result.astype(np.float32) - np.float32(kernel.zero or 0)
