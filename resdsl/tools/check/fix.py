"""Applying the fixes that diagnostics carry, as far as they make the text better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resdsl.diagnostics import Diagnostic, Diagnostics, Source, catalogue
from resdsl.diagnostics.apply_fixes import apply_fixes
from resdsl.diagnostics.diagnostic import Severity
from resdsl.specification.load import Network, load
from resdsl.specification.specification import Specification

_MOST_CHECKS = 500
"""Texts that are checked to find out which fixes make a text better; then what is left is reported."""

_MOST_CHARACTERS = 4_000_000
"""Of all these texts together, since a check takes seconds for a text as long as the limits allow."""

_LONGEST_CHAIN = 5
"""Fixes, one after another, that may each uncover the next error before the text is better."""

_LEVELS = 6
_HIDES_LAYERS = frozenset({
    code.id for code in (catalogue.UNKNOWN_CALLEE, catalogue.UNKNOWN_TAP, catalogue.REPEAT_COUNT)
})  # fmt: skip

Rank = tuple[int, ...]
"""The number of errors of each level, those first that hide others, and of warnings. Less is better."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A text before and after fixes: ``applied`` are the fixed diagnostics, ``remaining`` those of the result."""

    before: Source
    after: Source
    applied: tuple[Diagnostic, ...]
    remaining: Diagnostics


def rank(diagnostics: Diagnostics) -> Rank:
    """How bad a text is, to be compared with `<`: fixes are applied only where they decrease it.

    An error hides those of later levels in the same statement and in what depends on it: a limit ends the check, a
    syntax error hides its statement, an unknown block its arguments, and these hide shapes. So a fix may uncover errors
    of later levels, and may not cause as many of its own level or any of an earlier one.
    """
    levels = [0] * _LEVELS
    for diagnostic in diagnostics:
        levels[_level(diagnostic)] += 1
    return tuple(levels)


def _level(diagnostic: Diagnostic) -> int:
    code = diagnostic.code
    if code.severity is Severity.WARNING:
        return _LEVELS - 1
    if code is catalogue.LIMIT:
        return 0
    if code.id.startswith("E01"):
        return 1
    if code.id in _HIDES_LAYERS or code.id.startswith("E04"):
        return 2
    return 3 if code.id.startswith("E02") else 4


def fix(network: Network) -> Fixed:
    """Apply every fix that a diagnostic of the text carries and that makes it better, until there are no more.

    Writes no file. Only the text itself is changed, not what it uses. The result never has more errors of a level than
    the text, unless it has fewer of an earlier one (`rank`). Raises ``CompileError`` if the text cannot be read.
    """
    specification = load(network)
    fixing = _Fixing(specification)
    applied: list[Diagnostic] = []
    while made := fixing.improve():
        applied += made
    return Fixed(specification.source, fixing.text.source, tuple(applied), fixing.text.diagnostics)


@dataclass(frozen=True, slots=True)
class _Text:
    """A text and what is reported of it."""

    source: Source
    diagnostics: Diagnostics

    @property
    def rank(self) -> Rank:
        return rank(self.diagnostics)


class _Fixing:
    """A text while it is fixed, and what is reported of it."""

    def __init__(self, specification: Specification) -> None:
        self._specification = specification
        self.text = _Text(specification.source, specification.check())
        self._checks = 0
        self._characters = 0

    def improve(self) -> tuple[Diagnostic, ...]:
        """Apply the fixes of what is reported now; gives the diagnostics whose fixes were applied."""
        start = self.text
        _, candidates = apply_fixes(start.source, start.diagnostics)
        made: tuple[Diagnostic, ...] = ()
        # All of a level at once; if that is not what it should be, halves of them, down to the single fixes.
        levels = [[one for one in candidates if _level(one) == level] for level in reversed(range(_LEVELS))]
        groups: list[Sequence[Diagnostic]] = [group for group in levels if group]
        while groups and self._checks < _MOST_CHECKS and self._characters < _MOST_CHARACTERS:
            group = groups.pop()
            result, chosen = self._apply(start, [*made, *group])
            level, before, after = _level(group[0]), self.text.rank, result.rank
            if after < before and (len(group) == 1 or after[level] <= before[level] - len(group)):
                self.text, made = result, chosen
            elif len(group) > 1:
                half = len(group) // 2
                groups += [group[half:], group[:half]]
            elif follow := self._follow(result):
                # Offsets after this are those of another text.
                return (*chosen, *follow)
        return made

    def _apply(self, text: _Text, diagnostics: Sequence[Diagnostic]) -> tuple[_Text, tuple[Diagnostic, ...]]:
        self._checks += 1
        fixed, chosen = apply_fixes(text.source, diagnostics)
        source = Source(text.source.name, fixed, text.source.path)
        self._characters += len(fixed)
        return _Text(source, _same_network(self._specification, source).check()), chosen

    def _follow(self, text: _Text) -> tuple[Diagnostic, ...]:
        """A fix that uncovered as many errors as it fixed is kept only if fixes of these make the text better.

        ``conv(64 3x3 stride: 2)`` has three errors, and the parser reports one at a time.
        """
        made: list[Diagnostic] = []
        known = {_identity(one, self.text.source) for one in self.text.diagnostics}
        for _ in range(_LONGEST_CHAIN):
            uncovered = [one for one in text.diagnostics if one.fix and _identity(one, text.source) not in known]
            following, chosen = self._apply(text, uncovered)
            if not chosen:
                return ()
            known |= {_identity(one, text.source) for one in text.diagnostics}
            made += chosen
            text = following
            if text.rank < self.text.rank:
                self.text = text
                return tuple(made)
        return ()


def _identity(diagnostic: Diagnostic, source: Source) -> tuple[str, str, int]:
    """What stays of a diagnostic when the text before it changes."""
    if diagnostic.primary is None or diagnostic.primary.span.source is not source:
        return diagnostic.code.id, diagnostic.message, 0
    span = diagnostic.primary.span
    return diagnostic.code.id, span.text, len(source.text) - span.end


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
