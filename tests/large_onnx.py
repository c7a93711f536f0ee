"""ONNX files of very many nodes, by what they repeat: what a reader of files has to take in bounded time and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from resdsl.protobuf import integer, message, number, text
from tests.foreign_onnx import raw_int, raw_ints, raw_model, raw_node, raw_tensor, raw_value

_CHANNELS = 4
_IMAGE = ("N", _CHANNELS, 8, 8)


@dataclass
class Graph:
    """Fields of a graph from ``x`` to ``y``, written node by node."""

    fields: list[bytes] = field(default_factory=list)
    nodes: int = 0
    values: int = 0
    tensors: int = 0

    def node(self, kind: str, *inputs: str, attributes: bytes = b"", name: str = "", outputs: int = 1) -> str:
        """A node; the name of its first output (``v7``; those of further ones are ``v7.1``, ``v7.2``)."""
        self.values += 1
        made = [f"v{self.values}", *(f"v{self.values}.{place}" for place in range(1, outputs))]
        self.fields.append(raw_node(kind, inputs, made, attributes, name=name))
        self.nodes += 1
        return made[0]

    def floats(self, *dims: int, name: str = "") -> str:
        """A tensor of ones and a name of its own."""
        self.tensors += 1
        name = name or f"t{self.tensors}"
        count = 1
        for dim in dims:
            count *= dim
        self.fields.append(raw_tensor(name, dims, 1, message(9, b"\0\0\x80\x3f" * count)))
        return name

    def integers(self, *numbers: int, rank: int = 1) -> str:
        self.tensors += 1
        name = f"t{self.tensors}"
        content = b"".join(one.to_bytes(8, "little", signed=True) for one in numbers)
        self.fields.append(raw_tensor(name, (len(numbers),) if rank else (), 7, message(9, content)))
        return name

    def file(self, end: str, outputs: Iterable[str] = ()) -> bytes:
        """The model, whose output is the value ``end``."""
        ends = outputs or ["y"]
        last = [] if outputs else [raw_node("Relu", [end], ["y"])]
        return raw_model(
            *self.fields,
            *last,
            inputs=raw_value(11, "x", _IMAGE),
            outputs=b"".join(raw_value(12, one, ()) for one in ends),
        )


Block = Callable[[Graph, str, int], str]
"""Adds a few nodes behind a value, as the block of this number, and gives the value that they end in."""


def chain(block: Block) -> Callable[[int], bytes]:
    """Blocks in a row, until there are so many nodes."""

    def make(count: int) -> bytes:
        graph, value, number = Graph(), "x", 0
        while graph.nodes < count:
            value = block(graph, value, number)
            number += 1
        return graph.file(value)

    return make


def _unary(kind: str, attributes: bytes = b"") -> Block:
    return lambda graph, value, _: graph.node(kind, value, attributes=attributes)


def _conv(graph: Graph, value: str, *, name: str = "") -> str:
    weight = graph.floats(_CHANNELS, _CHANNELS, 1, 1, name=f"{name}.conv.weight" if name else "")
    return graph.node("Conv", value, weight)


def _conv_norm_relu(graph: Graph, value: str, place: int) -> str:
    name = f"layer{place}"
    norm = [
        graph.floats(_CHANNELS, name=f"{name}.bn.{one}") for one in ("weight", "bias", "running_mean", "running_var")
    ]
    return graph.node("Relu", graph.node("BatchNormalization", _conv(graph, value, name=name), *norm))


def _residual(graph: Graph, value: str, _: int) -> str:
    return graph.node("Add", graph.node("Relu", _conv(graph, value)), value)


def _scoped_residual(graph: Graph, value: str, place: int) -> str:
    scope = f"/layer{place // 1000}/layer{place // 1000}.{place % 1000}"
    weight = graph.floats(_CHANNELS, _CHANNELS, 1, 1, name=f"layer{place // 1000}.{place % 1000}.conv.weight")
    inner = graph.node("Conv", value, weight, name=f"{scope}/conv/Conv")
    return graph.node("Add", graph.node("Relu", inner, name=f"{scope}/relu/Relu"), value, name=f"{scope}/Add")


def _dense(graph: Graph, value: str, _: int) -> str:
    return graph.node("Concat", value, "x", attributes=raw_int("axis", 1))


def _silu(graph: Graph, value: str, _: int) -> str:
    return graph.node("Mul", value, graph.node("Sigmoid", value))


def _gelu(graph: Graph, value: str, _: int) -> str:
    root, one, half = (_number(graph, value) for value in (2**0.5, 1.0, 0.5))
    inner = graph.node("Add", graph.node("Erf", graph.node("Div", value, root)), one)
    return graph.node("Mul", graph.node("Mul", value, inner), half)


def _number(graph: Graph, value: float) -> str:
    graph.tensors += 1
    name = f"t{graph.tensors}"
    graph.fields.append(raw_tensor(name, (), 1, number(4, value)))
    return name


def _layer_norm(graph: Graph, value: str, _: int) -> str:
    axes = raw_ints("axes", -1)
    mean = graph.node("ReduceMean", value, attributes=axes)
    centred = graph.node("Sub", value, mean)
    variance = graph.node("ReduceMean", graph.node("Pow", centred, _number(graph, 2.0)), attributes=axes)
    deviation = graph.node("Sqrt", graph.node("Add", variance, _number(graph, 1e-5)))
    normed = graph.node("Div", centred, deviation)
    return graph.node("Add", graph.node("Mul", normed, graph.floats(8)), graph.floats(8))


def _hard_swish(graph: Graph, value: str, _: int) -> str:
    clipped = graph.node(
        "Clip", graph.node("Add", value, _number(graph, 3.0)), _number(graph, 0.0), _number(graph, 6.0)
    )
    return graph.node("Div", graph.node("Mul", value, clipped), _number(graph, 6.0))


def _gate(graph: Graph, value: str, _: int) -> str:
    pooled = graph.node("GlobalAveragePool", value)
    hidden = graph.node("Relu", _conv(graph, pooled))
    return graph.node("Mul", value, graph.node("Sigmoid", _conv(graph, hidden)))


def _reshape(graph: Graph, value: str, _: int) -> str:
    """The pixels joined to one axis and split again, by sizes that are computed from the shape."""
    sizes = graph.node("Shape", value)
    parts = [graph.node("Gather", sizes, graph.integers(axis, rank=0)) for axis in range(3)]
    rows = [graph.node("Unsqueeze", part, graph.integers(0)) for part in parts]
    flat = graph.node("Concat", rows[0], rows[1], graph.integers(-1), attributes=raw_int("axis", 0))
    return graph.node("Reshape", graph.node("Reshape", value, flat), sizes)


def _shuffle(graph: Graph, value: str, _: int) -> str:
    split = graph.node("Reshape", value, graph.integers(0, 2, _CHANNELS // 2, 8, 8))
    turned = graph.node("Transpose", split, attributes=raw_ints("perm", 0, 2, 1, 3, 4))
    return graph.node("Reshape", turned, graph.integers(0, _CHANNELS, 8, 8))


def _split(graph: Graph, value: str, _: int) -> str:
    first = graph.node("Split", value, attributes=raw_int("axis", 1), outputs=2)
    return graph.node("Concat", graph.node("Relu", first), f"{first}.1", attributes=raw_int("axis", 1))


def _turned(graph: Graph, value: str, _: int) -> str:
    last = graph.node("Transpose", value, attributes=raw_ints("perm", 0, 2, 3, 1))
    return graph.node("Transpose", graph.node("Relu", last), attributes=raw_ints("perm", 0, 3, 1, 2))


def _scaled(graph: Graph, value: str, _: int) -> str:
    return graph.node("Mul", value, graph.floats(1, _CHANNELS, 1, 1))


def _constant(graph: Graph, value: str, _: int) -> str:
    tensor = (
        integer(1, 1) + integer(1, _CHANNELS) + integer(1, 1) + integer(1, 1) + integer(2, 1) + message(9, bytes(16))
    )
    number = graph.node("Constant", attributes=message(5, text(1, "value") + message(5, tensor) + integer(20, 4)))
    return graph.node("Add", value, number)


def _matmul(graph: Graph, value: str, _: int) -> str:
    return graph.node("Add", graph.node("MatMul", value, graph.floats(8, 8)), graph.floats(8))


def _attention(graph: Graph, value: str, _: int) -> str:
    query, key, content = (graph.node("MatMul", value, graph.floats(8, 8)) for _ in range(3))
    turned = graph.node("Transpose", key, attributes=raw_ints("perm", 0, 1, 3, 2))
    weights = graph.node("Softmax", graph.node("MatMul", query, turned), attributes=raw_int("axis", -1))
    return graph.node("Add", value, graph.node("MatMul", weights, content))


def _padded(graph: Graph, value: str, _: int) -> str:
    wider = graph.node("Pad", value, graph.integers(0, 0, 1, 1, 0, 0, 1, 1))
    return graph.node("MaxPool", wider, attributes=raw_ints("kernel_shape", 3, 3))


def _far(graph: Graph, value: str, _: int) -> str:
    """A sum with the value of a thousand nodes before: each join's fork is far away."""
    inner = graph.node("Relu", value)
    before = f"v{graph.values - 1000}" if graph.values > 1000 else "x"
    return graph.node("Add", inner, before)


