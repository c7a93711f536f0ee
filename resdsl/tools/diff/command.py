"""``resdsl diff``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from resdsl.cli.exits import FINE, INPUT
from resdsl.cli.options import command_options, network_options, require_one_stdin
from resdsl.cli.terminal import Terminal, colored, width_of
from resdsl.diagnostics import Diagnostics
from resdsl.elaborate.limits import Limits
from resdsl.files import write_file
from resdsl.review.budget import Budget, parse_budget
from resdsl.review.checkpoint import renames_text
from resdsl.review.review import Review
from resdsl.specification.load import NetworkOptions
from resdsl.tools.diff.diff import diff, verify


def _budget(ctx: click.Context, option: click.Parameter, value: str | None) -> Budget | None:
    try:
        return parse_budget(value) if value is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, option) from None


@click.command("diff")
@click.argument("old")
@click.argument("new", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "html", "json"]),
    default="text",
    help="Output format: text (default), markdown for a pull request comment, html for a page, or json.",
)
@click.option("-o", "--output", metavar="FILE", help="Output file, or - for standard output (default).")
@click.option(
    "--exit-code",
    is_flag=True,
    help="Exit with 1 if the networks differ, like git diff; another form of one network exits with 0.",
)
@click.option(
    "--max-parameters", metavar="BUDGET", callback=_budget, help="Fail above 12M parameters, +5% or +1M more."
)
@click.option("--max-macs", metavar="BUDGET", callback=_budget, help="Fail above 12G MACs, +5% or +1G more.")
@click.option(
    "--require-compatible-weights",
    is_flag=True,
    help="Fail unless every tensor of a checkpoint of OLD loads into NEW and NEW computes the same with it.",
)
@click.option(
    "--write-renames",
    metavar="FILE",
    help="Write the names of OLD's tensors in NEW to FILE, for `compile --weights W --rename @FILE`.",
)
@network_options
@command_options
def command(
    terminal: Terminal,
    old: str,
    new: str | None,
    form: str,
    output: str | None,
    exit_code: bool,
    max_parameters: Budget | None,
    max_macs: Budget | None,
    require_compatible_weights: bool,
    write_renames: str | None,
    network: NetworkOptions,
) -> int:
    """Compare two networks: layers, costs, and whether a checkpoint of OLD still loads into NEW.

    OLD and NEW are files (.res or .onnx), built-in networks (resnet50), REV:path for a file as it was in a git revision
    (main:net.res), or - for standard input. The networks are compared, not the texts. If one is an ONNX file, what
    exporters do to a network (folded norms, other names of tensors, fixed sizes) is listed as another form of it, and
    is no change: `resdsl diff --exit-code net.res export.onnx` exits with 0 if the export is the reviewed network.

    With A...B in place of OLD and NEW, every network of the git repository that differs between B and the merge base
    of A and B is reported (A..B: between A and B), including networks that only use a changed file.
    """
    if new is None:
        if write_renames is not None or any(network.get(name) for name in ("model", "set", "input_shape")):
            raise click.UsageError(
                "--write-renames, --model, --set and --input apply to two networks, not to a range of revisions"
            )
        budgets = (max_parameters, max_macs, require_compatible_weights)
        return _range(terminal, old, form, output, budgets, network.get("limits"), exit_code=exit_code)
    require_one_stdin((old, new))
    review = diff(old, new, **network)
    diagnostics = verify(
        review,
        max_parameters=max_parameters,
        max_macs=max_macs,
        compatible_weights=require_compatible_weights,
    )
    if write_renames is not None:
        _write(write_renames, renames_text(review.checkpoint), terminal)
    if terminal.as_json or form == "json":
        _show_data(terminal, review, diagnostics, output)
    else:
        _show(terminal, _render(review, form, terminal, output), output)
        terminal.show(diagnostics)
    if diagnostics.exit_status != FINE:
        return diagnostics.exit_status
    return INPUT if exit_code and not review.is_empty else FINE


def _range(
    terminal: Terminal,
    written: str,
    form: str,
    output: str | None,
    budgets: tuple[Budget | None, Budget | None, bool],
    limits: Limits | None,
    *,
    exit_code: bool,
) -> int:
    from resdsl.review.json import SCHEMA, review_data
    from resdsl.tools.diff import range_output  # not needed for two networks
    from resdsl.tools.diff.revision_range import differences, range_of

    revisions = range_of(written, Path.cwd())
    if revisions is None:
        raise click.UsageError("name two networks (HEAD:net.res net.res), or a range of revisions such as main...HEAD")
    differing = differences(revisions, limits=limits)
    diagnostics = range_output.diagnostics(differing)
    for each in differing:
        if each.review is not None:
            parameters, macs, compatible = budgets
            diagnostics.extend(
                verify(each.review, max_parameters=parameters, max_macs=macs, compatible_weights=compatible)
            )
    if terminal.as_json or form == "json":
        _show_json(
            {"schema": SCHEMA, "networks": range_output.data(differing, review_data)}, diagnostics, terminal, output
        )
    elif form == "html":
        _show(terminal, range_output.html(differing, written), output)
        terminal.show(diagnostics)
    else:
        write = range_output.markdown if form == "markdown" else range_output.text
        _show(terminal, write(differing, written, lambda review: _render(review, form, terminal, output)), output)
        terminal.show(diagnostics)
    if diagnostics.exit_status != FINE:
        return diagnostics.exit_status
    return INPUT if exit_code and differing else FINE


def _render(review: Review, form: str, terminal: Terminal, output: str | None) -> str:
    if form == "markdown":
        from resdsl.review.markdown import render_markdown  # only for this format

        return render_markdown(review)
    if form == "html":
        from resdsl.review.html import render_html

        return render_html(review)
    from resdsl.review.terminal import render_text

    if output not in (None, "-"):
        return render_text(review)
    return render_text(review, color=colored(sys.stdout, terminal.color), width=width_of(sys.stdout))


def _show(terminal: Terminal, text: str, output: str | None) -> None:
    if output in (None, "-"):
        terminal.result(text)
    else:
        assert output is not None
        _write(output, text, terminal)


def _show_data(terminal: Terminal, review: Review, diagnostics: Diagnostics, output: str | None) -> None:
    from resdsl.review.json import review_data  # only for --json

    _show_json(review_data(review), diagnostics, terminal, output)


def _show_json(data: dict[str, object], diagnostics: Diagnostics, terminal: Terminal, output: str | None) -> None:
    import json  # only for --json

    from resdsl.cli.flags import as_flags
    from resdsl.diagnostics.json import report_data

    _show(terminal, json.dumps({**data, **report_data(diagnostics, as_flags)}, indent=2, ensure_ascii=False), output)


def _write(path: str, text: str, terminal: Terminal) -> None:
    write_file(Path(path), text.encode())
    terminal.say(f"wrote {path}")
