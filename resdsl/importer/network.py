"""A network as another tool made it, as a Graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from resdsl.diagnostics import CompileError, Source, Span, catalogue
from resdsl.gc_pause import collection_paused
from resdsl.importer.draft import Constant, Value
from resdsl.importer.paths import classes_of, paths_of, unique
from resdsl.importer.read import read_draft
from resdsl.importer.records import NodeRecord
from resdsl.importer.source import NetworkSource
from resdsl.ir import metadata
from resdsl.ir.graph import Graph, Node, Output, Parameter, Scope, ScopeKind
from resdsl.ir.types import TensorType
from resdsl.ir.verify import verify
from resdsl.ops import aliases, joins, operators
from resdsl.ops.input import Input
from resdsl.ops.opaque import Opaque
from resdsl.syntax.grammar import RESERVED
from resdsl.untrusted import printable


@dataclass(frozen=True, slots=True)
class Imported:
    """A network that was read from an ONNX file or another source.

    ``graph`` has all nodes directly in its root. ``classes`` are the class names of modules by path, ``records`` the
    nodes of the file behind each node of the graph, ``values`` the name in the file of each node's value;
    ``placed`` are the nodes whose path the file has given, and not only a name. The file's input is ``[N, H, W, C]``
    where ``channels_last_input``; the graph's is always ``[N, C, H, W]``.
    """

    graph: Graph
    file: NetworkSource
    classes: Mapping[str, str]
    records: tuple[tuple[NodeRecord, ...], ...]
    values: tuple[str, ...]
    placed: frozenset[int]
    channels_last_input: bool = False

    @property
    def opaque(self) -> tuple[Node, ...]:
        """The nodes that the language does not have."""
        return tuple(node for node in self.graph.nodes if isinstance(node.operator, Opaque))


@collection_paused()
def read_network(file: NetworkSource) -> Imported:
    """The network of a source. Raises ``CompileError`` if it is none."""
    draft = read_draft(file)
    model = file.model
    inputs = [value for value in draft.values if isinstance(value.operator, Input)]
    if not inputs:
        raise _refused(file, "it has no input")
    ends: list[tuple[str, Value]] = []
    for output in model.outputs:
        item = draft.items[output.name]
        if isinstance(item, Constant):
            raise _refused(file, f"its output `{printable(output.name)}` does not depend on the input")
        assert isinstance(item, Value)
        ends.append((output.name, item))
    if not ends:
        raise _refused(file, "it has no output")
    kept = _reachable([value for _, value in ends], inputs[0])
    values = [value for value in draft.values if id(value) in kept]
    values.sort(key=lambda value: value is not inputs[0])
    paths, known = paths_of(values[1:])
    graph = _graph(file, values, ["input", *paths], ends)
    verify(graph)
    return Imported(
        graph,
        file,
        classes_of(values),
        tuple(value.records for value in values),
        tuple(value.name for value in values),
        frozenset(place + 1 for place in known),
        draft.channels_last_input,
    )


def _reachable(ends: list[Value], first: Value) -> set[int]:
    kept = {id(first)}
    waiting = list(ends)
    while waiting:
        value = waiting.pop()
        if id(value) not in kept:
            kept.add(id(value))
            waiting += value.inputs
    return kept


def _graph(file: NetworkSource, values: list[Value], paths: list[str], ends: list[tuple[str, Value]]) -> Graph:
    span = Span(Source(file.name, ""), 0, 0)
    index = {id(value): place for place, value in enumerate(values)}
    types: dict[TensorType, TensorType] = {}
    nodes = tuple(
        Node(
            place,
            value.operator,
            tuple(index[id(one)] for one in value.inputs),
            types.setdefault(value.type, value.type),
            path,
            span,
        )
        for place, (value, path) in enumerate(zip(values, paths, strict=True))
    )
    parameters: dict[str, Parameter] = {}
    for node, value in zip(nodes, values, strict=True):
        if not value.tensors:
            continue
        for spec in value.operator.parameters(*(one.type for one in value.inputs)):
            name = f"{node.path}.{spec.name}"
            source = value.tensors[spec.name].source
            parameters[name] = Parameter(name, spec.shape, spec.dtype, spec.trainable, source, node.index)
    outputs = []
    input_name = _identifier(values[0].name, "input")
    taken = {input_name: 1}
    for name, value in ends:
        label = unique(_identifier(name, "output"), taken)
        outputs.append(Output(label, index[id(value)], span))
    root = Scope(
        ScopeKind.MODEL,
        "",
        "",
        _model_name(PurePath(file.name.rpartition(":")[2]).stem),
        {},
        span,
        list(range(len(nodes))),
        0,
        outputs[-1].node,
    )
    entries = file.model.metadata
    return Graph(
        root.callee,
        nodes,
        tuple(outputs),
        root,
        parameters,
        input_name,
        preprocess=_entry(metadata.PREPROCESS, entries),
        labels=_entry(metadata.LABELS, entries),
    )


def _entry(entry: metadata.Entry, entries: Mapping[str, str]):  # type: ignore[no-untyped-def, type-arg]
    """What the file states; nothing where it has another form."""
    try:
        return entry.find(entries)
    except ValueError:
        return None


def _model_name(stem: str) -> str:
    """The name of a file as that of a model, which may not be an operator's."""
    name = _identifier(stem, "network")
    return name if can_name(name) else f"{name}_net"


def can_name(name: str) -> bool:
    """Whether a model or a block can have this name."""
    is_word = name.isascii() and name.isidentifier() and name not in RESERVED
    return is_word and name not in operators() and name not in joins() and name not in aliases()


def _identifier(name: str, otherwise: str) -> str:
    text = "".join(letter if letter.isascii() and (letter.isalnum() or letter == "_") else "_" for letter in name)[:60]
    if not text.strip("_"):
        return otherwise
    return f"_{text}" if text[0].isdigit() else text


def _refused(file: NetworkSource, reason: str) -> CompileError:
    return CompileError.of(catalogue.NOT_A_NETWORK, f"`{printable(file.name)}` cannot be read as a network: {reason}")
