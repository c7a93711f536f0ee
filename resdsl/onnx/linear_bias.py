"""Linear layers that a file states as a product and a sum."""

from __future__ import annotations

from collections import Counter

import onnx
from onnx import helper

_RANK = 2


def join_bias(model: onnx.ModelProto) -> None:
    """Make one ``Gemm`` of each ``MatMul`` of ``[N, features]`` with weights and the ``Add`` of its bias.

    Otherwise the sum is an operator of its own: its result, which may be the logits, would be quantized, and the layer
    would have no bias to correct.
    """
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    readers = Counter(name for node in graph.node for name in node.input)
    readers.update(info.name for info in graph.output)
    products = {node.output[0]: node for node in graph.node if node.op_type == "MatMul"}
    if not products:
        return
    shapes = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    ranks = {info.name: len(info.type.tensor_type.shape.dim) for info in (*shapes.input, *shapes.value_info)}
    joined = []
    for node in graph.node:
        product = next((products[name] for name in node.input if name in products), None)
        if node.op_type != "Add" or product is None or readers[product.output[0]] != 1:
            continue
        bias = next((tensors[name] for name in node.input if name in tensors), None)
        weight = tensors.get(product.input[1])
        if bias is None or weight is None or ranks.get(product.input[0]) != _RANK or len(weight.dims) != _RANK:
            continue
        if list(bias.dims) != [weight.dims[1]]:
            continue
        names = [*product.input, bias.name]
        node.CopyFrom(helper.make_node("Gemm", names, [node.output[0]], name=product.name))
        joined.append(product)
    for product in joined:
        graph.node.remove(product)
