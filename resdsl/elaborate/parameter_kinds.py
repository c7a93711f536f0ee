"""The annotations of parameters of blocks and models, and the check of values against them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.suggest import renamed
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context
from resdsl.elaborate.program import Defined
from resdsl.elaborate.values import SHORTCUT_KINDS, ShortcutKind
from resdsl.ir.operator import Operator
from resdsl.ir.types import Word
from resdsl.ir.values import (
    ArgumentMismatch,
    to_boolean,
    to_integer,
    to_list,
    to_number,
    to_size,
    to_string,
    to_word,
)
from resdsl.syntax import tree


def parameter_kind(
    builder: GraphBuilder, parameter: tree.Parameter, inner: Context
) -> tuple[Callable[[object], object], tuple[str, ...]]:
    """How the values of a parameter are checked, and the bare words that they may be."""
    annotation = parameter.annotation
    if annotation is None:
        return _anything, ()
    if annotation.members:
        words = tuple(member.name for member in annotation.members)
        return to_word(words), words
    if annotation.name not in KINDS:
        guess = builder.suggester.closest(annotation.name, list(KINDS))
        known = ", ".join(f"`{kind}`" for kind in KINDS)
        builder.report(
            catalogue.UNKNOWN_TYPE,
            f"there is no parameter type `{annotation.name}`",
            annotation.span,
            inner,
            helps=() if guess else (f"the types are {known}, and enumerations such as `{{conv1, conv2}}`",),
            fix=renamed(annotation.span, guess),
        )
        return _anything, ()
    return KINDS[annotation.name], SHORTCUT_KINDS if annotation.name == "shortcut" else ()


def _anything(value: object) -> object:
    return value


def _block(value: object) -> object:
    if isinstance(value, Defined) or (isinstance(value, type) and issubclass(value, Operator)):
        return value
    raise ArgumentMismatch("a block or an operator")


def shortcut_kind(value: object) -> ShortcutKind:
    """A kind of shortcut, from a value or a bare word."""
    if isinstance(value, ShortcutKind):
        return value
    if isinstance(value, Word) and value in SHORTCUT_KINDS:
        return ShortcutKind(str(value))
    raise ArgumentMismatch(f"a kind of shortcut: {', '.join(f'`{kind}`' for kind in SHORTCUT_KINDS)}")


KINDS: Mapping[str, Callable[[object], object]] = {
    "int": to_integer,
    "float": to_number,
    "bool": to_boolean,
    "size": to_size,
    "string": to_string,
    "list": to_list,
    "block": _block,
    "shortcut": shortcut_kind,
}
"""The annotations of parameters."""
