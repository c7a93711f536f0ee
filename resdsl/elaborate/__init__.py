"""From syntax tree to graph: scopes, calls, loops, shape inference, claims.

Names are imported when they are first used: every command needs the limits, few need the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resdsl.elaborate.limits import Limits
    from resdsl.elaborate.model_arguments import parse_value
    from resdsl.elaborate.network import elaborate
    from resdsl.elaborate.program import Program, load_program

__all__ = ["Limits", "Program", "elaborate", "load_program", "parse_value"]

_HOMES = {
    "Limits": "limits",
    "Program": "program",
    "elaborate": "network",
    "load_program": "program",
    "parse_value": "model_arguments",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'resdsl.elaborate' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"resdsl.elaborate.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
