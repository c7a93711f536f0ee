"""A quantized model in QDQ format whose numbers can be replaced, and its operators as models of their own.

ONNX Runtime's quantizer decides which values are quantized and where ``QuantizeLinear`` and ``DequantizeLinear`` stand.
A *unit* is one operator between them with the activation that is fused into it. Units run one after the other, as
floats and quantized, so that a layer's quantized inputs are known when its weights are rounded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper, version_converter

from resdsl.onnx.flat_regions import informative_bounds
from resdsl.onnx.linear_bias import join_bias

Array = npt.NDArray[Any]

_MOST_BYTES = 1_900_000_000  # a protobuf message is limited to 2 GiB
_PER_CHANNEL_OPSET = 13
_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_SUFFIX = "_QuantizeLinear_Input"  # what the quantizer appends to an operator's output that is a graph output


@dataclass(frozen=True, slots=True)
class Tensors:
    """The initializers of a quantized layer, by name: the floats; the integers, their scale and zero point."""

    weight: str
    quantized: tuple[str, str, str]
    bias: str | None
    quantized_bias: tuple[str, str, str] | None


@dataclass(frozen=True, slots=True)
class FloatTensors:
    """The initializers of a layer in floating point, by name."""

    weight: str
    bias: str


@dataclass(frozen=True, slots=True)
class Unit:
    """An operator with the values that it reads as floats (``reads``) or as bytes (``bytes_read``) and its results.

    ``layer`` is that of a quantized layer, ``float_layer`` that of a layer in floating point with a bias.
    """

    op: str
    name: str
    reads: tuple[str, ...]
    bytes_read: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    layer: Tensors | None
    float_layer: FloatTensors | None
    nodes: tuple[onnx.NodeProto, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.reads + self.bytes_read


@dataclass(frozen=True, slots=True)
class Kernel:
    """A quantized layer alone, from the bytes ``reads`` to ``output``, which are bytes with ``zero`` or floats."""

    name: str
    model: bytes
    reads: str
    output: str
    zero: int | None


class QdqModel:
    """A model as written by ONNX Runtime's quantizer, beside the floating-point model it was made of."""

    def __init__(self, original: Path, quantized: Path) -> None:
        """Raises ``ValueError`` for a model whose operators hold graphs of their own."""
        self._original = onnx.load_model(original)
        self._model = onnx.load_model(quantized)
        if any(attribute.HasField("g") for node in self._original.graph.node for attribute in node.attribute):
            raise ValueError("operators with subgraphs are not supported")
        self._floats = {tensor.name: tensor for tensor in self._original.graph.initializer}
        self._tensors = {tensor.name: tensor for tensor in self._model.graph.initializer}
        self._producers = {name: node for node in self._model.graph.node for name in node.output if name}
        self._nodes = tuple(self._original.graph.node)
        self._by_name = {node.name: node for node in self._nodes}
        self._original_producers = {
            name: index for index, node in enumerate(self._nodes) for name in node.output if name
        }
        self.ranges: dict[str, tuple[float, int]] = {}
        for node in self._model.graph.node:
            if node.op_type == _QUANTIZE:
                scale, zero = self.array(node.input[1]), self.array(node.input[2])
                if zero.dtype == np.uint8 and scale.size == 1:
                    self.ranges[self._original_name(node.input[0])] = float(scale), int(zero)
        self.units = tuple(self._units())

    def array(self, name: str) -> Array:
        """An initializer of the quantized model."""
        return numpy_helper.to_array(self._tensors[name])

    def weights(self, unit: Unit) -> tuple[Array, Array | None]:
        """The floating-point weight and bias of a layer."""
        layer = unit.layer or unit.float_layer
        assert layer is not None
        bias = layer.bias
        return numpy_helper.to_array(self._floats[layer.weight]), (
            None if bias is None else numpy_helper.to_array(self._floats[bias])
        )

    def set_ranges(self, ranges: Mapping[str, tuple[float, float]]) -> None:
        """Quantize the values of ``ranges`` with these ranges, which contain 0; the others keep theirs.

        Values that share a scale, such as the input and the result of a max pooling, get the largest of their ranges.
        Biases are rounded again to steps of the new scales.
        """
        shared: dict[tuple[str, str], list[str]] = {}
        for node in self._model.graph.node:
            value = self._original_name(node.input[0]) if node.op_type == _QUANTIZE else ""
            if value in self.ranges:
                shared.setdefault((node.input[1], node.input[2]), []).append(value)
        for (scale_name, zero_name), values in shared.items():
            if not ranges.keys() >= {*values}:
                continue
            low, high = min(ranges[value][0] for value in values), max(ranges[value][1] for value in values)
            scale = np.float32((high - low) / 255)
            if not scale > np.finfo(np.float32).tiny:
                continue
            zero = int(np.clip(np.rint(-low / scale), 0, 255))
            self._replace(scale_name, np.array(scale).reshape(self.array(scale_name).shape))
            self._replace(zero_name, np.array(zero, np.uint8).reshape(self.array(zero_name).shape))
            self.ranges |= dict.fromkeys(values, (float(scale), zero))
        for unit in self.units:
            if unit.layer is None or unit.layer.bias is None:
                continue
            names, bias = unit.layer.quantized, self.weights(unit)[1]
            assert bias is not None
            self._replace_bias(
                unit.layer, bias.astype(np.float64), self.array(names[1]), self.ranges[unit.bytes_read[0]][0]
            )

    def clip_ranges(self) -> None:
        """Narrow the range of each value to where what reads it differs (``flat_regions``); nothing is lost by that."""
        narrower = {}
        for name, (lowest, highest) in informative_bounds(self._original).items():
            if name in self.ranges:
                scale, zero = self.ranges[name]
                low, high = -zero * scale, (255 - zero) * scale
                clipped = min(max(low, lowest), 0.0), max(min(high, highest), 0.0)
                if clipped[1] - clipped[0] < 0.99 * (high - low):
                    narrower[name] = clipped
        self.set_ranges(narrower)

    def save(self, path: Path) -> None:
        path.write_bytes(self._model.SerializeToString())

    def replace(self, unit: Unit, weight: Array, scale: Array, bias: Array | None, input_scale: float) -> None:
        """Replace a layer's int8 weights and scales; the bias becomes int32 in steps of ``input_scale * scale``."""
        layer = unit.layer
        assert layer is not None
        for name, array in zip(
            layer.quantized, (weight.astype(np.int8), scale, np.zeros(scale.shape, np.int8)), strict=True
        ):
            self._replace(name, array)
        if bias is not None:
            self._replace_bias(layer, bias, scale, input_scale)

    def _replace_bias(self, layer: Tensors, bias: Array, scale: Array, input_scale: float) -> None:
        if layer.quantized_bias is None:
            return
        steps = (np.float64(np.float32(input_scale)) * scale).astype(np.float32)
        rounded = np.clip(np.rint(bias / steps.astype(np.float64)), -(2**31), 2**31 - 1)
        arrays = (rounded.astype(np.int32), steps, np.zeros(steps.shape, np.int32))
        for name, array in zip(layer.quantized_bias, arrays, strict=True):
            if name:
                self._replace(name, array)

    def replace_bias(self, unit: Unit, bias: Array) -> None:
        """Replace the bias of a layer in floating point."""
        assert unit.float_layer is not None
        self._replace(unit.float_layer.bias, bias.astype(np.float32))

    def model(
        self,
        unit: Unit,
        dtypes: Mapping[str, Any],
        *,
        weights: Mapping[str, Array] | None = None,
        quantized: Mapping[str, Collection[str]] | None = None,
    ) -> bytes:
        """The operators of a unit as a model that reads and computes floats, with other ``weights`` where stated.

        With ``quantized``, values that the unit reads as bytes are inputs called ``value/bytes``; its keys ``floats``
        and ``bytes`` name the outputs wanted in either form.
        """
        weights = weights or {}
        used = {name for node in unit.nodes for name in node.input if name in self._floats}
        tensors = [
            numpy_helper.from_array(np.array(weights[name], order="C"), name) if name in weights else self._floats[name]
            for name in sorted(used)
        ]
        nodes = list(unit.nodes)
        inputs = [_value(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtypes[name]))) for name in unit.reads]
        for name in unit.bytes_read:
            if quantized is None:
                inputs.append(_value(name, onnx.TensorProto.FLOAT))
                continue
            tensors += self._parameters(name)
            nodes.insert(0, helper.make_node(_DEQUANTIZE, [f"{name}/bytes", f"{name}/scale", f"{name}/zero"], [name]))
            inputs.append(_value(f"{name}/bytes", onnx.TensorProto.UINT8))
        wanted: Mapping[str, Collection[str]] = (
            {"floats": unit.outputs, "bytes": ()} if quantized is None else quantized
        )
        outputs = [onnx.ValueInfoProto(name=name) for name in wanted["floats"]]
        for name in wanted["bytes"]:
            tensors += self._parameters(name, "+")
            nodes.append(helper.make_node(_QUANTIZE, [name, f"{name}/+scale", f"{name}/+zero"], [f"{name}/bytes"]))
            outputs.append(_value(f"{name}/bytes", onnx.TensorProto.UINT8))
        return self._serialized(nodes, inputs, outputs, tensors)

    def kernels(self) -> Iterator[Kernel]:
        """Each quantized layer as a model of its own, as it stands in the file."""
        readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self._model.graph.node:
            for name in node.input:
                readers.setdefault(name, []).append(node)
        for node in self._model.graph.node:
            if node.op_type not in {"Conv", "Gemm", "MatMul"} or len(node.input) < 2:
                continue
            sources = [self._producers.get(name) for name in node.input]
            if any(one is None or one.op_type != _DEQUANTIZE for one in sources[:2]):
                continue
            before = [one for one in sources if one is not None and one.op_type == _DEQUANTIZE]
            reads = before[0].input[0]
            if reads in self._tensors or before[1].input[0] not in self._tensors:
                continue
            nodes, output, zero = [*before, node], node.output[0], None
            after = readers.get(output, [])
            if len(after) == 1 and after[0].op_type == _QUANTIZE:
                nodes.append(after[0])
                output, zero = after[0].output[0], int(self.array(after[0].input[2]))
            used = sorted({name for one in nodes for name in one.input if name in self._tensors})
            model = self._serialized(
                nodes,
                [_value(reads, onnx.TensorProto.UINT8)],
                [_value(output, onnx.TensorProto.FLOAT if zero is None else onnx.TensorProto.UINT8)],
                [self._tensors[name] for name in used],
            )
            yield Kernel(node.name, model, reads, output, zero)

    def exposing(self, names: Iterable[str]) -> bytes:
        """The quantized model with these values, which are bytes, as its only outputs."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        del model.graph.output[:]
        model.graph.output.extend(_value(name, onnx.TensorProto.UINT8) for name in names)
        content: bytes = model.SerializeToString()
        return content

    def _units(self) -> Iterator[Unit]:
        for node in self._model.graph.node:
            if node.op_type in {_QUANTIZE, _DEQUANTIZE}:
                continue
            direct: list[str] = []
            as_bytes: list[str] = []
            for name in node.input:
                source = self._producers.get(name)
                if source is not None and source.op_type == _DEQUANTIZE:
                    if source.input[0] in self._tensors:
                        continue
                    value = self._original_name(self._producers[source.input[0]].input[0])
                    (as_bytes if value in self.ranges else direct).append(value)
                elif name and name not in self._tensors:
                    direct.append(self._original_name(name))
            outputs = tuple(self._original_name(name) for name in node.output if name)
            bytes_read = tuple(dict.fromkeys(as_bytes))
            reads = tuple(name for name in dict.fromkeys(direct) if name not in bytes_read)
            yield Unit(
                op=f"{node.domain}.{node.op_type}" if node.domain else node.op_type,
                name=node.name,
                reads=reads,
                bytes_read=bytes_read,
                outputs=outputs,
                attributes={one.name: helper.get_attribute_value(one) for one in node.attribute},
                layer=self._layer(node) if len(bytes_read) == 1 and not reads else None,
                float_layer=self._float_layer(node) if len({*bytes_read, *reads}) == 1 else None,
                nodes=self._between({*reads, *bytes_read}, outputs),
            )

    def _layer(self, node: onnx.NodeProto) -> Tensors | None:
        if node.op_type not in {"Conv", "Gemm", "MatMul"}:
            return None
        sources = [self._producers.get(name) for name in node.input]
        if any(one is None or one.op_type != _DEQUANTIZE for one in sources):
            return None
        original = self._by_name.get(node.name)
        weight = sources[1]
        if original is None or weight is None or original.input[1] not in self._floats or len(weight.input) != 3:
            return None
        if self._floats[original.input[1]].data_type != onnx.TensorProto.FLOAT:
            return None
        if self._tensors[weight.input[0]].data_type != onnx.TensorProto.INT8:
            return None
        names = (*weight.input,)
        if len(sources) == 2:
            return Tensors(original.input[1], names, None, None)
        bias = sources[2]
        if bias is None or original.input[2] not in self._floats or bias.input[0] not in self._tensors:
            return None
        return Tensors(original.input[1], names, original.input[2], (*(*bias.input, "", "")[:3],))

    def _float_layer(self, node: onnx.NodeProto) -> FloatTensors | None:
        if node.op_type not in {"Conv", "Gemm"} or len(node.input) != 3:
            return None
        original = self._by_name.get(node.name)
        names = (*node.input[1:],)
        if original is None or (*original.input[1:],) != names or not self._tensors.keys() >= {*names}:
            return None
        if any(self._tensors[name].data_type != onnx.TensorProto.FLOAT for name in names):
            return None
        return FloatTensors(*names)

    def _between(self, inputs: Collection[str], outputs: Iterable[str]) -> tuple[onnx.NodeProto, ...]:
        """The nodes of the original that compute ``outputs`` from ``inputs``."""
        pending, found = list(outputs), set[int]()
        while pending:
            name = pending.pop()
            index = self._original_producers.get(name)
            if index is None or name in inputs or index in found:
                continue
            found.add(index)
            pending += self._nodes[index].input
        return tuple(self._nodes[index] for index in sorted(found))

    def _original_name(self, name: str) -> str:
        return name if name in self._original_producers else name.removesuffix(_SUFFIX)

    def _parameters(self, value: str, mark: str = "") -> list[onnx.TensorProto]:
        scale, zero = self.ranges[value]
        return [
            numpy_helper.from_array(np.array(scale, np.float32), f"{value}/{mark}scale"),
            numpy_helper.from_array(np.array(zero, np.uint8), f"{value}/{mark}zero"),
        ]

    def _replace(self, name: str, array: Array) -> None:
        self._tensors[name].CopyFrom(numpy_helper.from_array(np.array(array, order="C"), name))

    def _serialized(
        self,
        nodes: list[onnx.NodeProto],
        inputs: list[onnx.ValueInfoProto],
        outputs: list[onnx.ValueInfoProto],
        tensors: list[onnx.TensorProto],
    ) -> bytes:
        graph = helper.make_graph(nodes, "unit", inputs, outputs, tensors)
        model = helper.make_model(
            graph, opset_imports=list(self._model.opset_import), ir_version=self._model.ir_version
        )
        content: bytes = model.SerializeToString()
        return content


def prepare(model: Path, target: Path) -> bool:
    """Write ``model`` with a bias for each layer and no weight shared by two layers; ``False`` if it is too large.

    The correction of biases needs a bias; the rounding of weights depends on the layer's inputs. A model of an opset
    before 13, the first with a scale for each channel, is converted if that is possible. Raises ``ValueError`` for
    16-bit weights, whose quantized layers ONNX Runtime cannot run.
    """
    proto = onnx.load_model(model)
    if proto.ByteSize() > _MOST_BYTES:
        return False
    graph = proto.graph
    _name_nodes(graph)
    join_bias(proto)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    names = {name for node in graph.node for name in (*node.input, *node.output)} | tensors.keys()
    names |= {info.name for info in (*graph.input, *graph.output)}
    for info in [info for info in graph.input if info.name in tensors]:
        graph.input.remove(info)  # before IR version 4 each initializer was an input with a default value
    used: set[str] = {info.name for info in graph.output}
    for node in graph.node:
        if node.op_type not in {"Conv", "Gemm", "MatMul"} or len(node.input) < 2:
            continue
        for place, name in enumerate(node.input):
            if name not in tensors:
                continue
            if name in used:
                copy = onnx.TensorProto()
                copy.CopyFrom(tensors[name])
                copy.name = _unused(f"{name}_copy", names)
                graph.initializer.append(copy)
                tensors[copy.name] = copy
                node.input[place] = copy.name
            used.add(name)
        weight = tensors.get(node.input[1])
        if weight is not None and weight.data_type in {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}:
            raise ValueError("its weights have 16 bits")
        has_bias = len(node.input) > 2 and node.input[2]
        if node.op_type == "MatMul" or has_bias or weight is None or weight.data_type != onnx.TensorProto.FLOAT:
            continue
        transposed = any(one.name == "transB" and one.i for one in node.attribute)
        length = weight.dims[0] if node.op_type == "Conv" or transposed else weight.dims[1]
        bias = _unused(f"{node.name}.bias", names)
        graph.initializer.append(numpy_helper.from_array(np.zeros(length, np.float32), bias))
        del node.input[2:]
        node.input.append(bias)
    target.write_bytes(_per_channel_opset(proto).SerializeToString())
    return True


def saturating_kernel() -> Kernel:
    """A convolution with the largest products: CPUs that add two of them in 16 bits compute another value."""
    parameters: dict[str, Array] = {
        "scale": np.array(1, np.float32),
        "zero": np.array(0, np.uint8),
        "weight": np.full((16, 16, 1, 1), 127, np.int8),
        "weight_scale": np.ones(16, np.float32),
        "weight_zero": np.zeros(16, np.int8),
        "output_scale": np.array(255 * 127 * 16 / 255, np.float32),
    }
    nodes = [
        helper.make_node(_DEQUANTIZE, ["x", "scale", "zero"], ["float_x"]),
        helper.make_node(_DEQUANTIZE, ["weight", "weight_scale", "weight_zero"], ["float_weight"], axis=0),
        helper.make_node("Conv", ["float_x", "float_weight"], ["float_y"], name="probe", kernel_shape=[1, 1]),
        helper.make_node(_QUANTIZE, ["float_y", "output_scale", "zero"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "probe",
        [helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, [1, 16, 8, 8])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, [1, 16, 8, 8])],
        [numpy_helper.from_array(array, name) for name, array in parameters.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return Kernel("probe", model.SerializeToString(), "x", "y", 0)


def _per_channel_opset(proto: onnx.ModelProto) -> onnx.ModelProto:
    if any(entry.version >= _PER_CHANNEL_OPSET for entry in proto.opset_import if entry.domain in {"", "ai.onnx"}):
        return proto
    try:
        converted = version_converter.convert_version(proto, _PER_CHANNEL_OPSET)
        onnx.checker.check_model(converted)
    except Exception:  # The converter is C++ and raises anything; the quantizer then reports the opset
        return proto
    # The converter drops them.
    del converted.metadata_props[:]
    converted.metadata_props.extend(proto.metadata_props)
    return converted


def _name_nodes(graph: onnx.GraphProto) -> None:
    names = {node.name for node in graph.node if node.name}
    for index, node in enumerate(graph.node):
        if not node.name:
            node.name = _unused(f"{node.op_type}_{index}", names)


def _value(name: str, dtype: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, None)


def _unused(name: str, names: set[str]) -> str:
    while name in names:
        name += "_"
    names.add(name)
    return name
