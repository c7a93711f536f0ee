"""ONNX files of other tools: small networks with what the language lacks, and files that no tool should write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from resdsl.protobuf import integer, message, text

_F32, _F16, _I64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    tensors: Mapping[str, np.ndarray] | None = None,
    *,
    functions: Sequence[onnx.FunctionProto] = (),
    domains: Iterable[str] = (),
) -> onnx.ModelProto:
    """A model of operator set 17; ``domains`` are those of operators that ONNX does not have."""
    initializers = [numpy_helper.from_array(array, name) for name, array in (tensors or {}).items()]
    graph = helper.make_graph(list(nodes), "net", list(inputs), list(outputs), initializers)
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, ir_version=8, opset_imports=opsets, functions=list(functions))


def value(name: str, *shape: int | str | None, element: int = _F32) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element, list(shape))


def weights(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return np.linspace(-0.5, 0.5, int(np.prod(shape))).reshape(shape).astype(dtype)


def convolutions() -> onnx.ModelProto:
    """What the language has: a convolution, its norm, a residual, a classifier."""
    norm = {f"bn.{name}": np.ones(8, np.float32) for name in ("weight", "bias", "running_mean", "running_var")}
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", *norm], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Conv", ["c", "again.weight"], ["d"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["d", "c"], ["e"]),
        helper.make_node("GlobalAveragePool", ["e"], ["f"]),
        helper.make_node("Flatten", ["f"], ["g"]),
        helper.make_node("Gemm", ["g", "fc.weight", "fc.bias"], ["logits"], transB=1),
    ]
    tensors = {
        "conv.weight": weights(8, 3, 3, 3),
        **norm,
        "again.weight": weights(8, 8, 3, 3),
        "fc.weight": weights(5, 8),
        "fc.bias": weights(5),
    }
    return model(nodes, [value("x", "N", 3, 8, 8)], [value("logits", "N", 5)], tensors)


def transformer() -> onnx.ModelProto:
    """Attention of one head with a causal mask, two layers of it."""
    nodes: list[onnx.NodeProto] = [helper.make_node("Gather", ["embed", "ids"], ["h0"])]
    tensors: dict[str, np.ndarray] = {"embed": weights(32, 16), "scale": np.array(0.25, np.float32)}
    for layer in range(2):
        p = f"l{layer}."
        tensors |= {f"{p}{one}": weights(16, 16) for one in ("q", "k", "v", "o")}
        tensors |= {f"{p}norm": np.ones(16, np.float32), f"{p}up": weights(16, 32), f"{p}down": weights(32, 16)}
        nodes += [
            helper.make_node("LayerNormalization", [f"h{layer}", f"{p}norm"], [f"{p}n"], axis=-1),
            *(helper.make_node("MatMul", [f"{p}n", f"{p}{one}"], [f"{p}{one}_"]) for one in "qkv"),
            helper.make_node("Transpose", [f"{p}k_"], [f"{p}kt"], perm=[0, 2, 1]),
            helper.make_node("MatMul", [f"{p}q_", f"{p}kt"], [f"{p}s"]),
            helper.make_node("Mul", [f"{p}s", "scale"], [f"{p}t"]),
            helper.make_node("Trilu", [f"{p}t"], [f"{p}m"], upper=0),
            helper.make_node("Softmax", [f"{p}m"], [f"{p}p"]),
            helper.make_node("MatMul", [f"{p}p", f"{p}v_"], [f"{p}c"]),
            helper.make_node("MatMul", [f"{p}c", f"{p}o"], [f"{p}o_"]),
            helper.make_node("Add", [f"{p}o_", f"h{layer}"], [f"{p}r"]),
            helper.make_node("MatMul", [f"{p}r", f"{p}up"], [f"{p}u"]),
            helper.make_node("Erf", [f"{p}u"], [f"{p}e"]),
            helper.make_node("MatMul", [f"{p}e", f"{p}down"], [f"{p}d"]),
            helper.make_node("Add", [f"{p}d", f"{p}r"], [f"h{layer + 1}"]),
        ]
    return model(nodes, [value("ids", "batch", "length", element=_I64)], [value("h2", "batch", "length", 16)], tensors)


def detector() -> onnx.ModelProto:
    """Boxes of a convolution, suppressed; a loop and a condition with graphs of their own."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["more"]), helper.make_node("Add", ["kept", "one"], ["next"])],
        "body",
        [value("i", element=_I64), value("go", element=TensorProto.BOOL), value("kept", None)],
        [value("more", element=TensorProto.BOOL), value("next", None)],
        [numpy_helper.from_array(np.array(1, np.float32), "one")],
    )
    branch = [
        helper.make_graph([helper.make_node(kind, ["looped"], [f"{kind}_out"])], kind, [], [value(f"{kind}_out", None)])
        for kind in ("Relu", "Neg")
    ]
    nodes = [
        helper.make_node("Conv", ["image", "head.weight"], ["map"]),
        helper.make_node("Reshape", ["map", "box_shape"], ["raw"]),
        helper.make_node("Transpose", ["raw"], ["boxes"], perm=[0, 2, 1]),
        helper.make_node("ReduceMax", ["raw"], ["scores"], axes=[1], keepdims=1),
        helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "iou"], ["picked"]),
        helper.make_node("Cast", ["picked"], ["picked_f"], to=_F32),
        helper.make_node("ReduceSum", ["picked_f"], ["total"], keepdims=0),
        helper.make_node("Loop", ["trips", "true", "total"], ["looped"], body=body),
        helper.make_node("Greater", ["looped", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["result"], then_branch=branch[0], else_branch=branch[1]),
        helper.make_node("TopK", ["scores", "most"], ["best", "places"]),
    ]
    tensors = {
        "head.weight": weights(4, 3, 1, 1),
        "box_shape": np.array([1, 4, 64]),
        "most": np.array([3]),
        "iou": np.array([0.5], np.float32),
        "trips": np.array(3),
        "true": np.array(True),
        "zero": np.array(0, np.float32),
    }
    outputs = [value("picked", None, 3, element=_I64), value("result"), value("places", 1, 1, 3, element=_I64)]
    return model(nodes, [value("image", 1, 3, 8, 8)], outputs, tensors)


