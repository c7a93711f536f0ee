"""A traced program as records of the importer: its calls as nodes, with the paths and classes of modules."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping

import torch
from torch import fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils import _pytree as pytree

from resdsl.importer.records import REASON, Element, ModelRecord, TensorRecord, ValueRecord
from resdsl.torch.tracing.call import PLACE, Call, Records, Unwritable, shape_of
from resdsl.torch.tracing.operators import WRITERS

OPSET = 21
"""The version of ONNX's operators that is written: the first with a weight of each channel for group norms."""

_ELEMENTS = {
    torch.float32: Element.FLOAT,
    torch.float64: Element.DOUBLE,
    torch.float16: Element.FLOAT16,
    torch.bfloat16: Element.BFLOAT16,
    torch.int64: Element.INT64,
    torch.int32: Element.INT32,
    torch.int8: Element.INT8,
    torch.uint8: Element.UINT8,
    torch.bool: Element.BOOL,
}
_TENSORS = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
_IMAGE_RANK = 4


def translated(program: ExportedProgram, tensors: Mapping[str, torch.Tensor]) -> ModelRecord:
    """The model of a program; ``tensors`` are those that it reads, by name.

    A call that no record expresses is a node of the domain ``aten``, with the reason in its metadata.
    """
    model = ModelRecord(ir_version=10, producer="pytorch", producer_version=torch.__version__, opsets={"": OPSET})
    records = Records(model, {})
    kinds = {spec.arg.name: spec for spec in program.graph_signature.input_specs if hasattr(spec.arg, "name")}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            spec = kinds[node.name]
            if spec.kind in _TENSORS:
                model.tensors[spec.target] = _tensor(spec.target, tensors[spec.target])
                records.names[node] = spec.target
            elif isinstance(node.meta.get("val"), torch.Tensor):
                _input(node, records)
        elif node.op == "call_function":
            _write(node, records)
        elif node.op == "output":
            _outputs(node, program, records)
    return model


def _tensor(name: str, tensor: torch.Tensor) -> TensorRecord:
    return TensorRecord(name, _ELEMENTS.get(tensor.dtype, 0), tuple(tensor.shape))


def _input(node: fx.Node, records: Records) -> None:
    value = node.meta["val"]
    # `forward(self, x)` says nothing of what a network takes.
    name = "image" if not records.model.inputs and value.ndim == _IMAGE_RANK else node.name
    letters = iter(("N", "", "H", "W") if value.ndim == _IMAGE_RANK else ("N",))
    shape = tuple(
        size if isinstance(size, int) else name or f"D{axis}"
        for axis, (size, name) in enumerate(zip(value.shape, [*letters, *[""] * value.ndim], strict=False))
    )
    records.model.inputs.append(ValueRecord(name, _ELEMENTS.get(value.dtype, 0), shape))
    records.names[node] = name


def _write(node: fx.Node, records: Records) -> None:
    if node.target is operator.getitem:
        source, place = node.args
        names = records.names.get(source)
        records.names[node] = names[place] if isinstance(names, tuple) else node.name
        return
    found = node.meta.get("val")
    if not isinstance(found, torch.Tensor | tuple | list):
        # A size, which is written where it is used, or an assertion.
        return
    call = Call(records, node, _arguments(node), _metadata(node))
    length = len(records.model.nodes)
    try:
        writer = WRITERS.get(_operator(node))
        if writer is None:
            raise Unwritable("the language has no such operator")
        writer(call)
    except Unwritable as unwritable:
        del records.model.nodes[length:]
        _unwritable(call, str(unwritable))
    _state_types(node, records)


def _unwritable(call: Call, reason: str) -> None:
    """A node of which the importer knows nothing but its name and the types of its results."""
    node = call.node
    inputs = [records for one in node.all_input_nodes if isinstance(records := call.records.names.get(one), str)]
    call.metadata[REASON] = reason
    found = node.meta["val"]
    count = len(found) if isinstance(found, tuple | list) else 1
    items = {user.args[1]: user.name for user in node.users if user.target is operator.getitem}
    names = (
        tuple(items.get(place, f"{node.name}:{place}") for place in range(count))
        if isinstance(found, tuple | list)
        else (node.name,)
    )
    call.emit(_operator(node), *inputs, outputs=names)
    call.records.model.nodes[-1].domain = "aten"
    call.records.names[node] = names if isinstance(found, tuple | list) else node.name


