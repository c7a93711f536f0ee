"""Layers in floating point between quantized values, so that ONNX Runtime leaves them in floating point."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_HALF = "resdsl.half"


def keep_floats(path: Path) -> None:
    """Rewrite the quantized model ``path`` so that its layers with floating-point weights stay as they are.

    ONNX Runtime quantizes the weights of a layer between ``DequantizeLinear`` and ``QuantizeLinear`` when it loads a
    model (``WeightBiasQuantization``), with one scale for the whole tensor and without a word. So such a layer reads
    ``x / 2`` with weights ``2 W``, which is exact, and its input is no longer that of a ``DequantizeLinear``.
    """
    model = onnx.load_model(path)
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    readers = Counter(name for node in graph.node for name in node.input)
    dequantized = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    nodes: list[onnx.NodeProto] = []
    halves: dict[str, str] = {}
    for node in graph.node:
        if node.op_type in _LAYERS and node.input[0] in dequantized and node.input[1] in tensors:
            weight = tensors[node.input[1]]
            array = numpy_helper.to_array(weight)
            if array.dtype == np.float32:
                doubled = numpy_helper.from_array(array * np.float32(2), weight.name)
                if readers[weight.name] == 1:
                    weight.CopyFrom(doubled)
                else:
                    doubled.name = node.input[1] = f"{node.name}.doubled"
                    graph.initializer.append(doubled)
                read = node.input[0]
                if read not in halves:
                    halves[read] = f"{read}/half"
                    nodes.append(helper.make_node("Mul", [read, _HALF], [halves[read]], name=halves[read]))
                node.input[0] = halves[read]
        nodes.append(node)
    if not halves:
        return
    graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), _HALF))
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save_model(model, path)
