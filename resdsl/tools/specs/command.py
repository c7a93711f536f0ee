"""``resdsl specs``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from resdsl.analysis.quantities import short
from resdsl.cli.options import command_options
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics.suggest import closest
from resdsl.specification import builtin
from resdsl.specification.text import read_source
from resdsl.tools.specs.specs import BuiltinSpec, specs

if TYPE_CHECKING:
    from rich.console import Console

HEADINGS = ("name", "paper", "arXiv", "input", "parameters", "MACs")
_PAPER = 1
_ARXIV = 2
_INPUT = 3
_NUMBERS_FROM = 4
_LEAST_PAPER = 14
"""Width of `He et al. 2015`, the minimum width of the paper column when it is wrapped."""


@click.command("specs")
@click.argument("name", required=False)
@command_options
def command(terminal: Terminal, name: str | None) -> None:
    """List the built-in networks, or print the text of one.

    Every command that takes a SPEC accepts these names: `resdsl compile resnet50`. To modify one, write it to a file:
    `resdsl specs resnet50 > my.res`.
    """
    if name is not None:
        _print_one(terminal, name)
        return
    table = list(specs())
    if terminal.as_json:
        terminal.data([_data(one) for one in table])
        return
    rows = [_cells(one) for one in table]
    if sys.stdout.isatty() or terminal.color == "always":
        with terminal.drawing() as console:
            _draw(console, rows)
    else:
        terminal.result("\n".join(_plain(rows)))
    terminal.say("`resdsl specs NAME` prints a specification, `resdsl compile NAME` compiles it")


def _print_one(terminal: Terminal, name: str) -> None:
    file = builtin.file_of(name.removesuffix(".res"))
    if file is None:
        near = closest(name, builtin.names())
        raise click.UsageError(
            f"there is no built-in network '{name}'. "
            + (f"Did you mean '{near}'?" if near else "`resdsl specs` lists all.")
        )
    text = read_source(file).text
    if terminal.as_json:
        terminal.data({"name": file.stem, "text": text})
    else:
        terminal.result(text, verbatim=True)


def _cells(one: BuiltinSpec) -> tuple[str, ...]:
    size = ", ".join(map(str, one.input))
    macs = short(one.macs) if isinstance(one.macs, int) else "varies"
    return one.name, one.paper, one.arxiv, f"[{size}]", short(one.parameters), macs


def _widths(table: Sequence[tuple[str, ...]]) -> list[int]:
    return [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]


def _plain(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns separated by spaces, numbers right-aligned."""
    table = [HEADINGS, *rows]
    widths = _widths(table)
    return [
        "  ".join(
            cell.rjust(width) if column >= _NUMBERS_FROM else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]


def _shown(widths: Sequence[int], room: int) -> list[int]:
    """The columns that fit the terminal. Names are never shortened, because they are what users copy."""
    dropped: tuple[int, ...] = ()
    # Drop the arXiv identifier first, since the paper column names the paper too.
    for dropped in ((), (_ARXIV,), (_ARXIV, _PAPER), (_ARXIV, _PAPER, _INPUT)):
        least = [
            min(width, _LEAST_PAPER) if column == _PAPER and dropped else width
            for column, width in enumerate(widths)
            if column not in dropped
        ]
        if sum(least) + 3 * len(least) - 1 <= room:
            break
    return [column for column in range(len(widths)) if column not in dropped]


def _draw(console: Console, rows: Sequence[tuple[str, ...]]) -> None:
    from rich.box import SIMPLE_HEAD  # imported only to draw
    from rich.table import Table
    from rich.text import Text

    shown = _shown(_widths([HEADINGS, *rows]), console.width)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in shown:
        table.add_column(
            HEADINGS[column],
            style="cyan" if column == 0 else "",
            justify="right" if column >= _NUMBERS_FROM else "left",
            no_wrap=column != _PAPER,
        )
    for row in rows:
        # Text, because rich would read a shape in brackets as markup.
        table.add_row(*(Text(row[column]) for column in shown))
    console.print(table)


def _data(one: BuiltinSpec) -> dict[str, object]:
    return {
        "name": one.name,
        "paper": one.paper,
        "arxiv": one.arxiv,
        "input": [dim if isinstance(dim, int) else str(dim) for dim in one.input],
        "parameters": one.parameters,
        "macs": one.macs if isinstance(one.macs, int) else str(one.macs),
    }
