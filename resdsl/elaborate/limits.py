"""How large a specification may grow. A specification is untrusted text: all that it can ask for is bounded."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.diagnostics import Option, Placeholder, Text


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one specification may expand to; each can be raised by whoever trusts the text.

    They are far above every published network (ResNet-1001 has some 3,000 operators and takes 50 lines), and low enough
    that a text that runs into one of them is told so within seconds and a few hundred MB. ``outside`` lets ``use`` and
    ``labels`` read files outside the folder of the specification.
    """

    nodes: int = 400_000
    """Operators of one network. Each takes some 700 bytes while a network is built."""
    steps: int = 800_000
    """Statements carried out, counting every pass of a loop and every call: residual networks take two an operator.
    One takes some 10 microseconds, so this many some 10 seconds."""
    elements: int = 2**33
    """Elements of one value or tensor of weights, where every symbol of the input is 1. So many floats take 32 GB."""
    depth: int = 100
    """Bodies inside bodies, across calls."""
    files: int = 1_000
    file_bytes: int = 500_000
    """Bytes of each file."""
    total_bytes: int = 1_000_000
    """Characters of all used files together."""
    outside: bool = False


DEEPEST = 1_000
"""What ``depth`` can be raised to: the elaborator calls itself for every body."""

LARGEST_INTEGER = 2**53
"""Whole numbers beyond this are refused: no size of a tensor needs them, and arithmetic on them can be made slow."""

LONGEST = 1_000
"""Items of a list and characters of a string: lists of lists that double and texts that are copied stay small."""


def raise_limit(name: str) -> str:
    """How to raise a limit, for the ``helps`` of a diagnostic."""
    return Text("if this is intended, raise the limit: ", Option("limits", {name: Placeholder("NUMBER")}))
