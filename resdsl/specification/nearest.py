"""The built-in network that one with a wrong total is nearest to, and the first layer that differs.

Used only where an ``expect`` does not hold. A few built-in networks are built for it, each once in a process: those
that have the expected totals, and those whose parameters are nearest in number.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache

from resdsl.diagnostics import Diagnostics, Label, Source, Span
from resdsl.elaborate.claims import Claim, Comparison
from resdsl.elaborate.network import elaborate
from resdsl.elaborate.program import load_program
from resdsl.ir.graph import Graph, Node, Scope
from resdsl.ir.print import describe
from resdsl.specification import builtin

_MOST_NETWORKS = 4
"""Built-in networks to build: some 30 ms each."""

_MOST_LAYERS = 2_000
"""Of a network that is compared. Aligning takes time proportional to the square of what differs."""

_MOST_PAIRS = 200_000
"""Pairs of layers to compare; where more differ, the networks are not alike."""

_ALIKE = 0.7
"""Of the layers of both networks, the fraction that must be in both."""

_STATED = re.compile(r"^\s*expect (\w+) == ([\d_]+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Layer:
    key: Hashable
    node: Node


@dataclass(frozen=True, slots=True)
class _Alignment:
    """``first`` is the first pair of layers that differ, ``None`` for a layer that one network lacks."""

    alike: float
    differing: int
    first: tuple[_Layer | None, _Layer | None, Node | None] | None


def compare_with_builtin(graph: Graph, claims: Sequence[Claim]) -> Comparison | None:
    """How a network differs from the nearest built-in one; ``None`` if none is near."""
    layers = _layers(graph)
    if not layers or len(layers) > _MOST_LAYERS:
        return None
    best: tuple[tuple[int, float], str, _Alignment] | None = None
    built = ((held, name, _builtin(name)) for held, name in _candidates(graph, claims))
    others = {name: (held, _layers(other)) for held, name, other in built if other is not None}
    bounds = {name: (held, _at_most_alike(layers, theirs)) for name, (held, theirs) in others.items()}
    # Aligning takes most of the time: those that may be most alike first, and none that cannot be better.
    for name in sorted(others, key=lambda name: bounds[name], reverse=True):
        held, known = others[name]
        if bounds[name][1] < _ALIKE or (best is not None and bounds[name] <= best[0]):
            continue
        alignment = _aligned(layers, known)
        if alignment.alike >= _ALIKE and (best is None or (held, alignment.alike) > best[0]):
            best = (held, alignment.alike), name, alignment
    if best is None:
        return None
    _, name, alignment = best
    other = _builtin(name)
    assert other is not None
    if alignment.first is None:
        same_input = graph.input.type.shape[1:] == other.input.type.shape[1:]
        place = "" if same_input else f", for an input of {other.input.type} and not {graph.input.type}"
        return Comparison(f"every layer is that of the built-in network `{name}`{place}")
    mine, theirs, before = alignment.first
    note = f"compared with the built-in network `{name}`, {_difference(mine, theirs, before)}"
    more = alignment.differing - 1
    if more:
        note += f"; {more} more {'layer differs' if more == 1 else 'layers differ'}"
    at = mine.node if mine else before
    return Comparison(note, _place(graph, at, name) if at else None)


def _candidates(graph: Graph, claims: Sequence[Claim]) -> list[tuple[int, str]]:
    """The built-in networks to compare with, each with the number of claims that hold for it."""
    ranked: list[tuple[int, float, str]] = []
    for name in builtin.names():
        stated = _stated(name)
        held = sum(claim.subject in stated and claim.holds(stated[claim.subject]) for claim in claims)
        # Most claims hold for a network that is much smaller or larger only by chance.
        ratio = abs(math.log((stated.get("parameters") or 1) / max(1, graph.parameter_count)))
        if ratio < math.log(2):
            ranked.append((held, ratio, name))
    ranked.sort(key=lambda one: (-one[0], one[1]))
    return [(held, name) for held, _, name in ranked[:_MOST_NETWORKS]]


@cache
def _text(name: str) -> str:
    file = builtin.file_of(name)
    return "" if file is None else file.read_text(encoding="utf-8")


@cache
def _stated(name: str) -> dict[str, int]:
    return {subject: int(number) for subject, number in _STATED.findall(_text(name))}


@cache
def _builtin(name: str) -> Graph | None:
    file, diagnostics = builtin.file_of(name), Diagnostics()
    return elaborate(load_program(Source(name, _text(name), file), diagnostics), diagnostics)


def _layers(graph: Graph) -> list[_Layer]:
    """What totals depend on, in order: layers with weights, and pools."""
    layers: list[_Layer] = []
    for index in graph.inference_nodes:
        node = graph.nodes[index]
        operator = node.operator
        if operator.is_norm:
            # Of a norm, `eps` and the like count for nothing.
            layers.append(_Layer((operator.name, getattr(operator, "affine", True)), node))
        elif graph.applications[index].parameters or hasattr(operator, "kernel"):
            layers.append(_Layer(operator, node))
    return layers


def _at_most_alike(ours: Sequence[_Layer], theirs: Sequence[_Layer]) -> float:
    """What ``alike`` is at most: the fraction of layers that are in both networks, in whatever order."""
    common = Counter(one.key for one in ours) & Counter(one.key for one in theirs)
    return 2 * common.total() / (len(ours) + len(theirs))


def _aligned(ours: Sequence[_Layer], theirs: Sequence[_Layer]) -> _Alignment:
    start = 0
    while start < min(len(ours), len(theirs)) and ours[start].key == theirs[start].key:
        start += 1
    end = 0
    while end < min(len(ours), len(theirs)) - start and ours[-1 - end].key == theirs[-1 - end].key:
        end += 1
    left, right = ours[start : len(ours) - end], theirs[start : len(theirs) - end]
    if len(left) * len(right) > _MOST_PAIRS:
        return _Alignment(0.0, 0, None)
    matcher = SequenceMatcher(None, [one.key for one in left], [one.key for one in right], autojunk=False)
    differing = matched = 0
    first: tuple[_Layer | None, _Layer | None, Node | None] | None = None
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            matched += b - a
            continue
        differing += max(b - a, d - c)
        if first is None:
            before = ours[start + a - 1].node if start + a else None
            first = (left[a] if a < b else None, right[c] if c < d else None, before)
    return _Alignment(2 * (start + end + matched) / (len(ours) + len(theirs)), differing, first)


def _difference(mine: _Layer | None, theirs: _Layer | None, before: Node | None) -> str:
    if mine is None:
        assert theirs is not None
        after = f"after `{before.path or describe(before.operator)}`" if before else "at the start"
        return f"{_named(theirs.node)} is missing {after}"
    if theirs is None:
        return f"{_named(mine.node)} is one more layer"
    alias = f" (`{theirs.node.path}`)" if theirs.node.path not in ("", mine.node.path) else ""
    name = f"`{mine.node.path}` is " if mine.node.path else ""
    return f"{name}`{describe(mine.node.operator)}` here and `{describe(theirs.node.operator)}` there{alias}"


def _named(node: Node) -> str:
    called = f"`{describe(node.operator)}`"
    return f"`{node.path}` ({called})" if node.path else called


def _place(graph: Graph, node: Node, name: str) -> Label:
    """The statement of the model's file that builds a node, which may be in a block of another file."""
    span = _own_span(graph.root, node)
    return Label(span, f"`{node.path}` is built here" if node.path and span != node.span else f"not as in `{name}`")


def _own_span(root: Scope, node: Node) -> Span:
    if node.span.source is root.span.source:
        return node.span
    span, scope = root.span, root
    while True:
        inner = next(
            (one for one in scope.children if isinstance(one, Scope) and node.index in one.nodes()),
            None,
        )
        if inner is None or inner.span.source is not root.span.source:
            return span
        span, scope = inner.span, inner