def several_inputs() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["left", "w"], ["a"]),
        helper.make_node("Conv", ["right", "w"], ["b"]),
        helper.make_node("Sub", ["a", "b"], ["difference"]),
        helper.make_node("Add", ["difference", "offset"], ["y"]),
    ]
    inputs = [value("left", "N", 3, 8, 8), value("right", "N", 3, 8, 8), value("offset", "N", 4, 8, 8)]
    return model(nodes, inputs, [value("y", "N", 4, 8, 8)], {"w": weights(4, 3, 1, 1)})


def half_precision() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["a"]),
        helper.make_node("Relu", ["a"], ["y"]),
    ]
    tensors = {"conv.weight": weights(4, 3, 1, 1, dtype=np.float16), "conv.bias": weights(4, dtype=np.float16)}
    return model(nodes, [value("x", "N", 3, 8, 8, element=_F16)], [value("y", "N", 4, 8, 8, element=_F16)], tensors)


def quantized() -> onnx.ModelProto:
    """A convolution between quantisation and dequantisation, with int8 weights."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        helper.make_node("DequantizeLinear", ["wq", "ws", "wz"], ["wd"], axis=0),
        helper.make_node("Conv", ["xd", "wd", "bias"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "xs", "xz"], ["cq"]),
        helper.make_node("DequantizeLinear", ["cq", "xs", "xz"], ["y"]),
    ]
    tensors = {
        "xs": np.array(0.1, np.float32),
        "xz": np.array(0, np.int8),
        "wq": np.arange(12, dtype=np.int8).reshape(4, 3, 1, 1),
        "ws": np.full(4, 0.1, np.float32),
        "wz": np.zeros(4, np.int8),
        "bias": weights(4),
    }
    return model(nodes, [value("x", "N", 3, 8, 8)], [value("y", "N", 4, 8, 8)], tensors)


def sequences() -> onnx.ModelProto:
    nodes = [
        helper.make_node("SplitToSequence", ["x"], ["parts"], axis=1, keepdims=1),
        helper.make_node("SequenceAt", ["parts", "first"], ["y"]),
        helper.make_node("SequenceLength", ["parts"], ["count"]),
    ]
    whole = helper.make_tensor_sequence_value_info("parts", _F32, None)
    outputs = [value("y", "N", 1, 8), value("count", element=_I64), whole]
    return model(nodes, [value("x", "N", 3, 8)], outputs, {"first": np.array(0)})


def functions() -> onnx.ModelProto:
    """An operator that the file itself defines."""
    inner = [helper.make_node("Sigmoid", ["v"], ["s"]), helper.make_node("Mul", ["v", "s"], ["w"])]
    swish = helper.make_function("local", "Swish", ["v"], ["w"], inner, [helper.make_opsetid("", 17)])
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["a"]),
        helper.make_node("Swish", ["a"], ["y"], domain="local"),
    ]
    return model(
        nodes,
        [value("x", "N", 3, 8, 8)],
        [value("y", "N", 4, 8, 8)],
        {"conv.weight": weights(4, 3, 1, 1)},
        functions=[swish],
        domains=["local"],
    )


def custom_domain() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["a"]),
        helper.make_node("Deform", ["a", "deform.weight"], ["y"], domain="com.example", groups=2, mode="bilinear"),
    ]
    tensors = {"conv.weight": weights(4, 3, 1, 1), "deform.weight": weights(4, 4, 3, 3)}
    return model(nodes, [value("x", "N", 3, 8, 8)], [value("y", "N", 4, 8, 8)], tensors, domains=["com.example"])


def recurrent() -> onnx.ModelProto:
    """An LSTM with outputs left out, and a dimension nobody names."""
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r"], ["", "last"], hidden_size=4),
        helper.make_node("Squeeze", ["last", "axis"], ["y"]),
    ]
    tensors = {"w": weights(1, 16, 3), "r": weights(1, 16, 4), "axis": np.array([0])}
    return model(nodes, [value("x", None, 2, 3)], [value("y", 2, 4)], tensors)


FOREIGN: dict[str, Callable[[], onnx.ModelProto]] = {
    "convolutions": convolutions,
    "transformer": transformer,
    "detector": detector,
    "several_inputs": several_inputs,
    "half_precision": half_precision,
    "quantized": quantized,
    "sequences": sequences,
    "functions": functions,
    "custom_domain": custom_domain,
    "recurrent": recurrent,
}
"""Valid networks by name."""


def write_all(folder: Path) -> dict[str, Path]:
    """Every network of ``FOREIGN``, and one whose weights are in a file beside it."""
    paths = {}
    for name, make in FOREIGN.items():
        paths[name] = folder / f"{name}.onnx"
        onnx.save(make(), paths[name])
    paths["external"] = folder / "external.onnx"
    onnx.save(convolutions(), paths["external"], save_as_external_data=True, location="external.bin", size_threshold=0)
    return paths


# --- files that no tool should write, as bytes: the onnx library refuses or takes long to make most of them ---


def raw_node(
    kind: str, inputs: Sequence[str], outputs: Sequence[str], attributes: bytes = b"", *, name: str = ""
) -> bytes:
    """A node as a field of a graph; ``attributes`` are encoded fields."""
    body = b"".join(text(1, one) for one in inputs) + b"".join(text(2, one) for one in outputs)
    return message(1, body + (text(3, name) if name else b"") + text(4, kind) + attributes)


def raw_ints(name: str, *values: int) -> bytes:
    """An attribute of integers."""
    return message(5, text(1, name) + b"".join(integer(8, one) for one in values) + integer(20, 7))


def raw_int(name: str, number: int) -> bytes:
    return message(5, text(1, name) + integer(3, number) + integer(20, 2))


def raw_tensor(name: str, dims: Sequence[int], element: int = 1, rest: bytes = b"") -> bytes:
    """An initializer as a field of a graph; ``rest`` are its numbers, encoded."""
    return message(5, b"".join(integer(1, dim) for dim in dims) + integer(2, element) + text(8, name) + rest)


def raw_value(field: int, name: str, dims: Sequence[int | str], element: int = 1) -> bytes:
    """An input (field 11), output (12) or other value (13) of a graph."""
    shape = b"".join(message(1, integer(1, dim) if isinstance(dim, int) else text(2, dim)) for dim in dims)
    tensor = integer(1, element) + message(2, shape)
    return message(field, text(1, name) + message(2, message(1, tensor)))


def raw_model(*fields: bytes, inputs: bytes | None = None, outputs: bytes | None = None) -> bytes:
    """A model with these fields in its graph; by default an image ``x`` comes in and ``y`` goes out."""
    graph = b"".join(fields)
    graph += raw_value(11, "x", ("N", 3, 8, 8)) if inputs is None else inputs
    graph += raw_value(12, "y", ()) if outputs is None else outputs
    return integer(1, 8) + message(7, graph) + message(8, text(1, "") + integer(2, 17))


def chain(count: int, kind: str = "Relu") -> bytes:
    names = ["x", *(f"v{place}" for place in range(count - 1)), "y"]
    return raw_model(*(raw_node(kind, [names[place]], [names[place + 1]]) for place in range(count)))


def ladder(count: int, kind: str = "Add") -> bytes:
    """Joins inside joins: each adds the network's input to the one before."""
    names = ["x", *(f"v{place}" for place in range(count - 1)), "y"]
    return raw_model(*(raw_node(kind, [names[place], "x"], [names[place + 1]]) for place in range(count)))


