"""Applying the fixes that diagnostics carry."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.diagnostics import Diagnostic, Diagnostics, Source
from resdsl.diagnostics.apply_fixes import apply_fixes
from resdsl.specification.load import Network, load
from resdsl.specification.specification import Specification

_ROUNDS = 20
"""Maximum number of rounds: a fix can reveal the next error, and two fixes could undo each other forever."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A text before and after fixes: ``applied`` are the fixed diagnostics, ``remaining`` those of the result."""

    before: Source
    after: Source
    applied: tuple[Diagnostic, ...]
    remaining: Diagnostics


def fix(network: Network) -> Fixed:
    """Apply the fixes of all diagnostics until there are none left. Writes no file.

    Used files are not changed. Raises ``CompileError`` if the network cannot be read.
    """
    specification = load(network)
    before = source = specification.source
    applied: list[Diagnostic] = []
    seen = {source.text}
    remaining = specification.check()
    for _ in range(_ROUNDS):
        text, made = apply_fixes(source, remaining)
        if not made or text in seen:
            break
        seen.add(text)
        applied += made
        source = Source(source.name, text, source.path)
        remaining = _same_network(specification, source).check()
    return Fixed(before, source, tuple(applied), remaining)


def _same_network(specification: Specification, source: Source) -> Specification:
    """A specification of ``source`` with the options of ``specification``."""
    return Specification(
        source,
        model=specification.model,
        arguments=specification.arguments,
        input_shape=specification.input_shape,
        limits=specification.limits,
        read=specification.read,
    )
