"""How a command ends: 0 fine, 1 the input is wrong, 2 usage or files, 3 the machine or what is installed on it."""

from __future__ import annotations

from collections.abc import Iterable

from resdsl.diagnostics import Diagnostic, Severity, catalogue

FINE = 0
INPUT = 1
USAGE = 2
ENVIRONMENT = 3
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
BROKEN_PIPE = 141  # 128 + SIGPIPE

_WRONG_CONTENTS = frozenset({catalogue.NOT_TEXT.id, catalogue.EMPTY_FILE.id})
_WRONG_USE = frozenset({catalogue.DEVICE_NAME.id})


def status_of(found: Iterable[Diagnostic]) -> int:
    """The exit code that these call for: the gravest wins, where an unusable machine hides everything else."""
    return max((_status(diagnostic) for diagnostic in found), default=FINE)


def _status(diagnostic: Diagnostic) -> int:
    code = diagnostic.code.id
    if diagnostic.severity is Severity.WARNING:
        return FINE
    if code in _WRONG_USE:
        return USAGE
    if "E0850" <= code < "E0900":
        return ENVIRONMENT
    # Up to E0819 a file is not where it should be; from there on it is, and what is in it is wrong.
    if "E0800" < code < "E0820" and code not in _WRONG_CONTENTS:
        return USAGE
    return INPUT
