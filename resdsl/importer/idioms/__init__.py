"""What a node, or a pattern that ends in it, means in the language: one file each, found by its presence.

A file lists the node types that it is tried for in ``TYPES``, the number of nodes that it takes in at least as
``NODES`` (longer patterns are tried first), and has ``read(step)``, which gives the value (a list for a node of several
outputs), or ``None`` where the node is something else. With ``ANY_LAYOUT`` it computes each element alone, so that it
may be applied to values whose axes are in another order; with ``VIEWS`` it looks at views itself.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType

Idiom = ModuleType


@cache
def idioms() -> Mapping[str, Sequence[Idiom]]:
    """The idioms that are tried for each type of node, the longest pattern first."""
    found: dict[str, list[Idiom]] = {}
    for file in sorted(one.name for one in pkgutil.iter_modules(__path__)):
        module = importlib.import_module(f"{__name__}.{file}")
        for kind in getattr(module, "TYPES", ()):
            found.setdefault(kind, []).append(module)
    for modules in found.values():
        modules.sort(key=lambda module: -getattr(module, "NODES", 1))
    return found
