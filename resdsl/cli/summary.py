"""``resdsl summary``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from resdsl.cli.options import source_of, speaking, specification_options
from resdsl.cli.quantities import exact, short
from resdsl.cli.terminal import Terminal, colored
from resdsl.driver.specification import load
from resdsl.elaborate import Limits

if TYPE_CHECKING:
    from resdsl.analysis.cost import Cost
    from resdsl.analysis.summary import Summary

HEADINGS = ("name", "layers", "output", "parameters", "MACs")
_NUMBERS_FROM = 3


@click.command("summary", short_help="what a network is made of, stage by stage")
@click.argument("spec")
@click.option("--explicit", is_flag=True, help="Write every operator and block with all of its arguments.")
@specification_options
@speaking
def command(
    terminal: Terminal,
    spec: str,
    explicit: bool,
    model: str | None,
    arguments: dict[str, object],
    input_shape: tuple[int | str, ...] | None,
    limits: Limits,
) -> None:
    """What a network is made of, stage by stage: blocks, output sizes, parameters and MACs.

    MACs are the multiply-accumulates of convolutions and linear layers for one image. Parameters are the trainable
    ones; a batch norm's running statistics are counted apart.
    """
    specification = load(source_of(spec), model=model, set=arguments, input_shape=input_shape, limits=limits)
    summary = specification.summary(explicit=explicit)
    terminal.report(specification.diagnostics, **_data(summary))
    if terminal.as_json:
        return
    rows = [_cells(summary, index) for index in range(len(summary.rows))]
    heading = f"{summary.name}: {summary.input_name} {summary.input}"
    if sys.stdout.isatty() or terminal.color == "always":
        _draw(heading, rows, _totals(summary), color=colored(sys.stdout, terminal.color))
    else:
        terminal.result("\n".join([heading, "", *_plain(rows), "", *_totals(summary)]))


def _cells(summary: Summary, index: int) -> tuple[str, ...]:
    row = summary.rows[index]
    parameters = short(row.cost.parameters) if row.cost.parameters else ""
    # A symbolic count is a long expression: the totals below give it whole.
    macs = "varies" if not isinstance(row.cost.macs, int) else short(row.cost.macs) if row.cost.macs else ""
    return row.path, row.text, str(row.output), parameters, macs


def _totals(summary: Summary) -> list[str]:
    cost = summary.cost
    outputs = ", ".join(f"{name} {result}" for name, result in summary.outputs)
    buffers = f" (and {exact(cost.buffers)} running statistics)" if cost.buffers else ""
    return [
        f"outputs     {outputs}",
        f"parameters  {exact(cost.parameters)}{buffers}",
        f"MACs        {exact(cost.macs)} for one image",
        f"depth       {summary.depth} layers with weights on the longest path",
        *(() if isinstance(cost.macs, int) else ("a size counts the MACs: --input 'N,3,224,224'",)),
    ]


def _plain(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns with blanks between, numbers to the right."""
    table = [HEADINGS, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]
    return [
        "  ".join(
            cell.rjust(width) if column >= _NUMBERS_FROM else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def _draw(heading: str, rows: Sequence[tuple[str, ...]], totals: Sequence[str], *, color: bool) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415  rich is for drawing only
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD, title=Text(heading, "bold"), title_justify="left", pad_edge=False)
    styles = ("cyan", "", "", "", "")
    for column, (name, style) in enumerate(zip(HEADINGS, styles, strict=True)):
        right = column >= _NUMBERS_FROM
        table.add_column(name, style=style, justify="right" if right else "left", no_wrap=column != 1)
    for row in rows:
        # Text, not markup: a shape in brackets is no style.
        table.add_row(*(Text(cell) for cell in row))
    console = Console(no_color=not color, highlight=False, force_terminal=color or None)
    console.print(table)
    for line in totals:
        console.print(Text(line))


def _data(summary: Summary) -> dict[str, object]:
    return {
        "name": summary.name,
        "input": {"name": summary.input_name, "shape": _shape(summary.input.shape)},
        "outputs": [{"name": name, "shape": _shape(result.shape)} for name, result in summary.outputs],
        "rows": [
            {
                "name": row.path,
                "kind": row.kind,
                "layers": [
                    {"count": run.count, "call": run.call, "arguments": dict(run.arguments)} for run in row.layers
                ],
                "output": _shape(row.output.shape),
                **_cost(row.cost),
            }
            for row in summary.rows
        ],
        **_cost(summary.cost),
        "depth": summary.depth,
    }


def _cost(cost: Cost) -> dict[str, object]:
    return {"parameters": cost.parameters, "buffers": cost.buffers, "macs": _number(cost.macs)}


def _shape(shape: Sequence[object]) -> list[object]:
    return [_number(dim) for dim in shape]


def _number(dim: object) -> object:
    """A size; a symbolic one as its text."""
    return dim if isinstance(dim, int) else str(dim)
