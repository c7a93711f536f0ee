"""How a command ends: 0 fine, 1 the input is wrong, 2 usage or files, 3 the machine or what is installed on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resdsl.diagnostics import Diagnostic

FINE = 0
INPUT = 1
USAGE = 2
ENVIRONMENT = 3
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
BROKEN_PIPE = 141  # 128 + SIGPIPE


def status_of(found: Iterable[Diagnostic]) -> int:
    """The exit code that these call for: the gravest wins, where an unusable machine hides everything else."""
    return max((_status(diagnostic) for diagnostic in found), default=FINE)


def _status(diagnostic: Diagnostic) -> int:
    from resdsl.diagnostics import Severity, catalogue  # noqa: PLC0415  who has a diagnostic has them too

    code = diagnostic.code.id
    if diagnostic.severity is Severity.WARNING:
        return FINE
    if code in {catalogue.DEVICE_NAME.id, catalogue.WEIGHTS_ADDRESS.id, catalogue.DOWNLOAD_FAILED.id}:
        return USAGE
    if "E0850" <= code < "E0900":
        return ENVIRONMENT
    # Up to E0819 a file is not where it should be; from there on it is, and what is in it is wrong.
    if "E0800" < code < "E0820" and code not in {catalogue.NOT_TEXT.id, catalogue.EMPTY_FILE.id}:
        return USAGE
    return INPUT
