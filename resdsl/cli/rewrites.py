"""Texts that a command changes: shown as a difference, or written back whole."""

from __future__ import annotations

import sys

import click

from resdsl.cli.terminal import Terminal, colored
from resdsl.diagnostics import Diagnostics, Source
from resdsl.files import OutputError, write_file


def show_difference(terminal: Terminal, before: Source, text: str, what: str) -> None:
    """A unified diff on stdout; ``what`` was done to the new text (``formatted``)."""
    import difflib  # only where a difference is shown

    lines = difflib.unified_diff(
        before.text.splitlines(keepends=True), text.splitlines(keepends=True), before.name, f"{before.name} ({what})"
    )
    color = colored(sys.stdout, terminal.color)
    terminal.result("".join(_tinted(line if line.endswith("\n") else f"{line}\n", color) for line in lines))


def write_back(source: Source, text: str, found: Diagnostics) -> None:
    """Put ``text`` in place of the file that ``source`` was read from; where that fails, it is reported."""
    assert source.path is not None
    try:
        write_file(source.path, text.encode())
    except OutputError as error:
        found.absorb(error.diagnostics)


def _tinted(line: str, color: bool) -> str:
    tint = {"+": "green", "-": "red", "@": "cyan"}.get(line[0])
    return click.style(line, fg=tint) if color and tint else line
