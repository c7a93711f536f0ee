"""The operators of the language, one file each. A new file here is a new operator: nothing else lists them.

A file has the name of its operator (or join) and is imported when that name is looked up.
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


class _Registry(Mapping[str, type[Kind]], Generic[Kind]):
    """The operators of one kind by name. Those that are never looked up are not imported."""

    def __init__(self, kind: type[Kind], attribute: str) -> None:
        self._kind = kind
        self._attribute = attribute
        self._loaded: dict[str, type[Kind] | None] = {}

    def __getitem__(self, name: str) -> type[Kind]:
        if name not in self._loaded:
            self._loaded[name] = self._in_file(name) if name in _files() else None
        operator = self._loaded[name]
        if operator is None:
            raise KeyError(name)
        return operator

    def _in_file(self, name: str) -> type[Kind] | None:
        values = vars(importlib.import_module(f"{__name__}.{name}")).values()
        classes = (value for value in values if isinstance(value, type) and issubclass(value, self._kind))
        return next((one for one in classes if getattr(one, self._attribute) == name), None)

    def __iter__(self) -> Iterator[str]:
        return (name for name in _files() if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@cache
def operators() -> Mapping[str, type[Operator]]:
    """Every operator by its name in the language, in alphabetical order."""
    return _Registry(Operator, "name")


@cache
def joins() -> Mapping[str, type[Join]]:
    """Every join by its keyword, in alphabetical order."""
    return _Registry(Join, "join")


@cache
def aliases() -> Mapping[str, str]:
    """The names that operators have in other libraries, in lower case, to those of the language. Imports all files."""
    return {alias: name for name, operator in operators().items() for alias in operator.aliases}


@cache
def calls() -> Mapping[str, str]:
    """What to write for operators of other libraries that are a call with certain arguments here. Imports all files."""
    return {name: call for operator in operators().values() for name, call in operator.calls.items()}


@cache
def _files() -> tuple[str, ...]:
    return tuple(sorted(file.name for file in pkgutil.iter_modules(__path__)))