def pyramid(count: int) -> bytes:
    """Joins nested to both sides: a chain of values, all joined in the order opposite to that they are made in."""
    down = ["x", *(f"d{place}" for place in range(count))]
    nodes = [raw_node("Relu", [down[place]], [down[place + 1]]) for place in range(count)]
    up = [f"u{place}" for place in range(count - 1)] + ["y"]
    last = down[-1]
    for place in range(count):
        nodes.append(raw_node("Add", [last, down[count - 1 - place]], [up[place]]))
        last = up[place]
    return raw_model(*nodes)


def residuals(count: int) -> bytes:
    """Residual blocks inside residual blocks' main paths do not end where they begin: a Fibonacci of sums."""
    names = ["x", "r", *(f"v{place}" for place in range(count - 1)), "y"]
    nodes = [raw_node("Relu", ["x"], ["r"])]
    nodes += [raw_node("Add", [names[place], names[place + 1]], [names[place + 2]]) for place in range(count)]
    return raw_model(*nodes)


def convolutions_in(shape: str, count: int) -> bytes:
    """Convolutions of one weight: in a chain, all of whose values may be outputs, or in joins inside joins."""
    names = ["x", *(f"v{place}" for place in range(count - 1)), "y"]
    tensor = raw_tensor("conv.weight", (3, 3, 1, 1), 1, message(9, bytes(36)))
    if shape == "ladder":
        pairs = (
            raw_node("Conv", [names[place], "conv.weight"], [f"c{place}"])
            + raw_node("Add", [f"c{place}", "x"], [names[place + 1]])
            for place in range(count)
        )
        return raw_model(tensor, *pairs)
    if shape == "steps":
        pairs = (
            raw_node("Conv", [names[place], "conv.weight"], [f"c{place}"])
            + raw_node("Add", [f"c{place}", names[place]], [names[place + 1]])
            for place in range(count)
        )
        return raw_model(tensor, *pairs)
    nodes = (raw_node("Conv", [names[place], "conv.weight"], [names[place + 1]]) for place in range(count))
    ends = names[1:] if shape == "outputs" else ["y"]
    return raw_model(tensor, *nodes, outputs=b"".join(raw_value(12, name, ()) for name in ends))


