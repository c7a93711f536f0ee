"""The operators of the language, one file each. A new file here is a new operator: nothing else lists them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache

from resdsl.ir.operator import Operator
from resdsl.ops.joining import Join


@cache
def operators() -> dict[str, type[Operator]]:
    """Every operator by its name in the language, in alphabetical order."""
    return dict(sorted((found.name, found) for found in _defined() if found.name))


@cache
def joins() -> dict[str, type[Join]]:
    """Every join by its keyword, in alphabetical order."""
    return dict(sorted((found.join, found) for found in _defined() if issubclass(found, Join) and found.join))


def _defined() -> Iterator[type[Operator]]:
    for file in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{file.name}")
        # Not Operator.__subclasses__(): a dataclass with slots is a copy, and the class it was copied from lingers.
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Operator) and value.__module__ == module.__name__:
                yield value
