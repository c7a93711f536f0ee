"""The operators of the language, one file each. A new file here is a new operator: nothing else lists them.

The file of an operator (or of a join) is called as it is, and is imported when that operator is asked for by its name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Generic, TypeVar

from resdsl.ir.operator import Operator
from resdsl.ops.join import Join

Kind = TypeVar("Kind", bound=Operator)


class _Found(Mapping[str, type[Kind]], Generic[Kind]):
    """The operators of one kind, by name; those that nobody asks for are not imported."""

    def __init__(self, kind: type[Kind], called: str) -> None:
        self._kind = kind
        self._called = called
        self._found: dict[str, type[Kind] | None] = {}

    def __getitem__(self, name: str) -> type[Kind]:
        if name not in self._found:
            self._found[name] = self._in_file(name) if name in _files() else None
        found = self._found[name]
        if found is None:
            raise KeyError(name)
        return found

    def _in_file(self, name: str) -> type[Kind] | None:
        values = vars(importlib.import_module(f"{__name__}.{name}")).values()
        classes = (value for value in values if isinstance(value, type) and issubclass(value, self._kind))
        return next((found for found in classes if getattr(found, self._called) == name), None)

    def __iter__(self) -> Iterator[str]:
        return (name for name in _files() if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@cache
def operators() -> Mapping[str, type[Operator]]:
    """Every operator by its name in the language, in alphabetical order."""
    return _Found(Operator, "name")


@cache
def joins() -> Mapping[str, type[Join]]:
    """Every join by its keyword, in alphabetical order."""
    return _Found(Join, "join")


@cache
def _files() -> tuple[str, ...]:
    return tuple(sorted(file.name for file in pkgutil.iter_modules(__path__)))
