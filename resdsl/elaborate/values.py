"""The values of expressions, and what messages call their kinds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

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


ZEROS = ("end", "both")
"""Where ``pad`` adds channels."""

SHORTCUT_KINDS = ("identity", "pad", "projection", "projection_always", "none")


class Unknown:
    """The value of an expression with a reported error; what depends on it is unknown as well."""

    def __str__(self) -> str:
        return "?"


UNKNOWN = Unknown()

Callee = Defined | type[Operator]
"""What can be called: a block or model, or an operator."""

Value = (
    int | float | bool | str | Size | Word | ShortcutKind | Defined | type | SymbolicDim | tuple[object, ...] | Unknown
)


_MOST_LISTED = 12


def listed(names: Collection[str]) -> str:
    """Names in a message, the first few of very many."""
    more = f" and {len(names) - _MOST_LISTED:,} more" if len(names) > _MOST_LISTED + 1 else ""
    shown = islice(names, _MOST_LISTED if more else None)
    return ", ".join(f"`{name}`" for name in shown) + more


def kind_of(value: object) -> str:
    """The kind of a value, as a message names it."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "an integer"
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
