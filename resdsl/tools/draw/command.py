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
    help="Where to; - is standard output. If not said, the name of SPEC: net.svg, net-costs.svg, net-diff.svg.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="If not said, what FILE's suffix names: .svg, .png, .pdf, .mmd, .dot. png and pdf need the extra picture.",
)
@click.option(
    "--detail",
    type=click.Choice([str(detail) for detail in Detail]),
    help="What gets a box: layer (if not said) as in papers, with norms and activations inside; op every operator.",
)
@click.option(
    "--fold/--expand",
    default=None,
    help="Draw what repeats once with its number, or each time. If not said, deep networks are folded.",
)
@click.option(
    "--direction",
    type=click.Choice([str(direction) for direction in Direction]),
    default="down",
    help="Which way the layers run (down).",
)
@click.option("--theme", type=click.Choice(list(THEMES)), default="light", help="light, dark, or greys to print.")
@click.option("--diff", "difference", is_flag=True, help="Two SPECs, old and new, with what changed in colours.")
@click.option(
    "--cost", is_flag=True, help="Where the money goes: MACs, weights and activations along the depth of one SPEC."
)
@click.option("--scale", type=click.FloatRange(0.1, 20), help=f"Pixels of a PNG to a point ({_PIXELS}).")
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
    """Draw networks: layers coloured by stage, shortcuts, branches, sizes.

    SPECs are files, networks that resdsl brings along (resnet50), or - for standard input. Several stand side by side
    in one picture: `resdsl draw vgg19 plain34 resnet34 -o figure3.svg` is figure 3 of He et al. 2015. REV:path is a
    file as it was in a git revision.
    """
    _check(specs, difference=difference, cost=cost, fold=fold, direction=direction)
    what = "-costs" if cost else "-diff" if difference else ""
    output = output or _named(specs[-1] if difference else specs[0], what, form or "svg")
    form = form or _format_of(output)
    if scale is not None and form != "png":
        raise click.UsageError(f"--scale is for PNG, and this is {form}")
    repeats = "auto" if fold is None else "fold" if fold else "expand"
    # One call for each kind of picture: what they share is passed by name, so that a checker sees it.
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
        raise click.UsageError("--diff and --cost are two pictures; draw one after the other")
    if difference and len(specs) != 2:
        raise click.UsageError(f"--diff is for two networks, old and new, and not for {len(specs)}")
    if cost and len(specs) != 1:
        raise click.UsageError(f"--cost is for one network, and not for {len(specs)}")
    if cost and (fold is not None or direction != "down"):
        raise click.UsageError(
            "costs are drawn row by row downwards: --fold, --expand and --direction say nothing there"
        )
    require_one_stdin(specs)


def _named(spec: str, what: str, form: str) -> str:
    """The name of a picture that nobody named: in the current folder, like the specification's."""
    suffix = {"mermaid": "mmd"}.get(form, form)
    stem = "net" if spec == "-" else Path(spec.rpartition(":")[2]).stem
    return f"{stem}{what}.{suffix}"


def _format_of(output: str) -> str:
    try:
        return format_of(output)
    except ValueError as error:
        raise click.UsageError(f"{error}. Or say the format with --format") from None


def _write(drawn: Picture, output: str, form: str, scale: float, terminal: Terminal) -> None:
    if output == "-":
        data = drawn.render(form, scale=scale)
        if form in _IN_BYTES and sys.stdout.isatty():
            raise click.UsageError(f"a terminal cannot show {form}: name a file with -o, or pipe it into a program")
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    drawn.save(output, form, scale=scale)
    terminal.say(f"wrote {output}")
    if terminal.as_json:
        size = {"width": drawn.scene.width, "height": drawn.scene.height}
        terminal.report(Diagnostics(), output=output, format=form, **size)
