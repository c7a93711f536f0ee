"""Output of commands: results on stdout, everything else on stderr, colours if enabled."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from resdsl.untrusted import json_text, visible

if TYPE_CHECKING:
    from rich.console import Console

    from resdsl.diagnostics import Diagnostic, Diagnostics

MOST = 100
"""Maximum number of diagnostics shown."""


def colored(stream: TextIO, choice: str = "auto") -> bool:
    """Whether to write ANSI styles: by ``choice``, NO_COLOR, FORCE_COLOR, and whether ``stream`` is a terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def width_of(stream: TextIO) -> int | None:
    """Columns of ``stream`` if it is a terminal, else ``None``."""
    if not stream.isatty():
        return None
    import shutil  # slow to import: it loads every archive format

    return shutil.get_terminal_size().columns


@dataclass(frozen=True, slots=True)
class Terminal:
    """The output options of a command."""

    color: str = "auto"
    quiet: bool = False
    as_json: bool = False

    def show(self, diagnostics: Diagnostics) -> None:
        """Show diagnostics on stderr. With ``--json`` they are part of the result; ``--quiet`` omits warnings."""
        shown: Diagnostics | list[Diagnostic] = diagnostics
        if self.quiet and diagnostics.warnings:
            shown = diagnostics.errors
        if self.as_json or not len(shown):
            return
        from resdsl.cli.flags import as_flags  # most runs have no diagnostics
        from resdsl.diagnostics.render import render

        color, width = colored(sys.stderr, self.color), width_of(sys.stderr)
        text = render(shown, color=color, width=width, most=MOST, spelling=as_flags)
        print(text, end="", file=sys.stderr)

    def say(self, text: str) -> None:
        """Print a message for the user on stderr; it is not part of the result."""
        if not self.quiet and not self.as_json:
            print(visible(text, styles=colored(sys.stderr, self.color)), file=sys.stderr)

    def result(self, text: str, *, verbatim: bool = False) -> None:
        """Print a result, in which names and texts cannot control the terminal.

        ``verbatim`` is for files, which reach a pipe or another file as they are.
        """
        if not verbatim or sys.stdout.isatty():
            text = visible(text, styles=colored(sys.stdout, self.color))
        print(text, end="" if text.endswith("\n") else "\n")

    @contextmanager
    def drawing(self) -> Iterator[Console]:
        """A console for tables and pages. What is drawn on it is printed at the end, as ``result`` does."""
        from rich.console import Console  # imported only to draw

        color = colored(sys.stdout, self.color)
        console = Console(
            color_system="standard" if color else None,
            highlight=False,
            force_terminal=color or None,
            legacy_windows=False,
        )
        with console.capture() as drawn:
            yield console
        self.result(drawn.get())

    def data(self, data: object) -> None:
        """Print a result as JSON."""
        print(json_text(data))

    def report(self, diagnostics: Diagnostics, **results: object) -> None:
        """Show diagnostics; with ``--json``, print them and the results as one object."""
        self.show(diagnostics)
        if self.as_json:
            from resdsl.cli.flags import as_flags  # only for --json
            from resdsl.diagnostics.json import report_data

            self.data({**results, **report_data(diagnostics, as_flags)})
