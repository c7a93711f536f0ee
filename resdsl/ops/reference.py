"""The operators and preprocessing steps of the language as a table, generated from their classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from resdsl.ir.operator import Operator
from resdsl.ir.preprocess import STEPS, Step
from resdsl.ir.values import format_value
from resdsl.ops import operators
from resdsl.ops.signature import Argument, signature


@dataclass(frozen=True, slots=True)
class ArgumentEntry:
    """One argument: its kind in words, and its default in the syntax of the language (``None`` if required).

    ``words`` are the bare words that it takes (``half``).
    """

    name: str
    kind: str
    doc: str
    default: str | None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One operator or preprocessing step: its call with all defaults, what it does, and its arguments.

    ``kind`` is ``operator`` or ``step``.
    """

    kind: str
    name: str
    call: str
    doc: str
    arguments: tuple[ArgumentEntry, ...]


def table() -> tuple[Entry, ...]:
    """Every operator, in alphabetical order, and the steps of ``preprocess``."""
    return (*map(_operator, operators().values()), *(_step(name, step) for name, step in STEPS.items()))


def markdown(kind: str = "operator") -> str:
    """The table for the language reference, of operators or of steps."""
    return "".join(f"{line}\n" for line in _lines(kind))


def _lines(kind: str) -> Iterator[str]:
    yield f"| {kind} | what it does | arguments |"
    yield "|---|---|---|"
    for entry in table():
        if entry.kind != kind:
            continue
        arguments = "<br>".join(f"`{argument.name}`: {argument.kind}; {argument.doc}" for argument in entry.arguments)
        yield f"| `{entry.call}` | {_cell(entry.doc)} | {_cell(arguments)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _operator(operator: type[Operator]) -> Entry:
    arguments = [_argument(argument) for argument in signature(operator).values()]
    return _entry("operator", operator.name, operator, arguments)


def _step_default(value: object) -> str:
    # A choice of a step is a plain string, written without quotes.
    return value if isinstance(value, str) else format_value(value)


def _step(name: str, step: type[Step]) -> Entry:
    arguments = [
        ArgumentEntry(
            field.name,
            field.metadata["kind"],
            field.metadata["doc"],
            None if field.default is dataclasses.MISSING else _step_default(field.default),
            field.metadata["words"],
        )
        for field in dataclasses.fields(step)
    ]
    return _entry("step", name, step, arguments)


def _entry(kind: str, name: str, described: type[Operator | Step], arguments: Sequence[ArgumentEntry]) -> Entry:
    written = ", ".join(
        argument.name if argument.default is None else f"{argument.name} = {argument.default}" for argument in arguments
    )
    call = f"{name}({written})" if written else name
    return Entry(kind, name, call, _summary(described.__doc__ or ""), tuple(arguments))


def _argument(argument: Argument) -> ArgumentEntry:
    default = None if argument.required else format_value(argument.default)
    return ArgumentEntry(argument.name, argument.kind, argument.doc, default, argument.words)


def _summary(doc: str) -> str:
    """The first line of a docstring, in Markdown."""
    return doc.strip().partition("\n")[0].replace("``", "`")
