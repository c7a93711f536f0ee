"""Models of 8-bit whole numbers, by ONNX Runtime's own quantiser, and how far they are from the originals.

``x ~ scale * (q - zero)`` (Jacob et al. 2018, arXiv:1712.05877): activations are unsigned bytes with one scale a
tensor, weights signed bytes with zero 0 and one scale for each channel of the result. This is what ONNX Runtime's
kernels for processors are fastest at, with or without instructions for it (VNNI).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.processor import processor
from resdsl.runtime.providers import onnx_runtime
from resdsl.runtime.quiet import capture, in_plain_words

Array = npt.NDArray[Any]
Feeds = Mapping[str, Array]

METHODS = ("minmax", "entropy", "percentile")
"""How ranges are found: all that was seen; what loses the least information; all but the farthest 0.001 %."""

MOST_FOR_HISTOGRAMS = 32
"""The quantiser holds every layer's values of all images at once for ``entropy`` and ``percentile``."""

_DEQUANTIZED = "_DequantizeLinear_Output"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to quantise. ``keep`` are the names of nodes that stay in floating point.

    ``reduce_range`` gives weights 7 bits in place of 8: processors without VNNI add two products in 16 bits, and large
    ones saturate there.
    """

    method: str = "minmax"
    reduce_range: bool = False
    keep: tuple[str, ...] = ()


def quantize_file(model: Path, target: Path, feeds: Iterable[Feeds], settings: Settings) -> None:
    """Write the model in whole numbers (QDQ form) to ``target``, calibrated with the inputs ``feeds``.

    Classes and their probabilities stay in floating point: the results of linear layers, and softmax. Raises
    ``RunError`` where ONNX Runtime cannot do it.
    """
    quantization = _quantization()
    method = {
        "minmax": quantization.CalibrationMethod.MinMax,
        "entropy": quantization.CalibrationMethod.Entropy,
        "percentile": quantization.CalibrationMethod.Percentile,
    }[settings.method]
    _quietly(
        lambda: quantization.quantize_static(
            os.fspath(model),
            os.fspath(target),
            _Reader(iter(feeds)),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=settings.reduce_range,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=list(settings.keep),
            calibrate_method=method,
            calibration_providers=["CPUExecutionProvider"],
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
        ),
        "the model cannot be quantised",
    )


def fold_file(model: Path, target: Path) -> None:
    """Write the model as ONNX Runtime's basic optimisation makes it, which folds batch norms and drops identities."""
    onnxruntime = onnx_runtime()
    options = _options(onnxruntime, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)
    options.optimized_model_filepath = os.fspath(target)
    _quietly(
        lambda: onnxruntime.InferenceSession(os.fspath(model), options, providers=["CPUExecutionProvider"]),
        "the model cannot be folded",
    )


class _Reader:
    """What ONNX Runtime's quantiser calls a calibration data reader, but for its base class."""

    def __init__(self, feeds: Iterator[Feeds]) -> None:
        self._feeds = feeds

    def get_next(self) -> dict[str, Array] | None:
        found = next(self._feeds, None)
        return None if found is None else dict(found)

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> dict[str, Array]:
        found = self.get_next()
        if found is None:
            raise StopIteration
        return found


# --- how far from the original ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class Distance:
    """How far one value of a model in whole numbers is from the original, over all images.

    ``signal`` and ``noise`` are sums of squares, of the original and of the difference; the rest is for the cosine.
    """

    signal: float = 0.0
    noise: float = 0.0
    other: float = 0.0
    product: float = 0.0

    def add(self, a: Array, b: Array) -> None:
        """Another image's values: the original's, and the other model's."""
        a, b = a.ravel(), b.ravel()
        # In 32 bits: the sums are of millions of terms of one sign, and tell decibels.
        apart = a - b
        self.signal += float(a @ a)
        self.other += float(b @ b)
        self.product += float(a @ b)
        self.noise += float(apart @ apart)

    @property
    def share(self) -> float:
        """The noise as a part of the signal, ``sum (a - b)^2 / sum a^2``."""
        return self.noise / self.signal if self.signal else float(self.noise > 0)

    @property
    def decibels(self) -> float:
        """The ratio of signal to noise, ``10 log10(sum a^2 / sum (a - b)^2)``."""
        if not self.noise:
            return float("inf")
        return float(10 * np.log10(self.signal / self.noise)) if self.signal else float("-inf")

    @property
    def cosine(self) -> float:
        lengths = (self.signal * self.other) ** 0.5
        return self.product / lengths if lengths else float(self.signal == self.other)


def simulated_name(value: str, names: Iterable[str]) -> str | None:
    """What the value of the original is called in a model in whole numbers, of which ``names`` are the values."""
    known = set(names)
    return next((name for name in (value + _DEQUANTIZED, value) if name in known), None)


class Simulation:
    """A model as its graph says, node by node: ONNX Runtime neither fuses nor replaces anything."""

    def __init__(self, model: bytes, folder: Path) -> None:
        onnxruntime = onnx_runtime()
        options = _options(onnxruntime, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
        # From memory, ONNX Runtime does not know where a file of weights lies.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", os.fspath(folder.resolve())
        )
        self._native = _quietly(
            lambda: onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]),
            "the model cannot be run node by node",
        )

    def run(self, feeds: Feeds, names: Sequence[str]) -> dict[str, Array]:
        values = self._native.run(list(names), dict(feeds))
        return dict(zip(names, (np.asarray(value) for value in values), strict=True))


def _quantization() -> Any:
    import importlib

    onnx_runtime()
    with capture():
        return importlib.import_module("onnxruntime.quantization")


def _options(onnxruntime: Any, level: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = level
    options.intra_op_num_threads = processor().threads
    return options


def _quietly(act: Callable[[], Any], what: str) -> Any:
    """The result of ``act``, whose talk nobody hears, or a ``RunError`` that begins with ``what``."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        with capture():
            return act()
    except RunError:
        raise
    except Exception as error:
        # ONNX Runtime's exceptions have no common base but this one.
        raise RunError.of(
            catalogue.CALIBRATION,
            f"{what}: {in_plain_words(str(error))}",
            helps=(Text(Option("keep"), " leaves layers in floating point, by their names"),),
        ) from None
    finally:
        root.setLevel(level)