def _long_name(graph: Graph, value: str, place: int) -> str:
    return graph.node("Relu", value, name=f"/{'a' * 150}/{'b' * 150}.{place}/Relu")


def _deep_name(graph: Graph, value: str, place: int) -> str:
    scope = "/".join(f"m{place % (10 ** (depth % 6 + 1))}" for depth in range(20))
    return graph.node("Relu", value, name=f"/{scope}/Relu")


def tree(count: int) -> bytes:
    """Sums of sums, down to as many values of the input."""
    graph = Graph()
    level = [graph.node("Relu", "x") for _ in range(count // 2)]
    while len(level) > 1:
        pairs = [graph.node("Add", a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    return graph.file(level[0])


def wide(kind: str, count: int) -> bytes:
    """One node of as many inputs, each made by a node of its own."""
    graph = Graph()
    made = [graph.node("Relu", "x") for _ in range(count)]
    return graph.file(graph.node(kind, *made, attributes=raw_int("axis", 1) if kind == "Concat" else b""))


def consumers(count: int) -> bytes:
    """One value that as many nodes read, joined one by one."""
    graph = Graph()
    value = graph.node("Relu", "x")
    total = value
    for _ in range(count // 2):
        total = graph.node("Add", total, graph.node("Sigmoid", value))
    return graph.file(total)


def unread(count: int) -> bytes:
    """One value that as many nodes read, which nobody reads."""
    graph = Graph()
    value = graph.node("Relu", "x")
    for _ in range(count):
        graph.node("Sigmoid", value)
    return graph.file(value)


def outputs(count: int) -> bytes:
    """A chain whose every value is an output."""
    graph, value, ends = Graph(), "x", []
    for _ in range(count):
        value = graph.node("Relu", value)
        ends.append(value)
    return graph.file(value, ends)


def tensors(count: int) -> bytes:
    """One node with as many tensors."""
    graph = Graph()
    return graph.file(graph.node("Foo", "x", *(graph.floats(1) for _ in range(count))))


def nested(count: int) -> bytes:
    """``If`` inside ``If``, a thousand deep, in which values of the outermost graph are read."""
    inner = b"".join((raw_node("Relu", ["x"], ["i"]), raw_value(12, "i", ())))
    for depth in range(min(count, 1000)):
        branches = b"".join(
            message(5, text(1, f"{name}_branch") + message(6, inner) + integer(20, 5)) for name in ("then",)
        )
        inner = raw_node("If", ["c"], [f"o{depth}"], branches) + raw_value(12, f"o{depth}", ())
    condition = raw_tensor("c", (), 9, message(9, b"\1"))
    branch = message(5, text(1, "then_branch") + message(6, inner) + integer(20, 5))
    return raw_model(condition, raw_node("If", ["c"], ["y"], branch))


def _function(name: str, *nodes: bytes, opset: bool = True) -> bytes:
    """A function of one input ``a`` and one output ``b``, as a field of the model."""
    imports = message(9, text(1, "") + integer(2, 17)) + message(9, text(1, "f") + integer(2, 1)) if opset else b""
    body = text(1, name) + text(4, "a") + text(5, "b")
    # In a function, nodes are field 7.
    body += b"".join(b"\x3a" + node[1:] for node in nodes) + imports + text(10, "f")
    return message(25, body)


def _call(name: str, value: str, result: str) -> bytes:
    return raw_node(name, [value], [result], text(7, "f"))


def functions(depth: int, calls: int, *, cycle: bool = False) -> bytes:
    """Functions that call the next one, ``calls`` times; in a ``cycle``, the last one calls the first."""
    own = []
    for place in range(depth):
        called = f"f{place + 1}" if place + 1 < depth else ("f0" if cycle else "")
        if not called:
            own.append(_function(f"f{place}", raw_node("Relu", ["a"], ["b"])))
            continue
        names = ["a", *(f"i{one}" for one in range(calls - 1)), "b"]
        own.append(_function(f"f{place}", *(_call(called, names[one], names[one + 1]) for one in range(calls))))
    return raw_model(_call("f0", "x", "y")) + message(8, text(1, "f") + integer(2, 1)) + b"".join(own)


def many_functions(count: int) -> bytes:
    """A tenth as many functions of nine nodes, each called once."""
    graph, value, own = Graph(), "x", []
    for place in range(count // 10):
        names = ["a", *(f"i{one}" for one in range(8)), "b"]
        own.append(_function(f"f{place}", *(raw_node("Relu", [names[one]], [names[one + 1]]) for one in range(9))))
        value = graph.node(f"f{place}", value, attributes=text(7, "f"))
    return graph.file(value) + message(8, text(1, "f") + integer(2, 1)) + b"".join(own)


LARGE: dict[str, Callable[[int], bytes]] = {
    "Relu": chain(_unary("Relu")),
    "Identity": chain(_unary("Identity")),
    "unknown operator": chain(_unary("Foo")),
    "Transpose": chain(_unary("Transpose", raw_ints("perm", 0, 1, 3, 2))),
    "Conv, BatchNormalization, Relu": chain(_conv_norm_relu),
    "residual": chain(_residual),
    "residual, named modules": chain(_scoped_residual),
    "dense Concat": chain(_dense),
    "Sigmoid and Mul": chain(_silu),
    "gelu": chain(_gelu),
    "hard swish": chain(_hard_swish),
    "layer norm": chain(_layer_norm),
    "gate": chain(_gate),
    "Shape, Gather, Reshape": chain(_reshape),
    "channel shuffle": chain(_shuffle),
    "Split, Relu, Concat": chain(_split),
    "Transpose, Relu, Transpose": chain(_turned),
    "Mul by own tensor": chain(_scaled),
    "Add of Constant": chain(_constant),
    "MatMul, Add": chain(_matmul),
    "attention": chain(_attention),
    "Pad, MaxPool": chain(_padded),
    "Add of a value far before": chain(_far),
    "long names": chain(_long_name),
    "deep names": chain(_deep_name),
    "tree of Add": tree,
    "one Sum": lambda count: wide("Sum", count),
    "one Concat": lambda count: wide("Concat", count),
    "one value read by all": consumers,
    "one value, results not read": unread,
    "all values are outputs": outputs,
    "one node, all tensors": tensors,
    "If in If": nested,
    "functions": many_functions,
    "functions in functions": lambda count: functions(count // 10, 1),
    "functions, exponential": lambda _: functions(64, 2),
    "functions in a cycle": lambda _: functions(100, 2, cycle=True),
}
"""Files by what they repeat; the number is about that of their nodes."""
