"""Quantize ONNX files to int8 with ONNX Runtime's quantizer.

``x ~ scale * (q - zero)`` (Jacob et al. 2018, arXiv:1712.05877): activations are uint8 with one scale per tensor,
weights int8 with zero point 0 and one scale per output channel. ONNX Runtime's CPU kernels are fastest for these types,
with and without VNNI.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.captured_output import captured_output, simplified
from resdsl.runtime.processor import processor
from resdsl.runtime.providers import onnx_runtime

Array = npt.NDArray[Any]
Feeds = Mapping[str, Array]

OPERATORS = ("all", "layers")
"""Which operators compute with bytes: all that can, or convolutions and linear layers only."""

RANGES = ("minmax", "entropy", "percentile")
"""How ranges are chosen: all values; least loss of information; all but the outermost 0.001 %."""

MOST_FOR_HISTOGRAMS = 32
"""The limit of images for ``entropy`` and ``percentile``: the quantizer keeps the values of all images in memory."""

_LAYERS = ["Conv", "Gemm", "MatMul"]
_DEQUANTIZED = "_DequantizeLinear_Output"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to quantize. ``keep`` are the names of nodes that stay in floating point.

    ``reduce_range`` uses 7 bits instead of 8 for weights, with which sums of two products cannot leave 16 bits.
    """

    method: str = "minmax"
    reduce_range: bool = False
    keep: tuple[str, ...] = ()
    operators: str = "all"

    @property
    def most_images(self) -> int | None:
        """The limit of images, if there is one."""
        return None if self.method == "minmax" else MOST_FOR_HISTOGRAMS


def quantize_file(model: Path, target: Path, feeds: Iterable[Feeds], settings: Settings) -> None:
    """Write the quantized model (QDQ format) to ``target``, calibrated with the inputs ``feeds``.

    The results of linear layers and softmax stay in floating point. Raises ``RunError`` if ONNX Runtime cannot do it.
    """
    quantization = _quantization()
    method = {
        "minmax": quantization.CalibrationMethod.MinMax,
        "entropy": quantization.CalibrationMethod.Entropy,
        "percentile": quantization.CalibrationMethod.Percentile,
    }[settings.method]
    _captured(
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
            op_types_to_quantize=_LAYERS if settings.operators == "layers" else None,
            calibrate_method=method,
            calibration_providers=["CPUExecutionProvider"],
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
        ),
        "the model cannot be quantized",
    )


def fold_file(model: Path, target: Path) -> None:
    """Write the model after ONNX Runtime's basic optimisation, which folds batch norms and removes identities."""
    onnxruntime = onnx_runtime()
    options = _options(onnxruntime, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)
    options.optimized_model_filepath = os.fspath(target)
    _captured(
        lambda: onnxruntime.InferenceSession(os.fspath(model), options, providers=["CPUExecutionProvider"]),
        "the model cannot be folded",
    )


class _Reader:
    """A calibration data reader for ONNX Runtime's quantizer, without its base class."""

    def __init__(self, feeds: Iterator[Feeds]) -> None:
        self._feeds = feeds

    def get_next(self) -> dict[str, Array] | None:
        feeds = next(self._feeds, None)
        return None if feeds is None else dict(feeds)

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> dict[str, Array]:
        feeds = self.get_next()
        if feeds is None:
            raise StopIteration
        return feeds


def dequantized_name(value: str, names: Iterable[str]) -> str | None:
    """The name of the original's ``value`` in a quantized model whose values are ``names``."""
    known = set(names)
    return next((name for name in (value + _DEQUANTIZED, value) if name in known), None)


def _quantization() -> Any:
    onnx_runtime()
    with captured_output():
        return importlib.import_module("onnxruntime.quantization")


def _options(onnxruntime: Any, level: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = level
    options.intra_op_num_threads = processor().threads
    return options


def _captured(act: Callable[[], Any], what: str) -> Any:
    """The result of ``act`` with its output captured; its exceptions as a ``RunError`` that begins with ``what``."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        with captured_output():
            return act()
    except RunError:
        raise
    except Exception as error:
        # ONNX Runtime's exceptions have no other common base class.
        raise RunError.of(
            catalogue.CALIBRATION,
            f"{what}: {simplified(str(error))}",
            helps=(Text("keep layers in floating point by name with ", Option("keep")),),
        ) from None
    finally:
        root.setLevel(level)
