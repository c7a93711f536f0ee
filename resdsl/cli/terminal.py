"""What a command shows and where: results on stdout, everything else on stderr, colours where they are wanted."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from resdsl.untrusted import json_text, visible

if TYPE_CHECKING:
    from resdsl.diagnostics import Diagnostic, Diagnostics

MOST = 100
"""So many mistakes are drawn; nobody reads more before mending the first."""


WIDEST = 500
"""Columns where no terminal says how many: a log has its lines whole, but for those that nobody wrote by hand."""


def colored(stream: TextIO, choice: str = "auto") -> bool:
    """Whether to write ANSI styles to ``stream``: what was asked for, then NO_COLOR, FORCE_COLOR, then its kind."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def width_of(stream: TextIO) -> int | None:
    """Columns of the terminal that ``stream`` is, or ``None`` where it is none."""
    if not stream.isatty():
        return None
    import shutil  # it brings along every format of archives

    return shutil.get_terminal_size().columns


@dataclass(frozen=True, slots=True)
class Terminal:
    """How one command was asked to speak."""

    color: str = "auto"
    quiet: bool = False
    as_json: bool = False

    def show(self, diagnostics: Diagnostics) -> None:
        """Draw mistakes on stderr. With ``--json`` they are part of the result; ``--quiet`` leaves out warnings."""
        shown: Diagnostics | list[Diagnostic] = diagnostics
        if self.quiet and diagnostics.warnings:
            shown = diagnostics.errors
        if self.as_json or not len(shown):
            return
        from resdsl.cli.flags import as_flags  # most runs have nothing to draw
        from resdsl.diagnostics.render import render

        color, width = colored(sys.stderr, self.color), width_of(sys.stderr) or WIDEST
        text = render(shown, color=color, width=width, most=MOST, spelling=as_flags)
        print(text, end="", file=sys.stderr)

    def say(self, text: str) -> None:
        """A word to the person at the terminal; not a result."""
        if not self.quiet and not self.as_json:
            print(visible(text, styles=colored(sys.stderr, self.color)), file=sys.stderr)

    def result(self, text: str, *, verbatim: bool = False) -> None:
        """Print a result, in which names and texts cannot control the terminal.

        ``verbatim`` is for files, which reach a pipe or another file as they are.
        """
        if not verbatim or sys.stdout.isatty():
            text = visible(text, styles=colored(sys.stdout, self.color))
        print(text, end="" if text.endswith("\n") else "\n")

    def data(self, data: object) -> None:
        """A result for machines."""
        print(json_text(data))

    def report(self, diagnostics: Diagnostics, **results: object) -> None:
        """Mistakes, and with ``--json`` the results, which stand beside them in one object."""
        self.show(diagnostics)
        if self.as_json:
            from resdsl.cli.flags import as_flags  # only for --json
            from resdsl.diagnostics.json import report_data

            self.data({**results, **report_data(diagnostics, as_flags)})
