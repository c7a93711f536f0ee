"""How large a specification may grow. A specification is untrusted text: all that it can ask for is bounded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one specification may expand to; each can be raised by whoever trusts the text.

    ``outside`` lets ``use`` and ``labels`` read files outside the folder of the specification.
    """

    nodes: int = 1_000_000
    steps: int = 10_000_000
    """Statements carried out, counting every pass of a loop and every call."""
    depth: int = 100
    """Bodies inside bodies, across calls."""
    files: int = 1_000
    file_bytes: int = 10_000_000
    outside: bool = False


LARGEST_INTEGER = 2**53
"""Whole numbers beyond this are refused: no size of a tensor needs them, and arithmetic on them can be made slow."""
