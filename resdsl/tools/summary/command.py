"""``resdsl summary``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from resdsl.analysis.signal import Variance, signal_warnings
from resdsl.analysis.training import STATES, TrainingCost, training_cost
from resdsl.cli.options import command_options, network_options
from resdsl.cli.terminal import Terminal
from resdsl.cli.types import Depth
from resdsl.specification.load import NetworkOptions, load
from resdsl.tools.summary import formats as summary_formats

if TYPE_CHECKING:
    from rich.console import Console

_LAYERS = 1
_BATCH = 128


@click.command("summary")
@click.argument("spec")
@click.option(
    "--depth",
    type=Depth(),
    metavar="N",
    help="Levels of rows: 1 for stages (default), 2 for their blocks, ..., or all, down to operators.",
)
@click.option(
    "--explicit",
    is_flag=True,
    help="Print every argument of operators and blocks, including defaults (all levels, unless --depth).",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "csv", "json"]),
    default="text",
    help="Output format (default: text). csv and json have exact numbers; --json is --format json.",
)
@click.option(
    "--training", is_flag=True, help="Add what a training step costs, and check the signal at initialisation."
)
@click.option(
    "--batch", "batch_size", type=click.IntRange(1), default=None, help="Images of a training step (default: 128)."
)
@click.option("--optimizer", type=click.Choice(list(STATES)), help="Optimizer of the training (default: sgd).")
@click.option("--init", metavar="SCHEME", help="Initialisation, for the signal, as for compile (default: he_normal).")
@network_options
@command_options
def command(
    terminal: Terminal,
    spec: str,
    depth: int | None,
    explicit: bool,
    form: str,
    training: bool,
    batch_size: int | None,
    optimizer: str | None,
    init: str | None,
    network: NetworkOptions,
) -> None:
    """Show the layers of a network, stage by stage: output shapes, parameters, MACs, activations, receptive fields.

    SPEC is a file (.res or .onnx), a built-in network (resnet50), REV:path for a file as it was in a git revision, or -
    for standard input.

    MACs are the multiply-accumulate operations of convolutions and linear layers; activations are the memory of all
    layer outputs; both are for one image. Parameters are the trainable ones; running statistics of batch norms are
    counted separately. `field` is the receptive field in input pixels, `stride` the distance between the receptive
    fields of neighbouring outputs; "-" means the whole image, or not the same everywhere.

    --training adds the multiply-accumulates and the memory of a training step: what is kept of the forward pass until
    the gradients are computed, the gradients, and the state of the optimizer. It warns where the signal dies or
    explodes at initialisation.
    """
    if not training and (batch_size or optimizer or init):
        raise click.UsageError("--batch, --optimizer and --init need --training")
    as_json = terminal.as_json or form == "json"
    terminal = Terminal(terminal.color, terminal.quiet, as_json)
    specification = load(spec, **network)
    # --explicit is about the defaults of operators, which only the full depth shows.
    summary = specification.summary(depth=depth or (sys.maxsize if explicit else 1), explicit=explicit)
    smallest = specification.smallest_input
    cost: TrainingCost | None = None
    if training:
        cost = training_cost(specification.graph, batch_size or _BATCH, optimizer=optimizer or "sgd")
        for warning in signal_warnings(specification.graph, _variance(init or "he_normal")):
            specification.diagnostics.report(warning)
    data = summary_formats.data(summary, smallest, cost) if as_json else {}
    terminal.report(specification.diagnostics, **data)
    if as_json:
        return
    if form == "csv":
        terminal.result(summary_formats.table_csv(summary))
    elif form == "markdown":
        terminal.result(summary_formats.markdown(summary, smallest, cost))
    elif sys.stdout.isatty() or terminal.color == "always":
        below = summary_formats.totals_text(summary, smallest, cost)
        rows = summary_formats.cells(summary)
        with terminal.drawing() as console:
            _draw(console, summary_formats.heading(summary), rows, below)
    else:
        terminal.result(summary_formats.text(summary, smallest, cost))


def _variance(name: str) -> Variance:
    from resdsl.weights.initial import Scheme  # only for --training

    try:
        return Scheme(name).variance
    except ValueError:
        schemes = ", ".join(Scheme)
        raise click.BadParameter(f"'{name}' is not one of {schemes}", param_hint="--init") from None


def _draw(console: Console, heading: str, rows: Sequence[tuple[str, ...]], below: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD  # imported only to draw
    from rich.table import Table
    from rich.text import Text

    shown = _fitting(rows, console.width)
    table = Table(box=SIMPLE_HEAD, title=Text(heading, "bold"), title_justify="left", pad_edge=False)
    for column in shown:
        table.add_column(
            summary_formats.HEADINGS[column],
            style="cyan" if column == 0 else "",
            justify="right" if column >= summary_formats.NUMBERS_FROM else "left",
            no_wrap=column != _LAYERS,
        )
    for row in rows:
        # Text, because rich would read a shape in brackets as markup.
        table.add_row(*(Text(row[column]) for column in shown))
    console.print(table)
    for line in below:
        console.print(Text(line))


def _fitting(rows: Sequence[tuple[str, ...]], width: int) -> list[int]:
    """The columns that fit the terminal. Layers are wrapped; columns are dropped from the right."""
    table = [summary_formats.HEADINGS, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(summary_formats.HEADINGS))]
    widths[_LAYERS] = min(widths[_LAYERS], 24)
    shown = list(range(len(widths)))
    while len(shown) > summary_formats.NUMBERS_FROM and sum(widths[column] + 2 for column in shown) > width:
        shown.pop()
    return shown
