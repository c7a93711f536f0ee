"""A factor for each channel of a value, so that all of its channels use the 8 bits of a scale for the whole tensor.

The steps of one scale are as large as the channel with the largest values needs. A depthwise convolution reads each
channel alone, so what small channels lose is lost. Where operators in floating point stand between two layers, a factor
``f`` for each channel costs a product: the layer before writes ``y / f`` (its weights and bias are divided by ``f``),
and the depthwise layer reads ``h / f`` (its weights, which have a scale for each channel, are multiplied by ``f``)::

    Conv -> Q -> DQ -> Mul f -> HardSwish -> Mul 1 / f -> Q -> DQ -> depthwise Conv

Conversions with a scale for each channel would contain the products, but ONNX Runtime takes 40 times as long for them.
A relu needs no product, ``relu(y / f) = relu(y) / f``, so there the two layers have factors in their weights alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from resdsl.onnx.wiring import Wiring

Array = npt.NDArray[Any]

_FACTORS = "/factors"
_SCALED = "/scaled"
_FUSED = frozenset({"Relu", "Clip"})
"""Operators that become part of the layer before them."""

_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def scalable_values(model: Path, keep: Collection[str] = ()) -> tuple[str, ...]:
    """The values whose channels can have factors, beside quantized layers: those that are not in ``keep``.

    These are results of convolutions that only operators in floating point read, and what depthwise convolutions read
    of such operators or of a relu behind a convolution. The results of depthwise convolutions are not among them: their
    channels need no factors.
    """
    return tuple(dict.fromkeys(_Graph(onnx.load_model(model).graph).scalable(keep)))


def scale_channels(model: Path, target: Path, factors: Mapping[str, Array], keep: Collection[str] = ()) -> list[str]:
    """Write ``model`` to ``target`` with ``factors [C]`` for its values, and return the names of the new products.

    The model has the same outputs. Values beside products keep their names, and those divided by factors are called
    ``NAME/scaled``; around a relu between two layers, the values themselves are divided.
    """
    proto = onnx.load_model(model)
    graph = _Graph(proto.graph)
    scaled = [name for name in dict.fromkeys(graph.scalable(keep)) if name in factors]
    products: list[onnx.NodeProto] = []
    for name in scaled:
        factor = factors[name].astype(np.float32)
        producer = graph.producers[name]
        before = producer if graph.is_plain_layer(producer) else graph.layer_before_relu(name, keep)
        if before is not None:
            for tensor in before.input[1:]:
                graph.multiply(tensor, 1 / factor)
        if before is not None and before is producer:
            before.output[0] = name + _SCALED
            products.append(graph.product(name + _SCALED, factor, name))
            continue
        if before is None:
            products.append(graph.product(name, 1 / factor, name + _SCALED))
        for layer in graph.readers[name]:
            if graph.is_depthwise(layer) and layer.name not in keep:
                graph.multiply(layer.input[1], factor)
                if before is None:
                    layer.input[0] = name + _SCALED
    behind = {product.input[0]: product for product in products}
    nodes = [
        each for node in proto.graph.node for each in (node, *(behind[name] for name in node.output if name in behind))
    ]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    onnx.save_model(proto, target)
    return [product.name for product in products]


class _Graph(Wiring):
    def __init__(self, graph: onnx.GraphProto) -> None:
        super().__init__(graph)
        self._graph = graph

    def scalable(self, keep: Collection[str]) -> Iterator[str]:
        """The values that have factors, in the order of the graph."""
        for node in self._graph.node:
            if self.is_plain_layer(node) and node.name not in keep and self._in_floats(node.output[0]):
                yield node.output[0]
            elif self.is_depthwise(node) and node.name not in keep:
                producer = self.producers.get(node.input[0])
                in_floats = producer is not None and producer.op_type not in _LAYERS and not self._is_fused(producer)
                if in_floats or self.layer_before_relu(node.input[0], keep) is not None:
                    yield node.input[0]

    def is_depthwise(self, node: onnx.NodeProto) -> bool:
        """Whether the node is a convolution of each channel alone."""
        groups = next((one.i for one in node.attribute if one.name == "group"), 1)
        return groups > 1 and self._is_conv(node) and list(self.tensors[node.input[1]].dims[:2]) == [groups, 1]

    def is_plain_layer(self, node: onnx.NodeProto) -> bool:
        """Whether the node is a convolution whose channels differ by its weights, and not a depthwise one."""
        return self._is_conv(node) and not self.is_depthwise(node)

    def multiply(self, name: str, factor: Array) -> None:
        """Multiply an initializer by a factor for each of its first axis."""
        tensor = self.tensors[name]
        array = numpy_helper.to_array(tensor)
        scaled = array * factor.reshape(-1, *[1] * (array.ndim - 1))
        tensor.CopyFrom(numpy_helper.from_array(scaled.astype(np.float32), name))

    def product(self, value: str, factor: Array, result: str) -> onnx.NodeProto:
        """The node that multiplies the channels of ``value``, which has the axes of an image."""
        name = result + _FACTORS
        self._graph.initializer.append(numpy_helper.from_array(factor.astype(np.float32).reshape(1, -1, 1, 1), name))
        return helper.make_node("Mul", [value, name], [result], name=name)

    def layer_before_relu(self, name: str, keep: Collection[str]) -> onnx.NodeProto | None:
        """The quantized convolution behind which a relu gives the value to quantized depthwise layers alone."""
        relu = self.producers.get(name)
        if relu is None or relu.op_type != "Relu" or {name, relu.input[0]} & self.outputs:
            return None
        layer = self.producers.get(relu.input[0])
        if (
            layer is None
            or not self.is_plain_layer(layer)
            or layer.name in keep
            or len(self.readers[relu.input[0]]) > 1
        ):
            return None
        alone = all(self.is_depthwise(one) and one.name not in keep for one in self.readers[name])
        return layer if alone else None

    def _is_conv(self, node: onnx.NodeProto) -> bool:
        if node.op_type != "Conv" or not node.name or not self.tensors.keys() >= {*node.input[1:]}:
            return False
        if any(len(self.readers[name]) > 1 for name in node.input[1:]):
            return False
        tensors = [self.tensors[name] for name in node.input[1:]]
        floats = all(tensor.data_type == onnx.TensorProto.FLOAT for tensor in tensors)
        return floats and len(tensors[0].dims) == 4

    def _in_floats(self, name: str) -> bool:
        """Whether only operators read the value that compute with floats wherever layers alone compute with bytes."""
        readers = self.readers.get(name, [])
        return name not in self.outputs and bool(readers) and not any(map(self._reads_bytes, readers))

    def _reads_bytes(self, node: onnx.NodeProto) -> bool:
        return node.op_type in _LAYERS | _FUSED

    def _is_fused(self, node: onnx.NodeProto) -> bool:
        """Whether the node is an activation that becomes part of the layer before it."""
        producer = self.producers.get(node.input[0]) if node.input else None
        return node.op_type in _FUSED and producer is not None and producer.op_type in _LAYERS
