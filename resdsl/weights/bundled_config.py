"""Preprocessing and labels bundled with a checkpoint: timm's ``config.json`` in the same folder.

It defines how images become inputs (``pretrained_cfg``: ``input_size``, ``crop_pct``, ``crop_mode``, ``interpolation``,
``mean``, ``std``) and the names of the classes (``label_names``). The sizes follow timm's own evaluation transform:
the short side becomes ``floor(size / crop_pct)`` pixels, of which the centre is cut out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from resdsl.inputs import record_input
from resdsl.ir.graph import Graph
from resdsl.ir.preprocess import Crop, Normalize, Preprocess, Resize
from resdsl.labels import read_labels
from resdsl.untrusted import bounded_float, bounded_int, parse_json

FILE = "config.json"
LARGEST = 10_000_000
"""Bytes of a ``config.json``: one with 20,000 class names has half a megabyte."""

_LARGEST_STATISTIC = 1e9
"""Of a mean or a standard deviation of pixels."""

_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
_FITS = {"center": "short", "squash": "exact"}


@dataclass(frozen=True, slots=True)
class BundledConfig:
    """Each is ``None`` if the file does not define it, or defines it in a way that cannot be reproduced exactly."""

    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None


def read_bundled_config(weights: Path, graph: Graph) -> BundledConfig | None:
    """The ``config.json`` next to a file of weights, for this network; ``None`` if there is none of timm's."""
    path = weights.parent / FILE
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        record_input(path)
        config = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict) or "architecture" not in config:
        return None
    described = config.get("pretrained_cfg", config)
    if not isinstance(described, dict):
        return None
    return BundledConfig(_preprocess(described, graph), _labels(config, described))


def changes_to(config: BundledConfig | None, graph: Graph) -> BundledConfig:
    """The parts that differ from the graph's. Labels apply only if the network has as many classes."""
    if config is None:
        return BundledConfig()
    classes = graph.nodes[graph.outputs[0].node].type.shape[-1]
    labels = config.labels if config.labels is not None and len(config.labels) == classes else None
    return BundledConfig(
        config.preprocess if config.preprocess != graph.preprocess else None, labels if labels != graph.labels else None
    )


def _preprocess(described: Mapping[str, object], graph: Graph) -> Preprocess | None:
    mean, std = _numbers(described.get("mean")), _numbers(described.get("std"))
    size = _input_size(described, graph)
    crop = _number(described.get("crop_pct", 0.875), least=0.1, most=1)
    fit = _FITS.get(str(described.get("crop_mode") or "center"))
    interpolation = described.get("interpolation", "bilinear")
    channels = graph.input.type.shape[1:2]
    if (
        mean is None
        or std is None
        or size is None
        or crop is None
        or fit is None
        or interpolation not in _INTERPOLATIONS
    ):
        return None
    if len(mean) != len(std) or (len(mean),) != channels or min(std) <= 0:
        return None
    resized = math.floor(size / crop)
    return Preprocess((Resize(resized, str(interpolation), fit), Crop(size), Normalize(mean, std)))


def _input_size(described: Mapping[str, object], graph: Graph) -> int | None:
    """The side of the network's square input; the checkpoint's if the network takes any size."""
    sides = graph.input.type.shape[2:]
    if all(isinstance(side, int) for side in sides):
        fixed = set(cast("tuple[int, ...]", sides))
        return fixed.pop() if len(fixed) == 1 else None
    declared = described.get("input_size")
    if not isinstance(declared, list) or len(declared) != 3:
        return None
    _, height, width = declared
    side = bounded_int(height, least=1, most=100_000)
    return side if side == width else None


def _numbers(values: object) -> tuple[float, ...] | None:
    if not isinstance(values, list) or not 1 <= len(values) <= 64:
        return None
    numbers = [_number(value, least=-_LARGEST_STATISTIC, most=_LARGEST_STATISTIC) for value in values]
    return tuple(number for number in numbers if number is not None) if None not in numbers else None


def _number(value: object, *, least: float, most: float) -> float | None:
    return None if isinstance(value, str) else bounded_float(value, least=least, most=most)


def _labels(config: Mapping[str, object], described: Mapping[str, object]) -> tuple[str, ...] | None:
    names = config.get("label_names", described.get("label_names"))
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        return tuple(names)
    # timm's own checkpoints omit the names; the tag ends with the data set of the last training.
    if config.get("num_classes") == 1000 and str(described.get("tag", "")).endswith("in1k"):
        return read_labels("imagenet1k")
    return None
