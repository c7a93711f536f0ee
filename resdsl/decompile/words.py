"""Names for blocks and parameters: what the language does not use itself."""

from __future__ import annotations

import re
from collections.abc import Collection, Container
from functools import cache

from resdsl.elaborate.expressions import CHANNELS, FUNCTIONS
from resdsl.ops import joins, operators
from resdsl.syntax.grammar import grammar


@cache
def reserved() -> frozenset[str]:
    """Words that no block or parameter is called: keywords, functions, and the values that every body has."""
    return frozenset((*grammar().keywords, *FUNCTIONS, *CHANNELS))


def block_name(base: str, taken: Collection[str], parameters: Collection[str] = ()) -> str:
    """A name for a block: ``conv`` is an operator, so the block is ``conv_block``."""
    is_used = base in reserved() or base in operators() or base in joins() or base in parameters
    return unused(f"{base}_block" if is_used else base, {*taken, *parameters})


def unused(base: str, taken: Container[str]) -> str:
    """``base``, with the first number from 2 on behind it that makes it a new name."""
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}{count}"
    return name


def snake_case(name: str) -> str:
    """The name of a class as that of a block: ``basic_conv2d`` for ``BasicConv2d``."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip("_")).lower()
    text = re.sub(r"\W", "_", text, flags=re.ASCII) or "part"
    return f"_{text}" if text[0].isdigit() else text
