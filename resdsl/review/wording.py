"""Pieces of a network in the syntax of the language, short enough for one line."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby, takewhile

from resdsl.ir.graph import Graph
from resdsl.ir.operator import Operator
from resdsl.ir.print import attribute_text, describe
from resdsl.ir.values import format_value
from resdsl.ops.input import Input
from resdsl.review.changes import Field
from resdsl.review.trees import Item
from resdsl.untrusted import printable

_MOST_RUNS = 4


def described(item: Item, graph: Graph) -> str:
    """``conv(64, 7x7, stride = 2)``, ``bottleneck(64)``, ``3 x bottleneck(64)`` for a stage of them."""
    if item.node is not None:
        text = operator_text(graph.nodes[item.node].operator)
        return f"{text} (shortcut {item.shortcut})" if item.shortcut else text
    if item.callee:
        return called(item)
    calls = [called(child) if child.callee else described(child, graph) for child in item.children]
    runs = [(call, sum(1 for _ in equal)) for call, equal in groupby(calls)]
    texts = [f"{count} x {call}" if count > 1 else call for call, count in runs]
    return ", ".join(texts if len(texts) <= _MOST_RUNS else [*texts[: _MOST_RUNS - 1], "..."])


def called(item: Item) -> str:
    """A call of a block with its explicit arguments, without those from its stage and from defaults."""
    shown = [
        value if place == 0 else f"{name} = {value}"
        for place, (name, value) in enumerate(item.arguments.items())
        if name in item.given
    ]
    return f"{item.callee}({', '.join(shown)})" if shown else item.callee


def operator_text(operator: Operator) -> str:
    return f"input {operator.type}" if isinstance(operator, Input) else describe(operator)


def operator_fields(old: Operator, new: Operator) -> tuple[Field, ...]:
    """The arguments in which two operators of one kind differ; for two of different kinds, the operators."""
    if type(old) is not type(new):
        return (Field("", describe(old), describe(new)),)
    if isinstance(old, Input) and isinstance(new, Input):
        return (Field("shape", f"{old.type.dtype}{old.type}", f"{new.type.dtype}{new.type}"),)
    before_call, after_call = old.foreign(), new.foreign()
    if before_call is not None and after_call is not None:
        if before_call.type != after_call.type:
            return (Field("", describe(old), describe(new)),)
        ours, theirs = before_call.attributes, after_call.attributes
        return tuple(
            Field(
                printable(name),
                *("none" if name not in some else attribute_text(some[name]) for some in (ours, theirs)),
            )
            for name in sorted(ours.keys() | theirs.keys())
            if ours.get(name) != theirs.get(name)
        ) or (Field("", describe(old), describe(new)),)
    values = [(field.name, getattr(old, field.name), getattr(new, field.name)) for field in dataclasses.fields(old)]
    return tuple(
        Field(name, format_value(before, shortest=True), format_value(after, shortest=True))
        for name, before, after in values
        if before != after
    )


def call_fields(old: Item, new: Item) -> tuple[Field, ...]:
    """How two calls differ: in the block that is called, and in the arguments that both have."""
    fields = [Field("", old.callee, new.callee)] if old.callee != new.callee else []
    fields += [
        Field(name, old.arguments[name], value)
        for name, value in new.arguments.items()
        if name in old.arguments and old.arguments[name] != value
    ]
    if not fields and old.arguments.keys() != new.arguments.keys():
        fields = [Field("", _whole(old), _whole(new))]
    return tuple(fields)


def inside(path: str, scopes: Collection[str]) -> str:
    """A path relative to its innermost scope among ``scopes``; pass a set if there are many."""
    around, point, _ = path.rpartition(".")
    while point and around not in scopes:
        around, point, _ = around.rpartition(".")
    return path[len(around) + 1 :] if point else path


def common_end(names: Iterable[str]) -> str:
    """The common suffix of names, or empty if it has only numbers."""
    parts = [reversed(name.split(".")) for name in names]
    end = [same[0] for same in takewhile(lambda same: len(set(same)) == 1, zip(*parts, strict=False))]
    return "" if all(part.isdigit() for part in end) else ".".join(reversed(end))


def _whole(item: Item) -> str:
    arguments = ", ".join(f"{name} = {value}" for name, value in item.arguments.items())
    return f"{item.callee}({arguments})"


def paths(names: Sequence[str], most: int = 4) -> str:
    """Names in one line: consecutive numbers as ``layer1.0 to 5``, and ``and 3 more`` beyond ``most``."""
    runs = _counting_runs(names)
    if len(runs) > most:
        return f"{', '.join(runs[: most - 1])} and {len(runs) - most + 1} more"
    return ", ".join(runs)


def _counting_runs(names: Iterable[str]) -> list[str]:
    runs: list[list[str]] = []
    for name in names:
        if runs and _counts_on(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    return [_run_text(run) for run in runs]


def _run_text(run: list[str]) -> str:
    if len(run) == 1:
        return run[0]
    if len(run) == 2:
        return ", ".join(run)
    return f"{run[0]} to {run[-1].rpartition('.')[2]}"


def _counts_on(name: str, following: str) -> bool:
    head, _, number = name.rpartition(".")
    other_head, _, other = following.rpartition(".")
    return head == other_head and number.isdigit() and other.isdigit() and int(other) == int(number) + 1


def folded_names(tensors: Mapping[str, str] | Iterable[str]) -> list[str]:
    """The distinct names of tensors without their last part."""
    return list(dict.fromkeys(name.rpartition(".")[0] for name in tensors))
