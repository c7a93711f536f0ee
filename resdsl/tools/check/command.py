"""``resdsl check``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from resdsl import __version__
from resdsl.cli.exits import INPUT
from resdsl.cli.flags import as_flags
from resdsl.cli.options import source_of, speaking, specification_files, specification_options
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import CompileError, Diagnostic, Diagnostics, Edit, Source
from resdsl.specification.specification import Specification, load
from resdsl.specification.text import read_source

if TYPE_CHECKING:
    from resdsl.elaborate.limits import Limits
    from resdsl.tools.check.fix import Fixed

_LONGEST = 40


@click.command("check", short_help="say everything that is wrong with specifications")
@click.argument("paths", metavar="SPEC...", nargs=-1, required=True)
@click.option("--fix", "mend", is_flag=True, help="Make the changes that messages propose, then say what is left.")
@click.option("--diff", is_flag=True, help="Show these changes instead of making them.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    help="How mistakes are written: to read (text), as SARIF 2.1, as GitHub annotations, or as JSON (like --json).",
)
@specification_options
@speaking
def command(
    terminal: Terminal,
    paths: tuple[str, ...],
    mend: bool,
    diff: bool,
    form: str,
    model: str | None,
    arguments: dict[str, object],
    input_shape: tuple[int | str, ...] | None,
    limits: Limits,
) -> int:
    """Say everything that is wrong with specifications.

    SPEC is a file, a folder (all .res files in it), a network that resdsl brings along (resnet50), or - for standard
    input. Every model in it is built, without its weights: names, arguments, shapes and claims (`expect`) are checked.

    --fix writes what messages propose (a mistyped name, a missing comma) into the files; with - the mended text goes to
    standard output. It leaves alone what can be meant in two ways.

    \b
    A small specification:
      model tiny {
        input image: f32[N, 3, 32, 32]
        conv1: conv(16, 3x3);  bn1: bn;  relu
        avgpool(global);  flatten
        fc: linear(10)
        output logits
      }
    """  # noqa: D301  click's mark for text that it leaves as it is
    if form != "text" and terminal.as_json and form != "json":
        raise click.UsageError(f"--json and --format {form} contradict each other")
    if form == "json":
        terminal = dataclasses.replace(terminal, as_json=True)
    elif form != "text":
        # What is said to people would stand between what is written for machines.
        terminal = dataclasses.replace(terminal, quiet=True)

    def specification(source: Source) -> Specification:
        return load(source, model=model, set=arguments, input_shape=input_shape, limits=limits)

    found = Diagnostics()
    changed: list[Fixed] = []
    notes: list[str] = []
    for path in specification_files(paths):
        try:
            given = source_of(path)
            source = given if isinstance(given, Source) else read_source(given, largest=limits.file_bytes)
            if mend or diff:
                from resdsl.tools.check.fix import fix  # most runs change nothing

                fixed = fix(source, lambda source: specification(source).check())
                found.extend(fixed.remaining)
                if fixed.mended:
                    changed.append(fixed)
                    _keep(terminal, fixed, diff, found)
                elif path == "-" and not diff and form == "text" and not terminal.as_json:
                    terminal.result(source.text)
            else:
                checked = specification(source)
                found.extend(checked.check())
                notes += _smallest_input(checked)
        except CompileError as error:
            found.extend(error.diagnostics)
    _report(terminal, form, found, changed)
    for note in notes:
        terminal.say(note)
    if not found.errors and not (diff and changed):
        terminal.say("fine")
    return found.exit_status or (INPUT if diff and changed else 0)


def _keep(terminal: Terminal, fixed: Fixed, diff: bool, found: Diagnostics) -> None:
    """Write the mended text where it came from, or show what would change."""
    from resdsl.cli.rewrites import show_difference, write_back  # most runs change nothing

    if diff:
        if not terminal.as_json and not terminal.quiet:
            show_difference(terminal, fixed.before, fixed.after.text, "mended")
    elif fixed.before.path is not None:
        write_back(fixed.before, fixed.after.text, found)
    elif not terminal.as_json:
        terminal.result(fixed.after.text)
    for mended in fixed.mended:
        terminal.say(f"{'would mend' if diff else 'mended'} {_told(mended)}")


def _told(mended: Diagnostic) -> str:
    """Where something was mended, and what it is now."""
    assert mended.fix is not None
    changes = ", ".join(_change(edit) for edit in mended.fix.edits)
    return f"{mended.fix.edits[0].span}: {changes}"


def _change(edit: Edit) -> str:
    old, new = _short(edit.span.text), _short(edit.replacement)
    if not old:
        return f"added `{new}`"
    return f"`{old}` to `{new}`" if new else f"removed `{old}`"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _smallest_input(checked: Specification) -> list[str]:
    """A line on how small the input may be, for a network of open input size that does not take every size."""
    if checked.diagnostics.errors or (checked.model is None and len(checked.models) != 1):
        return []
    sizes = checked.smallest_input
    wanted = [f"{symbol} from {size}" for symbol, size in sizes.items() if size is not None and size > 1]
    return [f"{checked.source.name}: takes inputs with {' and '.join(wanted)}"] if wanted else []


def _report(terminal: Terminal, form: str, found: Diagnostics, changed: list[Fixed]) -> None:
    if form == "sarif":
        import json

        from resdsl.diagnostics.sarif import to_sarif  # one form of several

        terminal.result(
            json.dumps(to_sarif(found, version=__version__, spelling=as_flags), indent=2, ensure_ascii=False)
        )
    elif form == "github":
        from resdsl.diagnostics.github import to_github

        if found:
            terminal.result(to_github(found, as_flags))
    else:
        terminal.report(found, **_changes(changed) if changed else {})


def _changes(changed: list[Fixed]) -> Mapping[str, object]:
    return {
        "changed": [{"file": one.before.name, "mended": [_told(mended) for mended in one.mended]} for one in changed]
    }
