"""Operators that ONNX Runtime fuses when it optimises a file, as the standard ones that they were made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from resdsl.importer.records import AttributeValue, NodeRecord

_DOMAIN = "com.microsoft"


def unfused(nodes: Iterable[NodeRecord]) -> list[NodeRecord]:
    """The nodes of a file, each fused one as those that compute the same."""
    return [one for node in nodes for one in (_parts(node) if node.domain == _DOMAIN else (node,))]


def _parts(node: NodeRecord) -> Iterable[NodeRecord]:
    split = _FUSED.get(node.type)
    parts = list(split(node)) if split is not None and len(node.outputs) == 1 and node.inputs else []
    return parts or [node]


def _made(node: NodeRecord, kind: str, inputs: list[str], output: str, **attributes: AttributeValue) -> NodeRecord:
    return NodeRecord(kind, "", node.name, inputs, [output], attributes, node.metadata)


def _number(node: NodeRecord, name: str, value: float) -> NodeRecord:
    return _made(node, "Constant", [], name, value_float=value)


def _conv(node: NodeRecord) -> Iterator[NodeRecord]:
    """``activation(Conv(x, weight, bias) + sum)``."""
    parameters = node.attributes.get("activation_params")
    numbers = tuple(map(float, parameters)) if isinstance(parameters, tuple) else ()
    inner = {key: value for key, value in node.attributes.items() if not key.startswith("activation")}
    steps: list[str] = [f"{node.outputs[0]}:conv"]
    total = node.inputs[3] if len(node.inputs) > 3 else ""
    if total:
        steps.append(f"{node.outputs[0]}:sum")
    kind = node.word("activation")
    if not kind:
        steps[-1] = node.outputs[0]
    yield NodeRecord("Conv", "", node.name, node.inputs[:3], steps[:1], inner, node.metadata)
    if total:
        yield _made(node, "Add", [steps[0], total], steps[1])
    if kind:
        yield from _activation(node, kind, steps[-1], numbers)


def _gemm(node: NodeRecord) -> Iterator[NodeRecord]:
    inner = {key: value for key, value in node.attributes.items() if not key.startswith("activation")}
    kind, result = node.word("activation"), f"{node.outputs[0]}:gemm"
    if not kind:
        return
    yield NodeRecord("Gemm", "", node.name, node.inputs, [result], inner, node.metadata)
    names = [name for name in ("activation_alpha", "activation_beta", "activation_gamma") if name in node.attributes]
    yield from _activation(node, kind, result, tuple(node.number(name, 0.0) for name in names))


def _activation(node: NodeRecord, kind: str, x: str, numbers: tuple[float, ...]) -> Iterator[NodeRecord]:
    output = node.outputs[0]
    if kind == "Clip" and len(numbers) == 2:
        names = [f"{output}:min", f"{output}:max"]
        yield from map(_number, (node, node), names, numbers)
        yield _made(node, "Clip", [x, *names], output)
        return
    attributes: dict[str, AttributeValue] = dict(zip(("alpha", "beta"), numbers, strict=False))
    yield NodeRecord(kind, "", node.name, [x], [output], attributes, node.metadata)


def _matmul(node: NodeRecord) -> Iterator[NodeRecord]:
    """A product of matrices, of which the first or the second is transposed."""
    plain = ("transBatchA", "transBatchB")
    if len(node.inputs) != 2 or any(node.integer(name) for name in plain) or node.integer("transA"):
        return
    factor = node.number("alpha", 1.0)
    output = node.outputs[0]
    product = output if factor == 1 else f"{output}:product"
    if node.integer("transB"):
        # Only a matrix of weights: what else is transposed here is attention, of another rank.
        yield _made(node, "Gemm", node.inputs, product, transB=1)
    else:
        yield _made(node, "MatMul", node.inputs, product)
    if factor != 1:
        yield _number(node, f"{output}:alpha", factor)
        yield _made(node, "Mul", [product, f"{output}:alpha"], output)


def _quick_gelu(node: NodeRecord) -> Iterator[NodeRecord]:
    """``x * Sigmoid(alpha * x)``: SiLU where ``alpha`` is 1."""
    x, output = node.inputs[0], node.outputs[0]
    alpha, inner = node.number("alpha", 1.702), x
    if alpha != 1:
        inner = f"{output}:scaled"
        yield _number(node, f"{output}:alpha", alpha)
        yield _made(node, "Mul", [x, f"{output}:alpha"], inner)
    yield _made(node, "Sigmoid", [inner], f"{output}:sigmoid")
    yield _made(node, "Mul", [x, f"{output}:sigmoid"], output)


def _gelu(node: NodeRecord) -> Iterator[NodeRecord]:
    """``Gelu(x + bias)``, the bias left out in some."""
    x, output = node.inputs[0], node.outputs[0]
    if len(node.inputs) > 1 and node.inputs[1]:
        yield _made(node, "Add", node.inputs[:2], f"{output}:sum")
        x = f"{output}:sum"
    approximate = "tanh" if node.type == "FastGelu" else "none"
    yield _made(node, "Gelu", [x], output, approximate=approximate)


_FUSED: dict[str, Callable[[NodeRecord], Iterator[NodeRecord]]] = {
    "BiasGelu": _gelu,
    "FastGelu": _gelu,
    "FusedConv": _conv,
    "FusedGemm": _gemm,
    "FusedMatMul": _matmul,
    "Gelu": _gelu,
    "QuickGelu": _quick_gelu,
    "TransposeMatMul": _matmul,
}
