"""Calls that are built once and then copied.

A deep network is few calls, made very often: the 200 blocks of a stage of ResNet-1202 are one ``basic(64)``, applied to
one type. What the body of such a call becomes is decided by a handful of things, which make its key: the block, the
values of its parameters, the layer that flows in (its operator, type and place, which messages point at), what is being
called around it (no block may call itself), how deep it stands (the limit), and the ``default`` lines and symbols that
hold there. Where all of these are the same, the same statements would be carried out, with the same shapes inferred,
claims verified and warnings told; only names and numbers of nodes differ. So:

- the first call with a key is built from its text, as any other;
- the second one is as well, and what it added to the state is kept as a ``Template``: nodes, weights, scopes and names,
  with names relative to the call's and numbers relative to its first node;
- from the third on the template is copied, which takes a fraction of the time, and gives what the text would.

A call that contains such calls is a template itself in the end. Warnings are counted at each copy as at each call. A
body with a mistake is never a template, and where a copy would meet a limit or a name that is taken, the call is built
from its text: it is told there, at the right statement.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Reversible
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from resdsl.diagnostics import Diagnostics, Span
from resdsl.elaborate.state import Flow, Place, State
from resdsl.ir.graph import Node, Parameter, Scope, ScopeKind, ValueSource
from resdsl.ir.operator import Operator
from resdsl.ir.types import DType, TensorType

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Template:
    """What one call adds to a graph.

    ``suffixes`` are what names begin with the call's path and end with; the first of them, as many as ``spans``, are
    claimed. Values are numbered within the call: 0 is the one that flows in, then its own nodes count from 1. The last
    of ``scopes`` is the call's own, those in a scope stand before it.
    """

    suffixes: tuple[str, ...]
    spans: tuple[Span, ...]
    nodes: tuple[_Node, ...]
    parameters: tuple[_Parameter, ...]
    scopes: tuple[_Scope, ...]
    steps: int
    found: Diagnostics


_Node = tuple[int, Operator, tuple[int, ...], TensorType, int, Span]
"""Number, operator, inputs, type, the number of its path among the suffixes, span."""

_Parameter = tuple[int, tuple[int, ...], DType, bool, ValueSource, int]
"""The number of its name among the suffixes, shape, element type, whether it is trainable, source, node."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """A scope. In ``children`` the scope with number ``n`` is ``~n``."""

    kind: ScopeKind
    label: str
    path: int
    callee: str
    arguments: Mapping[str, str]
    span: Span
    children: tuple[int, ...]
    input: int
    output: int
    given: tuple[str, ...]


class Templates:
    """The calls of one elaboration that may come again."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Template | None] = {}

    def build(self, state: State, flow: int, place: Place) -> Flow:
        """Carry out the body of the call that ``place`` stands in, or copy an equal one; gives what flows out."""
        body = place.frame.definition.tree.body
        if state.poisoned:
            # Whether a mistake is told can depend on those before it.
            return state.run_body(state, body, flow, place)
        key = _key(state, flow, place)
        if key not in self._known:
            self._known[key] = None
            return state.run_body(state, body, flow, place)
        template = self._known[key]
        if template is None:
            result, self._known[key] = _recorded(state, flow, place)
            return result
        result = _copied(state, template, flow, place)
        return state.run_body(state, body, flow, place) if result is None else result


def _key(state: State, flow: int, place: Place) -> Hashable:
    frame = place.frame
    source = state.nodes[flow]
    return (
        frame.inside,
        place.depth,
        *(_value(place.variables[parameter.name.name].value) for parameter in frame.definition.tree.parameters),
        # Equal operators and types are one object each, which lives as long as the state.
        id(source.operator),
        id(source.type),
        source.span,
        tuple(frame.symbols.items()),
        tuple((name, tuple(_value(item) for item in given.items())) for name, given in frame.defaults.items()),
    )


def _value(value: object) -> Hashable:
    """A key that values share only if they mean the same: ``1`` equals ``1.0`` and ``true``, and 0.0 equals -0.0."""
    if isinstance(value, tuple):
        return (type(value), *map(_value, value))
    return (type(value), repr(value) if isinstance(value, float) else value)


