"""The values of the language's expressions, and how they are told in messages."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.elaborate.program import Defined
from resdsl.ir.dims import SymbolicDim
from resdsl.ir.operator import Operator
from resdsl.ir.types import Size, Word


@dataclass(frozen=True, slots=True)
class ShortcutKind:
    """What a shortcut does; ``zeros`` is where option A adds its channels: ``end`` or ``both``."""

    kind: str
    zeros: str = "end"

    def __str__(self) -> str:
        return self.kind if self.zeros == "end" else f"{self.kind}(zeros = {self.zeros})"


SHORTCUT_KINDS = ("identity", "pad", "projection", "projection_always", "none")


class Unknown:
    """The value of an expression whose mistake has been told; whatever depends on it is unknown as well."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()

Callee = Defined | type[Operator]
"""What can be called: a block or model, or an operator."""

Value = (
    int | float | bool | str | Size | Word | ShortcutKind | Defined | type | SymbolicDim | tuple[object, ...] | Unknown
)


def kind_of(value: object) -> str:
    """The kind of a value, as a message names it."""
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a number"
    if isinstance(value, Word):
        return f"the word `{value}`"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Size):
        return "a size"
    if isinstance(value, tuple):
        return "a list"
    if isinstance(value, ShortcutKind):
        return "a kind of shortcut"
    if isinstance(value, SymbolicDim):
        return f"the symbolic size {value}"
    return "a block" if isinstance(value, Defined) else "an operator"


def written(value: object) -> str:
    """A value as the language writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Word | Size | ShortcutKind | SymbolicDim):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(written(item) for item in value)}]"
    if isinstance(value, Defined):
        return value.name
    if isinstance(value, type) and issubclass(value, Operator):
        return value.name
    if isinstance(value, Unknown):
        return "?"
    return repr(value)