def squares(count: int) -> bytes:
    """A constant squared again and again, as a size."""
    names = [f"c{place}" for place in range(count + 1)]
    nodes = [raw_node("Mul", [names[place], names[place]], [names[place + 1]]) for place in range(count)]
    return raw_model(raw_tensor("c0", (1,), 7, integer(7, 3)), *nodes, raw_node("Reshape", ["x", names[-1]], ["y"]))


def polynomial(count: int) -> bytes:
    """A symbolic size multiplied by itself plus another one, again and again."""
    nodes = [raw_node("Shape", ["x"], ["s0"])]
    for place in range(count):
        nodes += [
            raw_node("Mul", [f"s{place}", f"s{place}"], [f"t{place}"]),
            raw_node("Add", [f"t{place}", f"s{place}"], [f"s{place + 1}"]),
        ]
    inputs = raw_value(11, "x", ("a", "b", "c", "d"))
    return raw_model(*nodes, raw_node("Reshape", ["x", f"s{count}"], ["y"]), inputs=inputs)


def constants(count: int) -> bytes:
    """Sums of constants of 4,096 elements: each is as large as a value that is kept."""
    first = message(5, integer(1, 4096) + integer(2, 7) + text(8, "c0") + message(9, bytes(8 * 4096)))
    nodes = [raw_node("Add", [f"c{place}", f"c{place}"], [f"c{place + 1}"]) for place in range(count)]
    return raw_model(first, *nodes, raw_node("Reshape", ["x", f"c{count}"], ["y"]))


