"""The arguments of an operator, from the fields of its dataclass, and the conversion of values of the language."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from resdsl.ir.operator import Operator
from resdsl.ir.types import Word
from resdsl.ir.values import (
    ArgumentMismatch,
    describe_choices,
    describe_range,
    to_boolean,
    to_integer,
    to_number,
    to_sides,
    to_size,
)

REQUIRED = dataclasses.MISSING

SMALLEST_NUMBER = 2.0**-126
"""The smallest number above 0 that a 32-bit float holds in full precision; much smaller ones become 0."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: its name, what it takes (``kind``, in the words of the reference), and its default."""

    name: str
    kind: str
    doc: str
    coerce: Callable[[object], object]
    default: object = REQUIRED
    words: tuple[str, ...] = ()
    """The bare words that it takes (``half``)."""

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


def arg(
    default: Any = REQUIRED,
    *,
    doc: str,
    at_least: int = 1,
    within: tuple[float, float] = (-math.inf, math.inf),
    words: tuple[str, ...] = (),
) -> Any:
    """A field that is an argument.

    ``at_least`` bounds integers and sizes, ``within`` numbers (both ends included); ``words`` are the bare words
    taken besides (or, for a ``Word`` field, instead of) values of the field's type.
    """
    metadata = {"doc": doc, "at_least": at_least, "within": within, "words": words}
    return dataclasses.field(default=default, metadata=metadata)


def _coercion(kind: str, at_least: int, within: tuple[float, float]) -> tuple[str, Callable[[object], object]]:
    """The words for a kind of argument in the reference, and its check."""
    if kind == "int":
        return f"integer, at least {at_least}", lambda value: to_integer(value, at_least)
    if kind == "float":
        return describe_range(within), lambda value: to_number(value, within)
    if kind == "bool":
        return "true or false", to_boolean
    if kind == "Size":
        return "size", lambda value: to_size(value, at_least)
    if kind == "Sides":
        return "number, size or [top, left, bottom, right]", to_sides
    if kind == "Word":
        return "", lambda value: value
    raise TypeError(f"an argument of type {kind} is not known to the language")


def _argument(field: dataclasses.Field[Any]) -> Argument:
    words: tuple[str, ...] = field.metadata["words"]
    kinds = [kind for kind in str(field.type).split(" | ") if kind not in ("None", "Word")] or ["Word"]
    kind, coerce = _coercion(kinds[0], field.metadata["at_least"], field.metadata["within"])
    if words:
        choices = describe_choices(words)
        kind = f"{kind} or {choices}" if kind else choices
        coerce = _with_words(coerce, words, kinds[0] == "Word", choices)
    return Argument(field.name, kind, field.metadata["doc"], coerce, field.default, words)


def _with_words(
    coerce: Callable[[object], object], words: tuple[str, ...], words_only: bool, choices: str
) -> Callable[[object], object]:
    def check(value: object) -> object:
        if isinstance(value, Word):
            if value in words:
                return value
            raise ArgumentMismatch(choices)
        if words_only:
            raise ArgumentMismatch(choices)
        try:
            return coerce(value)
        except ArgumentMismatch as mismatch:
            before = mismatch.expected.replace(", or ", ", ")
            raise ArgumentMismatch(f"{before}, or {choices}", out_of_range=mismatch.out_of_range) from None

    return check


_SIGNATURES: dict[type[Operator], Mapping[str, Argument]] = {}


def signature(operator: type[Operator]) -> Mapping[str, Argument]:
    """The arguments of an operator in the order of its fields."""
    known = _SIGNATURES.get(operator)
    if known is None:
        known = {field.name: _argument(field) for field in dataclasses.fields(operator) if field.metadata}
        _SIGNATURES[operator] = known
    return known


def require_arguments(operator: Operator) -> None:
    """Raise ``ArgumentMismatch`` unless the language takes the arguments of an operator that was made elsewhere."""
    for name, argument in signature(type(operator)).items():
        value = getattr(operator, name)
        if value != argument.default:
            argument.coerce(value)
