"""``resdsl draw``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from resdsl.cli.options import command_options, network_options, require_one_stdin
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import Diagnostics
from resdsl.picture.canvas import Direction
from resdsl.picture.diagram import Detail
from resdsl.picture.theme import THEMES
from resdsl.specification.load import NetworkOptions
from resdsl.tools.draw.draw import FORMATS, Picture, compared, cost_picture, draw, format_of

_IN_BYTES = ("png", "pdf")
_PIXELS = 2


@click.command("draw")
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Output file, or - for standard output (default, for net.res: net.svg, net-costs.svg or net-diff.svg).",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="Output format (default: by the suffix of FILE). png and pdf need `pip install 'resdsl[picture]'`.",
)
@click.option(
    "--detail",
    type=click.Choice([str(detail) for detail in Detail]),
    help="What a box is (default: layer, as in papers, with norms and activations inside; op: every operator).",
)
@click.option(
    "--fold/--expand",
    default=None,
    help="Draw equal blocks once with their number, or each of them (default: fold deep networks).",
)
@click.option(
    "--direction",
    type=click.Choice([str(direction) for direction in Direction]),
    default="down",
    help="Direction from input to output (default: down).",
)
@click.option(
    "--theme", type=click.Choice(list(THEMES)), default="light", help="Colours (default: light); print uses greys."
)
@click.option("--diff", "difference", is_flag=True, help="Draw two SPECs, old and new, with the changes in colour.")
@click.option("--cost", is_flag=True, help="Draw MACs, weights and activations of each layer of one SPEC as bars.")
@click.option("--scale", type=click.FloatRange(0.1, 20), help=f"Pixels per point of a PNG (default: {_PIXELS}).")
@network_options
@command_options
def command(
    terminal: Terminal,
    specs: tuple[str, ...],
    output: str | None,
    form: str | None,
    detail: str | None,
    fold: bool | None,
    direction: str,
    theme: str,
    difference: bool,
    cost: bool,
    scale: float | None,
    network: NetworkOptions,
) -> None:
    """Draw networks: layers coloured by resolution, shortcuts, branches and output sizes.

    SPEC is a file (.res or .onnx), a built-in network (resnet50), REV:path for a file as it was in a git revision, or -
    for standard input. Several SPECs are drawn side by side: `resdsl draw vgg19 plain34 resnet34 -o figure3.svg` is
    figure 3 of He et al. 2015.
    """
    _check(specs, difference=difference, cost=cost, fold=fold, direction=direction)
    what = "-costs" if cost else "-diff" if difference else ""
    output = output or _named(specs[-1] if difference else specs[0], what, form or "svg")
    form = form or _format_of(output)
    if scale is not None and form != "png":
        raise click.UsageError(f"--scale applies to png, and the format is {form}")
    repeats = "auto" if fold is None else "fold" if fold else "expand"
    # Shared options are passed by name in each call, so that mypy checks them.
    if cost:
        drawn = cost_picture(specs[0], detail=detail, theme=theme, **network)
    elif difference:
        drawn = compared(
            *specs,
            detail=detail or Detail.LAYER,
            repeats=repeats,
            direction=direction,
            theme=theme,
            **network,
        )
    else:
        drawn = draw(
            specs,
            detail=detail or Detail.LAYER,
            repeats=repeats,
            direction=direction,
            theme=theme,
            **network,
        )
    _write(drawn, output, form, scale or _PIXELS, terminal)


def _check(specs: tuple[str, ...], *, difference: bool, cost: bool, fold: bool | None, direction: str) -> None:
    if difference and cost:
        raise click.UsageError("--diff and --cost cannot be combined")
    if difference and len(specs) != 2:
        raise click.UsageError(f"--diff takes two networks, old and new, not {len(specs)}")
    if cost and len(specs) != 1:
        raise click.UsageError(f"--cost takes one network, not {len(specs)}")
    if cost and (fold is not None or direction != "down"):
        raise click.UsageError("--fold, --expand and --direction have no effect with --cost")
    require_one_stdin(specs)


def _named(spec: str, what: str, form: str) -> str:
    """The default output: in the current folder, named after the specification."""
    suffix = {"mermaid": "mmd"}.get(form, form)
    stem = "net" if spec == "-" else Path(spec.rpartition(":")[2]).stem
    return f"{stem}{what}.{suffix}"


def _format_of(output: str) -> str:
    try:
        return format_of(output)
    except ValueError as error:
        raise click.UsageError(f"{error}. Or name the format with --format") from None


def _write(drawn: Picture, output: str, form: str, scale: float, terminal: Terminal) -> None:
    if output == "-":
        data = drawn.render(form, scale=scale)
        if form in _IN_BYTES and sys.stdout.isatty():
            raise click.UsageError(f"{form} cannot be shown on a terminal; name a file with -o, or use a pipe")
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    drawn.save(output, form, scale=scale)
    terminal.say(f"wrote {output}")
    if terminal.as_json:
        size = {"width": drawn.scene.width, "height": drawn.scene.height}
        terminal.report(Diagnostics(), output=output, format=form, **size)