def doubled(kind: str, count: int) -> bytes:
    """Values whose rank, or constants whose length, doubles with each node: shape inference allocates all of it."""
    numbers = raw_tensor("c0", (2,), 7, message(9, (1).to_bytes(8, "little") * 2))
    names = ["x" if kind == "Gather" else "c0", *(f"c{place + 1}" for place in range(count))]
    nodes = [
        raw_node(kind, [names[place], names[place]], [names[place + 1]], raw_int("axis", 0)) for place in range(count)
    ]
    return raw_model(numbers, *nodes, raw_node("Foo", ["x", names[-1]], ["y"]))


def filled(count: int) -> bytes:
    """Constants of 4,096 equal elements, each in a node of some 20 bytes."""
    size = raw_tensor("size", (1,), 7, message(9, (4096).to_bytes(8, "little")))
    nodes = [raw_node("ConstantOfShape", ["size"], [f"c{place}"]) for place in range(count)]
    return raw_model(size, *nodes, raw_node("Foo", ["x", "c0"], ["y"]))


def copies(count: int) -> bytes:
    """One constant of 4,096 elements under many names."""
    tensor = raw_tensor("c0", (4096,), 1, message(9, bytes(4 * 4096)))
    nodes = [raw_node("Identity", [f"c{place}"], [f"c{place + 1}"]) for place in range(count)]
    return raw_model(tensor, *nodes, raw_node("Foo", ["x", f"c{count}"], ["y"]))


def broadcasts(count: int) -> bytes:
    """Weights computed from weights computed from weights."""
    nodes = [raw_node("Exp", [f"c{place}"], [f"c{place + 1}"]) for place in range(count)]
    readers = [
        raw_node("Foo", ["x" if not place else f"f{place - 1}", f"c{count}"], [f"f{place}"]) for place in range(count)
    ]
    return raw_model(raw_tensor("c0", (100, 100)), *nodes, *readers, raw_node("Relu", [f"f{count - 1}"], ["y"]))


