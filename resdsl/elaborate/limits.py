"""How large a specification may grow. A specification is untrusted text, so everything it can ask for is bounded."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.diagnostics import Option, Placeholder, Text


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one specification may expand to; each can be raised for a trusted text.

    They are far above every published network (ResNet-1001 has some 3,000 operators and takes 50 lines), and low enough
    that a text that exceeds one is refused within seconds and a few hundred MB. ``outside`` lets ``use`` and
    ``labels`` read files outside the folder of the specification.
    """

    nodes: int = 320_000
    """Operators of all models of a file. Each takes some 700 bytes while a network is built."""
    steps: int = 640_000
    """Statements carried out for all models of a file, counting every pass of a loop and every call: residual networks
    take two an operator. One takes some 10 microseconds, so this many some 7 seconds. Other work is counted as so many
    statements as take the same time: long expressions, lists and names."""
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


@dataclass(slots=True)
class Budget:
    """What elaborating the models of one file has used of its limits so far."""

    steps: int = 0
    nodes: int = 0
    errors: int = 0
    """Reported errors, repeated ones included."""
    linted: bool = False
    exhausted: bool = False
    """Whether a limit was reached; the error has been reported."""


MOST_ERRORS = 1_000
"""After so many errors, repeated ones included, elaboration stops: an error in a loop is found in each pass."""

MOST_WARNINGS = 1_000
"""Different warnings of one text that are reported."""

DEEPEST = 1_000
"""What ``depth`` can be raised to: the elaborator calls itself for every body."""

LARGEST_INTEGER = 2**53
"""Integers beyond this are refused: no size of a tensor needs them, and arithmetic on them can be made slow."""

LONGEST = 1_000
"""Items of a list and characters of a string: lists of lists that double and texts that are copied stay small."""

COPIES_OF_WORK = 16
"""Variables whose copying counts as a piece of work: every body has its own."""

WORK_A_STEP = 16
"""Small pieces of work, such as evaluating a part of an expression, that take as long as one statement."""


def raise_limit(name: str) -> str:
    """How to raise a limit, for the ``helps`` of a diagnostic."""
    return Text("if this is intended, raise the limit: ", Option("limits", {name: Placeholder("NUMBER")}))
