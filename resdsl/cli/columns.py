"""Tables as text: columns with blanks between, words to the left and numbers to the right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1, color: bool = False) -> str:
    """``words`` is how many columns are of words; columns that are empty throughout are left out."""
    filled = [place for place in range(len(headings)) if any(row[place] for row in rows)]
    widths = {place: max(len(row[place]) for row in (headings, *rows)) for place in filled}

    def cells(row: Sequence[str]) -> Iterator[str]:
        for place in filled:
            yield row[place].ljust(widths[place]) if place < words else row[place].rjust(widths[place])

    lines = ["  ".join(cells(row)).rstrip() for row in (headings, *rows)]
    if color:
        lines[0] = click.style(lines[0], bold=True)
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Three digits: ``12.3 ms``, ``850 us``, ``1.25 s``."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        # From 0.9995 on, three digits of the smaller unit would read 1000.
        if seconds * scale >= 0.9995 or unit == "us":
            return f"{_three(seconds * scale)} {unit}"
    raise AssertionError(seconds)


def _three(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