def hostile(scale: int = 100_000) -> dict[str, Callable[[], bytes]]:
    """Files by what is wrong with them; ``scale`` is the number of nodes, inputs or outputs of the large ones."""
    relu = raw_node("Relu", ["x"], ["y"])
    long = "n" * 100_000
    control = "a\x1b[31m\x07\n\u202eb"
    return {
        "empty": lambda: b"",
        "zeros": lambda: bytes(1000),
        "text": lambda: b"model net {\n  input x: f32[N, 3, 8, 8]\n}\n",
        "no graph": lambda: integer(1, 8),
        "no nodes": lambda: raw_model(outputs=raw_value(12, "x", ("N", 3, 8, 8))),
        "no inputs": lambda: raw_model(relu, inputs=b""),
        "no outputs": lambda: raw_model(relu, outputs=b""),
        "cycle": lambda: raw_model(
            raw_node("Add", ["x", "b"], ["a"]), raw_node("Relu", ["a"], ["b"]), raw_node("Relu", ["b"], ["y"])
        ),
        "itself": lambda: raw_model(raw_node("Add", ["x", "y"], ["y"])),
        "missing value": lambda: raw_model(raw_node("Add", ["x", "nowhere"], ["y"])),
        "missing output": lambda: raw_model(raw_node("Relu", ["x"], ["z"])),
        "output is input": lambda: raw_model(outputs=raw_value(12, "x", ())),
        "output is constant": lambda: raw_model(raw_tensor("y", (1,), 1, message(9, bytes(4)))),
        "duplicate outputs": lambda: raw_model(relu, outputs=raw_value(12, "y", ()) * 3),
        "duplicate inputs": lambda: raw_model(relu, inputs=raw_value(11, "x", ("N", 3, 8, 8)) * 3),
        "duplicate values": lambda: raw_model(relu, relu),
        "duplicate tensors": lambda: raw_model(raw_tensor("w", (3,)) * 2, raw_node("Mul", ["x", "w"], ["y"])),
        "tensor called as input": lambda: raw_model(raw_tensor("x", (3,)), relu),
        "node without outputs": lambda: raw_model(raw_node("Relu", ["x"], []), relu),
        "identity without outputs": lambda: raw_model(raw_node("Identity", ["x"], []), relu),
        "node without type": lambda: raw_model(raw_node("", ["x"], ["y"])),
        "empty names": lambda: raw_model(raw_node("Relu", [""], ["y"])),
        "huge dims": lambda: raw_model(relu, inputs=raw_value(11, "x", ((1 << 39), (1 << 39), (1 << 39), (1 << 39)))),
        "huge weight": lambda: raw_model(
            raw_tensor("w", (1 << 39, 3, 1 << 20, 1 << 20)), raw_node("Conv", ["x", "w"], ["y"])
        ),
        "negative dims": lambda: raw_model(relu, inputs=raw_value(11, "x", (-1, -3, -8, 1 << 63))),
        "zero dims": lambda: raw_model(relu, inputs=raw_value(11, "x", (0, 0, 0, 0))),
        "negative weight": lambda: raw_model(raw_tensor("w", (-4, 3, 1, 1)), raw_node("Conv", ["x", "w"], ["y"])),
        "rank of thousands": lambda: raw_model(relu, inputs=raw_value(11, "x", (1,) * 5000)),
        "symbols": lambda: raw_model(
            relu, inputs=raw_value(11, "x", ("a*b", "(c", "1+", "N - N", "if", long, control, "é"))
        ),
        "stride of zero": lambda: raw_model(
            raw_node("MaxPool", ["x"], ["y"], raw_ints("kernel_shape", 2, 2) + raw_ints("strides", 0, 0))
        ),
        "huge window": lambda: raw_model(
            raw_node("MaxPool", ["x"], ["y"], raw_ints("kernel_shape", 1 << 62, 2) + raw_ints("pads", *(1 << 62,) * 4))
        ),
        "groups of zero": lambda: raw_model(
            raw_tensor("w", (4, 3, 1, 1)), raw_node("Conv", ["x", "w"], ["y"], raw_int("group", 0))
        ),
        "axes beyond": lambda: raw_model(
            raw_node("Concat", ["x", "x"], ["a"], raw_int("axis", 1 << 62)),
            raw_node("Transpose", ["a"], ["b"], raw_ints("perm", 9, 9, 9, 9)),
            raw_node("Squeeze", ["b"], ["c"], raw_ints("axes", -99)),
            raw_node("Flatten", ["c"], ["y"], raw_int("axis", -99)),
        ),
        "weights of weights": lambda: raw_model(
            raw_tensor("w", ()),
            raw_node("Squeeze", ["w"], ["a"], raw_ints("axes", 0)),
            raw_node("Unsqueeze", ["w"], ["b"], raw_ints("axes", 99)),
            raw_node("ReduceMean", ["w"], ["c"], raw_ints("axes", 5)),
            raw_node("Concat", ["w", "w"], ["d"], raw_int("axis", 3)),
            raw_node("Split", ["w"], ["e", "f"], raw_int("axis", 3)),
            raw_node("Transpose", ["w"], ["g"], raw_ints("perm", 1)),
            *(raw_node("Foo", ["x", one], [f"{one}_"]) for one in "abcdefg"),
            relu,
        ),
        "long names": lambda: raw_model(
            raw_node("Relu", ["x"], [long], name=long), raw_node(long, [long], ["y"], raw_ints(long, 1))
        ),
        "control characters": lambda: raw_model(
            raw_tensor(control, (3,)),
            raw_node("Relu", ["x"], [f"{control}/v"], name=f"/{control}/{control}"),
            raw_node(control, [f"{control}/v", control], ["y"], message(5, text(1, control) + text(4, control))),
        ),
        "chain": lambda: chain(scale),
        "chain of unknowns": lambda: chain(scale, "Foo"),
        "chain of transposes": lambda: chain(scale, "Transpose"),
        "ladder": lambda: ladder(scale),
        "ladder of concatenations": lambda: ladder(scale, "Concat"),
        "ladder of products": lambda: ladder(scale, "Mul"),
        "pyramid": lambda: pyramid(scale // 2),
        "chain of convolutions": lambda: convolutions_in("chain", scale),
        "ladder of convolutions": lambda: convolutions_in("ladder", scale // 2),
        "steps of convolutions": lambda: convolutions_in("steps", scale // 2),
        "outputs of convolutions": lambda: convolutions_in("outputs", scale),
        "fibonacci": lambda: residuals(scale),
        "squares": lambda: squares(min(scale, 10_000)),
        "polynomial": lambda: polynomial(min(scale, 10_000)),
        "doubled rank": lambda: doubled("Gather", 40),
        "doubled constant": lambda: doubled("Concat", 40),
        "filled constants": lambda: filled(scale),
        "copied constants": lambda: copies(scale),
        "constants": lambda: constants(min(scale, 30_000)),
        "weights computed again": lambda: broadcasts(min(scale, 20_000)),
        "split": lambda: raw_model(
            raw_node("Split", ["x"], ["y", *(f"s{place}" for place in range(scale - 1))], raw_int("axis", 2))
        ),
        "split and used": lambda: raw_model(
            raw_node("Split", ["x"], [f"s{place}" for place in range(scale)], raw_int("axis", 2)),
            raw_node("Concat", [f"s{place}" for place in range(scale)], ["y"], raw_int("axis", 1)),
        ),
        "join of one value": lambda: raw_model(raw_node("Sum", ["x"] * scale, ["y"])),
        "fan": lambda: raw_model(
            *(raw_node("Relu", ["x"], [f"r{place}"]) for place in range(scale)),
            raw_node("Sum", [f"r{place}" for place in range(scale)], ["y"]),
        ),
        "many outputs": lambda: raw_model(relu, outputs=b"".join(raw_value(12, "y", ()) for _ in range(scale))),
        "many outputs of a name": lambda: raw_model(
            *(raw_node("Relu", ["x"], [f"{'é' * 70}{place}"]) for place in range(scale // 10)),
            outputs=b"".join(raw_value(12, f"{'é' * 70}{place}", ()) for place in range(scale // 10)),
        ),
        "many inputs": lambda: raw_model(
            relu, inputs=b"".join(raw_value(11, "x" if not place else f"i{place}", (1, 1)) for place in range(scale))
        ),
        "many tensors": lambda: raw_model(relu, *(raw_tensor(f"t{place}", (1,)) for place in range(scale * 4))),
        "empty tensors": lambda: raw_model(relu, raw_tensor("", ()) * (scale * 10)),
        "nodes of one name": lambda: raw_model(
            *(
                raw_node("Relu", ["x" if not place else f"v{place - 1}"], [f"v{place}"], name="/a/b/Relu")
                for place in range(scale)
            ),
            raw_node("Relu", [f"v{scale - 1}"], ["y"]),
        ),
        "deep paths": lambda: raw_model(
            *(
                raw_node(
                    "Relu",
                    ["x" if not place else f"v{place - 1}"],
                    [f"v{place}"],
                    name="/" + "/".join("a" * (place % 90 + 1)),
                )
                for place in range(scale // 10)
            ),
            raw_node("Relu", [f"v{scale // 10 - 1}"], ["y"]),
        ),
        "bomb of integers": lambda: raw_model(
            raw_node(
                "Relu", ["x"], ["y"], message(5, text(1, "a") + message(8, b"\x01" * (10 * scale)) + integer(20, 7))
            )
        ),
        "bomb of attributes": lambda: raw_model(
            raw_node("Foo", ["x"], ["y"], b"".join(raw_int(f"a{place}", place) for place in range(scale)))
        ),
        "lists in metadata": lambda: raw_model(
            raw_node(
                "Relu",
                ["x"],
                ["y"],
                message(9, text(1, "pkg.torch.onnx.name_scopes") + text(2, "[" * scale))
                + message(9, text(1, "pkg.torch.onnx.class_hierarchy") + text(2, "[" + "'a'," * (scale // 5) + "]")),
            )
        ),
        "metadata of every node": lambda: raw_model(
            *(
                raw_node(
                    "Relu",
                    ["x" if not place else f"v{place - 1}"],
                    [f"v{place}"],
                    message(9, text(1, "pkg.torch.onnx.name_scopes") + text(2, "[" + "'a.b', " * 1000 + "'']")),
                )
                for place in range(scale // 700)
            ),
            raw_node("Relu", [f"v{scale // 700 - 1}"], ["y"]),
        ),
        "backwards": lambda: raw_model(
            *(raw_node("Relu", [f"v{place + 1}"], [f"v{place}" if place else "y"]) for place in range(scale)),
            raw_node("Relu", ["x"], [f"v{scale}"]),
        ),
    }
