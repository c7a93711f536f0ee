"""Specifications with their mistakes mended, as far as a machine can."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from resdsl.diagnostics import Diagnostic, Diagnostics, Source
from resdsl.diagnostics.apply_fixes import apply_fixes
from resdsl.specification.specification import load
from resdsl.specification.text import read_source

_ROUNDS = 20
"""A fix can uncover the next mistake; more rounds than this only go back and forth."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What became of a text. ``mended`` are the mistakes whose fixes were made, ``remaining`` what is left then."""

    before: Source
    after: Source
    mended: tuple[Diagnostic, ...]
    remaining: Diagnostics


def fix(path: str | os.PathLike[str] | Source, check: Callable[[Source], Diagnostics] | None = None) -> Fixed:
    """The specification with every fix made that a diagnostic carries, until there are no more. Writes nothing.

    Only the text itself is changed, not what it uses. ``check`` finds the mistakes, where they depend on more than the
    text (``resdsl.load``'s arguments). Raises ``CompileError`` if the file cannot be read.
    """
    check = check or _check
    before = path if isinstance(path, Source) else read_source(path)
    source = before
    mended: list[Diagnostic] = []
    seen = {source.text}
    remaining = check(source)
    for _ in range(_ROUNDS):
        text, made = apply_fixes(source, remaining)
        if not made or text in seen:
            break
        seen.add(text)
        mended += made
        source = Source(source.name, text, source.path)
        remaining = check(source)
    return Fixed(before, source, tuple(mended), remaining)


def _check(source: Source) -> Diagnostics:
    return load(source).check()
