"""Names for blocks and parameters: what the language does not use itself."""

from __future__ import annotations

import re
from collections.abc import Container
from functools import cache

from resdsl.elaborate.expressions import CHANNELS, FUNCTIONS
from resdsl.ops import joins, operators
from resdsl.syntax.grammar import grammar


@cache
def reserved() -> frozenset[str]:
    """Words that no block or parameter is called: keywords, functions, and the values that every body has."""
    return frozenset((*grammar().keywords, *FUNCTIONS, *CHANNELS))


def is_free(name: str) -> bool:
    """Whether a block can have this name."""
    return (
        name.isascii()
        and name.isidentifier()
        and name not in reserved()
        and name not in operators()
        and name not in joins()
    )


def unused(base: str, taken: Container[str]) -> str:
    """``base``, with the first number from 2 on behind it that makes it a new name."""
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}{count}"
    return name


def snake_case(name: str) -> str:
    """The name of a class as that of a block: ``BasicConv2d`` as ``basic_conv2d``, ``Conv`` as ``conv_block``."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip("_")).lower()
    text = re.sub(r"\W", "_", text, flags=re.ASCII)
    if text[:1].isdigit():
        text = f"_{text}"
    return text if is_free(text) else f"{text}_block"
