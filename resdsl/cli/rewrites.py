"""Changed texts: shown as a unified diff, or written back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from resdsl.cli.terminal import Terminal, colored
from resdsl.diagnostics import Diagnostic, Diagnostics, Source, catalogue
from resdsl.diagnostics.errors import OutputError
from resdsl.files import write_file


def show_difference(terminal: Terminal, before: Source, text: str, what: str) -> None:
    """A unified diff on stdout; ``what`` was done to the new text (``formatted``)."""
    import difflib  # only for --diff

    lines = difflib.unified_diff(
        before.text.splitlines(keepends=True), text.splitlines(keepends=True), before.name, f"{before.name} ({what})"
    )
    color = colored(sys.stdout, terminal.color)
    text = "".join(_tinted(line if line.endswith("\n") else f"{line}\n", color) for line in lines)
    terminal.result(text, verbatim=True)


def write_back(path: str, text: str, diagnostics: Diagnostics) -> None:
    """Replace the content of the file ``path``; a failure is reported.

    A revision or a built-in network is not changed.
    """
    if not Path(path).is_file():
        message = f"`{path}` is not a file that can be changed"
        diagnostics.report(Diagnostic(catalogue.UNWRITABLE, message, helps=("show the changes with `--diff`",)))
        return
    try:
        write_file(Path(path), text.encode(), in_place=True)
    except OutputError as error:
        diagnostics.absorb(error.diagnostics)


def _tinted(line: str, color: bool) -> str:
    tint = {"+": "green", "-": "red", "@": "cyan"}.get(line[0])
    return click.style(line, fg=tint) if color and tint else line
