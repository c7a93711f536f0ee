"""One page for each operator, join and step of preprocessing, made from its class."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache

import resdsl
from pages.networks import network
from pages.page import Page, Part, code, fence, first_sentence, shape, table
from resdsl.analysis.quantities import exact
from resdsl.ir.graph import Graph, Node
from resdsl.ir.operator import Example, Lowering, Operator
from resdsl.ir.preprocess import STEPS
from resdsl.ir.torch_code import TorchCode
from resdsl.ops import joins, operators
from resdsl.ops.reference import ArgumentEntry
from resdsl.ops.reference import table as entries
from resdsl.specification import builtin

_LONGEST = 60
"""Characters of a call that fit on the screen of a phone, or nearly."""


def part() -> Part:
    """The pages of the operators, after a table of them."""
    pages = [Page("operators/index.md", "Overview", _overview())]
    called = [entry for entry in entries() if entry.kind == "operator"]
    pages += [
        _page(entry.name, _operator(entry.name, entry.call, operators()[entry.name], entry.arguments))
        for entry in called
    ]
    pages += [_page(name, _operator(name, f"{name} {{ .. }}", join, ())) for name, join in joins().items()]
    steps = [entry for entry in entries() if entry.kind == "step"]
    pages += [_page(entry.name, _step(entry.name, entry.call, entry.arguments)) for entry in steps]
    return Part("Operators", tuple(pages))


def _page(name: str, lines: Iterator[str]) -> Page:
    return Page(f"operators/{name}.md", name, "".join(f"{line}\n" for line in lines))


def _overview() -> str:
    def rows(kind: str) -> Iterator[tuple[str, str]]:
        for entry in entries():
            if entry.kind == kind:
                yield f"[`{entry.name}`]({entry.name}.md)", first_sentence(entry.doc)

    joined = ((f"[`{name}`]({name}.md)", _first(join)) for name, join in joins().items())
    return (
        "# Operators\n\nWhat a statement of the [language](../language.md#operators) can call. `resdsl operators NAME`"
        " prints the arguments of one.\n\n"
        f"{table(('operator', 'what it does'), rows('operator'))}\n"
        f"## Joins\n\nA join makes one value of several branches: `add {{ identity; conv(64, 3x3) }}`.\n\n"
        f"{table(('join', 'what it does'), joined)}\n"
        f"## Preprocessing\n\nThe steps of `preprocess {{ .. }}` make the input of a network from an image.\n\n"
        f"{table(('step', 'what it does'), rows('step'))}"
    )


def _doc(described: type) -> str:
    return inspect.cleandoc(described.__doc__ or "")


def _first(described: type) -> str:
    return first_sentence(_doc(described).replace("``", "`"))


def _operator(name: str, call: str, operator: type[Operator], arguments: tuple[ArgumentEntry, ...]) -> Iterator[str]:
    yield f"# {name}"
    yield ""
    yield fence(_call(call), "res")
    yield f"{_doc(operator)}\n"
    yield from _arguments(arguments)
    yield "## Examples"
    yield ""
    rows = [_example(example) for example in operator.examples]
    yield table(("statement", "input", "result", "parameters:", "MACs:"), rows)
    yield from _elsewhere(operator)
    users = [one for one in builtin.names() if name in _operators_of(one)]
    if users:
        yield "## Used in"
        yield ""
        yield f"{', '.join(f'[{one}](../networks/{one}.md)' for one in users)}\n"


def _step(name: str, call: str, arguments: tuple[ArgumentEntry, ...]) -> Iterator[str]:
    yield f"# {name}"
    yield ""
    yield fence(_call(call), "res")
    yield f"{_doc(STEPS[name])}\n"
    yield "A step of `preprocess { .. }`; see [preprocessing](../language.md#preprocessing)."
    yield ""
    yield from _arguments(arguments)


def _call(call: str) -> str:
    """A call with an argument on each line if it is long."""
    if len(call) <= _LONGEST:
        return call
    head, _, arguments = call.removesuffix(")").partition("(")
    # A default may be a list.
    lines = re.split(r", (?![^\[]*\])", arguments)
    return f"{head}(\n" + "".join(f"  {line},\n" for line in lines) + ")"


def _arguments(arguments: tuple[ArgumentEntry, ...]) -> Iterator[str]:
    if arguments:
        yield "## Arguments"
        yield ""
        yield table(
            ("argument", "default", "what it takes"),
            (
                (code(one.name), "required" if one.default is None else code(one.default), f"{one.kind}; {one.doc}")
                for one in arguments
            ),
        )


@cache
def _graph(example: Example) -> Graph:
    sizes = ", ".join(map(str, example.shape))
    return resdsl.loads(f"model example {{\n  input x: f32[{sizes}]\n  {example.text}\n  output y\n}}\n").graph


def _example(example: Example) -> tuple[str, ...]:
    graph = _graph(example)
    macs = exact(graph.macs) if isinstance(graph.macs, int) else str(graph.macs)
    return (
        code(example.text),
        shape(example.shape),
        shape(graph.nodes[-1].type.shape),
        exact(graph.parameter_count),
        macs,
    )


def _elsewhere(operator: type[Operator]) -> Iterator[str]:
    """What the first example becomes in ONNX and in PyTorch, and what other libraries call the operator."""
    example = operator.examples[0]
    graph = _graph(example)
    node = next(node for node in reversed(graph.nodes) if isinstance(node.operator, operator))
    yield "## In ONNX and PyTorch"
    yield ""
    lowering = Lowering(graph.input_types(node), node.type)
    node.operator.lower(lowering)
    nodes = ", ".join(map(code, dict.fromkeys(prim.type for prim in lowering.prims)))
    many = "nodes" if len(lowering.prims) > 1 else "node"
    yield f"`{example.text}` on `{list(example.shape)}` is the {many} {nodes} in ONNX, and in PyTorch:"
    yield ""
    yield fence("\n".join(_in_torch(graph, node)), "python")
    if operator.aliases:
        yield f"In other libraries it is called {', '.join(map(code, operator.aliases))}."
        yield ""


def _in_torch(graph: Graph, node: Node) -> Iterator[str]:
    names = ("x",) if len(node.inputs) == 1 else tuple(f"x{index}" for index in range(1, len(node.inputs) + 1))
    to = TorchCode(graph.input_types(node), node.type, names, "layer")
    expression = node.operator.in_torch(to)
    if to.made is not None:
        arguments = [*map(repr, to.made.arguments), *(f"{name}={value!r}" for name, value in to.made.options.items())]
        yield f"layer = nn.{to.made.type}({', '.join(arguments)})"
    yield f"y = {expression}"


@cache
def _operators_of(name: str) -> frozenset[str]:
    kinds = {type(node.operator) for node in network(name).graph.nodes}
    return frozenset(kind.name or getattr(kind, "join", "") for kind in kinds)