def _state_types(node: fx.Node, records: Records) -> None:
    found, names = node.meta["val"], records.names[node]
    values = [(names, found)] if isinstance(names, str) else zip(names, found, strict=False)
    for name, value in values:
        if isinstance(value, torch.Tensor):
            shape = tuple(size if isinstance(size, int) else None for size in value.shape)
            records.model.values.setdefault(name, ValueRecord(name, _ELEMENTS.get(value.dtype, 0), shape))


def _operator(node: fx.Node) -> str:
    """The name of the operator in ATen; of one in place, that of the one that is not."""
    schema = getattr(node.target, "_schema", None)
    name = getattr(node.target, "__name__", str(node.target)) if schema is None else str(schema.name)
    name = name.removeprefix("aten::").replace("::", ".")
    return name.removesuffix("_") if schema is not None and schema.is_mutable else name


def _arguments(node: fx.Node) -> dict[str, object]:
    """The arguments by the names in the schema, with its defaults."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {}
    given: dict[str, object] = {}
    for place, argument in enumerate(schema.arguments):
        if place < len(node.args) and not argument.kwarg_only:
            given[argument.name] = node.args[place]
        elif argument.name in node.kwargs:
            given[argument.name] = node.kwargs[argument.name]
        else:
            given[argument.name] = argument.default_value if argument.has_default_value() else None
    return given


def _metadata(node: fx.Node) -> dict[str, str]:
    """The modules around a call, as PyTorch's ONNX exporter writes them."""
    scopes, classes = [""], [""]
    for path, kind in (node.meta.get("nn_module_stack") or {}).values():
        # The second call of a module has a number behind its path.
        name = path.partition("@")[0]
        if name:
            scopes.append(name)
            classes.append(kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}")
        else:
            classes[0] = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    return {
        "pkg.torch.onnx.name_scopes": str([*scopes, node.name]),
        "pkg.torch.onnx.class_hierarchy": str([*classes, _operator(node)]),
        PLACE: scopes[-1] or "the module itself",
    }


def _outputs(node: fx.Node, program: ExportedProgram, records: Records) -> None:
    specs = program.graph_signature.output_specs
    results = [one for one, spec in zip(node.args[0], specs, strict=True) if spec.kind is OutputKind.USER_OUTPUT]
    values = [(one, name) for one, name in zip(results, _names(program, len(results)), strict=True)]
    tensors = [(one, name) for one, name in values if isinstance(one, fx.Node) and _is_float(one)]
    taken = {*records.model.tensors, *(value.name for value in records.model.inputs)}
    for one, given in tensors:
        value = records.names[one]
        assert isinstance(value, str)
        name = given or _usual_name(one)
        while name in taken or name in records.model.values:
            name = f"{name}_"
        taken.add(name)
        call = Call(records, one, {}, {})
        call.emit("Identity", value, outputs=(name,))
        shape = tuple(size if isinstance(size, int) else None for size in one.meta["val"].shape)
        records.model.outputs.append(ValueRecord(name, _ELEMENTS.get(one.meta["val"].dtype, 0), shape))


def _is_float(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _usual_name(node: fx.Node) -> str:
    """What an output is called that has no name of its own."""
    if len(shape_of(node)) != 2:
        return "output"
    return "probabilities" if "softmax" in _operator(node) else "logits"


def _names(program: ExportedProgram, count: int) -> list[str]:
    """The keys under which a module returns its tensors; empty for one alone."""
    spec = program.call_spec.out_spec
    if spec is None or (count < 2 and spec.is_leaf()):
        return [""] * count
    paths = [path for path, _ in pytree.tree_flatten_with_path(pytree.tree_unflatten(list(range(count)), spec))[0]]
    return ["_".join(_keys(path)) for path in paths]


def _keys(path: tuple[object, ...]) -> Iterator[str]:
    if all(hasattr(key, "idx") for key in path):
        yield "output"
    for key in path:
        yield str(next((getattr(key, name) for name in ("key", "name", "idx") if hasattr(key, name)), key))
