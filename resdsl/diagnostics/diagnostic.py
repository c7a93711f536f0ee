"""An error or warning as data: what is wrong, where, the chain of calls that led to it, and how to fix it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from resdsl.diagnostics.source import Span


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of error: its stable identifier (``E0301``) and what all instances have in common."""

    id: str
    title: str
    exit_status: int = 1
    """Exit status of a command that ends with it: 1 wrong input, 2 usage or files, 3 the machine or its software."""

    @property
    def severity(self) -> Severity:
        return Severity.WARNING if self.id.startswith("W") else Severity.ERROR


@dataclass(frozen=True, slots=True)
class Label:
    """A relevant place in a source, with a message."""

    span: Span
    text: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text of ``span`` (an insertion where it is empty)."""

    span: Span
    replacement: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that can be applied automatically, and what it does, as an imperative sentence."""

    title: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the chain that led to an error: the call with all of its arguments, and its position."""

    path: str
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or warning.

    ``primary`` is the place to change, if any; ``secondary`` are other relevant places; ``chain`` the calls from
    the innermost outwards; ``notes`` further facts; ``helps`` suggestions, each one sentence. ``alternative`` is a
    change that is right only if the rest of the text is: editors offer it, and nothing applies it unasked.
    """

    code: Code
    message: str
    primary: Label | None = None
    secondary: tuple[Label, ...] = ()
    chain: tuple[Call, ...] = ()
    notes: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()
    fix: Fix | None = None
    alternative: Fix | None = None

    @property
    def severity(self) -> Severity:
        return self.code.severity


@dataclass(slots=True)
class Diagnostics:
    """The diagnostics reported so far. The same error at the same place is kept once, however many calls lead to it."""

    _found: dict[tuple[str, Span | None, str], Diagnostic] = field(default_factory=dict)
    _repeats: dict[tuple[str, Span | None, str], int] = field(default_factory=dict)

    def report(self, diagnostic: Diagnostic) -> None:
        span = diagnostic.primary.span if diagnostic.primary else None
        # Calls with other arguments give other numbers in the message: where there is a place, the place decides.
        key = (diagnostic.code.id, span, "" if span else diagnostic.message)
        if key in self._found:
            self._repeats[key] = self._repeats.get(key, 0) + 1
        else:
            self._found[key] = diagnostic

    def repeat(self, code: Code, span: Span) -> bool:
        """Count a repetition of a diagnostic that was reported at this place; ``False`` if there was none."""
        key = (code.id, span, "")
        if key not in self._found:
            return False
        self._repeats[key] = self._repeats.get(key, 0) + 1
        return True

    def extend(self, diagnostics: Diagnostics) -> None:
        for diagnostic in diagnostics:
            self.report(diagnostic)

    @classmethod
    def of(cls, diagnostics: Iterable[Diagnostic]) -> Diagnostics:
        """Some diagnostics, each reported once."""
        made = cls()
        for diagnostic in diagnostics:
            made.report(diagnostic)
        return made

    def absorb(self, diagnostics: Diagnostics, *, beyond: Diagnostics | None = None) -> None:
        """Report all of others, as often as they were reported there, without those of ``beyond``."""
        for key, diagnostic in diagnostics._found.items():
            if beyond is not None and key in beyond._found:
                continue
            self.report(diagnostic)
            if more := diagnostics._repeats.get(key, 0):
                self._repeats[key] = self._repeats.get(key, 0) + more

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def repeats(self, diagnostic: Diagnostic) -> int:
        """How many further calls led to the same error at the same place."""
        span = diagnostic.primary.span if diagnostic.primary else None
        return self._repeats.get((diagnostic.code.id, span, "" if span else diagnostic.message), 0)

    @property
    def errors(self) -> list[Diagnostic]:
        return [found for found in self if found.severity is Severity.ERROR]

    @property
    def warnings(self) -> list[Diagnostic]:
        return [found for found in self if found.severity is Severity.WARNING]

    @property
    def exit_status(self) -> int:
        """The exit status these call for: 0 without errors; an unusable machine (3) outranks wrong input (1)."""
        return max((found.code.exit_status for found in self.errors), default=0)
