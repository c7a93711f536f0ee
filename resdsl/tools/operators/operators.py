"""The operators of the language as a table: read off the operators themselves, so that it is never out of date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from resdsl.ir.operator import Operator
from resdsl.ir.values import format_value
from resdsl.ops import operators
from resdsl.ops.signature import Argument, signature


@dataclass(frozen=True, slots=True)
class ArgumentEntry:
    """One argument: what it takes, in words, and its default as the language writes it (``None``: it is required)."""

    name: str
    kind: str
    doc: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One operator: its name, its call with all defaults, what it does, and its arguments."""

    name: str
    call: str
    doc: str
    arguments: tuple[ArgumentEntry, ...]


def table() -> tuple[Entry, ...]:
    """Every operator, in alphabetical order."""
    return tuple(_entry(name, operator) for name, operator in operators().items())


def markdown() -> str:
    """The table for the language reference."""
    return "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    yield "| operator | what it does | arguments |"
    yield "|---|---|---|"
    for entry in table():
        arguments = "<br>".join(f"`{argument.name}`: {argument.kind}; {argument.doc}" for argument in entry.arguments)
        yield f"| `{entry.call}` | {_cell(entry.doc)} | {_cell(arguments)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _entry(name: str, operator: type[Operator]) -> Entry:
    arguments = tuple(_argument(argument) for argument in signature(operator).values())
    written = ", ".join(
        argument.name if argument.default is None else f"{argument.name} = {argument.default}" for argument in arguments
    )
    return Entry(name, f"{name}({written})" if written else name, _summary(operator.__doc__ or ""), arguments)


def _argument(argument: Argument) -> ArgumentEntry:
    default = None if argument.required else format_value(argument.default)
    return ArgumentEntry(argument.name, argument.kind, argument.doc, default)


def _summary(doc: str) -> str:
    """The first line of a docstring, in Markdown."""
    return doc.strip().partition("\n")[0].replace("``", "`")