def _recorded(state: State, flow: int, place: Place) -> tuple[Flow, Template | None]:
    """Carry out a body; gives what flows out, and the template that the call can be copied from, if it can be."""
    nodes, names, parameters, steps = len(state.nodes), len(state.names), len(state.parameters), state.steps
    outer, state.diagnostics = state.diagnostics, Diagnostics()
    try:
        result = state.run_body(state, place.frame.definition.tree.body, flow, place)
    finally:
        found, state.diagnostics = state.diagnostics, outer
        outer.absorb(found)
    if result is None or state.poisoned or found.errors:
        return result, None
    recorder = _Recorder(place.frame.path, flow, nodes)
    for name in _last(state.names, len(state.names) - names):
        recorder.suffix(name)
    template = Template(
        spans=tuple(_last(state.names.values(), len(state.names) - names)),
        nodes=tuple(recorder.node(node) for node in state.nodes[nodes:]),
        parameters=tuple(
            recorder.parameter(parameter)
            for parameter in _last(state.parameters.values(), len(state.parameters) - parameters)
        ),
        scopes=recorder.scopes(place.scope, result),
        steps=state.steps - steps,
        found=found,
        suffixes=tuple(recorder.suffixes),
    )
    return result, template


def _last(items: Reversible[_T], count: int) -> list[_T]:
    """So many at the end, in order."""
    return list(islice(reversed(items), count))[::-1]


class _Recorder:
    """Makes the parts of a template of what a call built."""

    def __init__(self, path: str, flow: int, first: int) -> None:
        self._path = path
        self._flow = flow
        self._first = first
        self.suffixes: dict[str, int] = {}

    def suffix(self, name: str) -> int:
        if not name.startswith(self._path):
            raise AssertionError(f"{name} was built in {self._path}")
        return self.suffixes.setdefault(name[len(self._path) :], len(self.suffixes))

    def number(self, index: int) -> int:
        if index == self._flow:
            return 0
        if index < self._first:
            raise AssertionError(f"{self._path} reads node {index}, which is outside and does not flow in")
        return index - self._first + 1

    def node(self, node: Node) -> _Node:
        inputs = tuple(map(self.number, node.inputs))
        return self.number(node.index), node.operator, inputs, node.type, self.suffix(node.path), node.span

    def parameter(self, parameter: Parameter) -> _Parameter:
        name, node = self.suffix(parameter.name), self.number(parameter.node)
        return name, parameter.shape, parameter.dtype, parameter.trainable, parameter.source, node

    def scopes(self, root: Scope, output: int) -> tuple[_Scope, ...]:
        """The scopes below ``root`` and it, whose own output is not set yet."""
        order = [root]
        for scope in order:
            order.extend(child for child in scope.children if isinstance(child, Scope))
        order.reverse()
        numbers = {id(scope): number for number, scope in enumerate(order)}
        return tuple(
            _Scope(
                scope.kind,
                scope.label,
                self.suffix(scope.path),
                scope.callee,
                scope.arguments,
                scope.span,
                tuple(
                    ~numbers[id(child)] if isinstance(child, Scope) else self.number(child) for child in scope.children
                ),
                self.number(scope.input),
                self.number(output if scope is root else scope.output),
                scope.given,
            )
            for scope in order
        )


def _copied(state: State, template: Template, flow: int, place: Place) -> Flow:
    """Add what a template has to the state; gives what flows out, or ``None``, with nothing done, where it must not."""
    first, count, path = len(state.nodes), len(template.nodes), place.frame.path
    claimed = len(template.spans)
    texts = [path + suffix for suffix in template.suffixes]
    if (
        state.steps + template.steps > state.limits.steps
        or first + count > state.limits.nodes
        or not state.names.keys().isdisjoint(texts[:claimed])
    ):
        return None
    at = [flow, *range(first, first + count)]
    state.steps += template.steps
    state.diagnostics.absorb(template.found)
    state.names.update(zip(texts, template.spans, strict=False))
    state.nodes += [
        Node(at[number], operator, tuple([at[one] for one in inputs]), type_, texts[name], span)
        for number, operator, inputs, type_, name, span in template.nodes
    ]
    state.parameters.update(
        {
            texts[name]: Parameter(texts[name], shape, dtype, trainable, source, at[node])
            for name, shape, dtype, trainable, source, node in template.parameters
        }
    )
    *inside, own = template.scopes
    made: list[Scope] = []
    for scope in inside:
        made.append(
            Scope(
                scope.kind,
                scope.label,
                texts[scope.path],
                scope.callee,
                scope.arguments,
                scope.span,
                [at[child] if child >= 0 else made[~child] for child in scope.children],
                at[scope.input],
                at[scope.output],
                scope.given,
            )
        )
    place.scope.children += [at[child] if child >= 0 else made[~child] for child in own.children]
    result: int = at[own.output]
    return result
