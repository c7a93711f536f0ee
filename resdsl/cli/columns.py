"""Text tables: words are left-aligned, numbers right-aligned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from resdsl.untrusted import printable

_WIDEST = 500


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1, color: bool = False) -> str:
    """A table whose first ``words`` columns are left-aligned; empty columns are left out."""
    # Names come from models, labels and file names: a control character would reach the terminal.
    rows = [[printable(cell, most=_WIDEST) for cell in row] for row in rows]
    filled = [index for index in range(len(headings)) if any(row[index] for row in rows)]
    widths = {index: max(len(row[index]) for row in (headings, *rows)) for index in filled}

    def cells(row: Sequence[str]) -> Iterator[str]:
        for index in filled:
            yield row[index].ljust(widths[index]) if index < words else row[index].rjust(widths[index])

    lines = ["  ".join(cells(row)).rstrip() for row in (headings, *rows)]
    if color:
        lines[0] = click.style(lines[0], bold=True)
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """A time with three digits: ``12.3 ms``, ``850 us``, ``1.25 s``."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        # From 0.9995 on, the smaller unit would be shown as 1000.
        if seconds * scale >= 0.9995 or unit == "us":
            return f"{_three(seconds * scale)} {unit}"
    raise AssertionError(seconds)


def _three(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
