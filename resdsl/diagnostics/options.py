"""Options in the texts of diagnostics: ``device="cpu"`` for a Python user, ``--device cpu`` for a terminal user.

A text that names an option holds it as data. The options are called as they are in Python; how a command line spells
them is for ``resdsl.cli`` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from resdsl.diagnostics.diagnostic import Diagnostic


class Placeholder(str):
    """A word that stands for a value of the user's: ``FILE``."""

    __slots__ = ()


@dataclass(frozen=True)
class Option:
    """An option by its name in Python, with the value to give it; without one it is only named."""

    name: str
    value: object = None


Spelling = Callable[[Option], str]


def in_python(option: Option) -> str:
    """``partial=True``, ``set={"classes": 10}``; the name alone where there is no value."""
    value = option.value
    if value is None:
        return option.name
    if option.name == "limits" and isinstance(value, Mapping):
        return f"limits=Limits({', '.join(f'{name}={_literal(one)}' for name, one in value.items())})"
    return f"{option.name}={_literal(value)}"


def _literal(value: object) -> str:
    match value:
        case Placeholder():
            return str(value)
        case str():
            return f'"{value}"'
        case Mapping():
            return "{" + ", ".join(f"{_literal(key)}: {_literal(one)}" for key, one in value.items()) + "}"
        case tuple():
            return "(" + ", ".join(map(_literal, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(value)


class Text(str):
    """A text that names options. As a string it has them ``in_python``; ``spelled`` writes them in another way."""

    parts: tuple[str | Option, ...]

    def __new__(cls, *parts: str | Option) -> Self:
        self = super().__new__(cls, _joined(parts, in_python))
        self.parts = parts
        return self


def _joined(parts: tuple[str | Option, ...], spelling: Spelling) -> str:
    return "".join(f"`{spelling(part)}`" if isinstance(part, Option) else part for part in parts)


def spelled(text: str, spelling: Spelling) -> str:
    """The text with its options in another spelling."""
    return _joined(text.parts, spelling) if isinstance(text, Text) else text


def with_spelling(diagnostic: Diagnostic, spelling: Spelling) -> Diagnostic:
    """The diagnostic with the options of all its texts in another spelling."""
    if not any(isinstance(text, Text) for text in (diagnostic.message, *diagnostic.notes, *diagnostic.helps)):
        return diagnostic
    return replace(
        diagnostic,
        message=spelled(diagnostic.message, spelling),
        notes=tuple(spelled(note, spelling) for note in diagnostic.notes),
        helps=tuple(spelled(text, spelling) for text in diagnostic.helps),
    )
