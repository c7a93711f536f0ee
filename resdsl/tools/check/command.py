"""``resdsl check``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from resdsl.cli.exits import INPUT
from resdsl.cli.flags import as_flags
from resdsl.cli.options import (
    command_options,
    network_options,
    specification_files,
)
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import CompileError, Diagnostic, Diagnostics, Edit, catalogue
from resdsl.ops.opaque import opaque_text
from resdsl.specification.load import STDIN, NetworkOptions, load
from resdsl.specification.specification import Specification
from resdsl.version import __version__

if TYPE_CHECKING:
    from resdsl.tools.check.fix import Fixed

_LONGEST = 40

_IMPORT = "`resdsl import {} -o net.res` writes it as a specification"


@click.command("check")
@click.argument("paths", metavar="SPEC...", nargs=-1, required=True)
@click.option("--fix", "apply_fixes", is_flag=True, help="Apply the suggested fixes, then report the remaining errors.")
@click.option("--diff", is_flag=True, help="Show the fixes instead of applying them.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    help="Output format: text, SARIF 2.1, GitHub annotations, or JSON (like --json).",
)
@network_options
@command_options
def command(
    terminal: Terminal,
    paths: tuple[str, ...],
    apply_fixes: bool,
    diff: bool,
    form: str,
    network: NetworkOptions,
) -> int:
    """Report every error in specifications.

    SPEC is a file, a folder (all .res files in it), a built-in network (resnet50), REV:path for a file as it was in a
    git revision, or - for standard input. Every model in it is built, without its weights: names, arguments, shapes
    and `expect` statements are checked. Of an ONNX file (.onnx), it says whether the language can express the network.

    --fix applies suggested fixes (such as a mistyped name or a missing comma) to the files; with -, the fixed text goes
    to standard output. Errors with more than one possible fix are only reported.

    \b
    A small specification:
      model tiny {
        input image: f32[N, 3, 32, 32]
        conv1: conv(16, 3x3);  bn1: bn;  relu
        avgpool(global);  flatten
        fc: linear(10)
        output logits
      }
    """  # noqa: D301  \b is click's marker for verbatim text
    if form != "text" and terminal.as_json and form != "json":
        raise click.UsageError(f"--json and --format {form} contradict each other")
    if form == "json":
        terminal = dataclasses.replace(terminal, as_json=True)
    elif form != "text":
        # Machine-readable output must not be mixed with messages.
        terminal = dataclasses.replace(terminal, quiet=True)

    diagnostics = Diagnostics()
    changed: list[Fixed] = []
    notes: list[str] = []
    for path in specification_files(paths):
        try:
            specification = load(path, **network)
            if specification.is_file and (apply_fixes or diff):
                raise CompileError.of(
                    catalogue.NOT_TEXT,
                    f"`{path}` is an ONNX model, which has no text to fix",
                    helps=(_IMPORT.format(path),),
                )
            if apply_fixes or diff:
                from resdsl.tools.check.fix import fix  # only for --fix

                fixed = fix(specification)
                diagnostics.extend(fixed.remaining)
                if fixed.applied:
                    changed.append(fixed)
                    _keep(terminal, path, fixed, diff, diagnostics)
                elif path == STDIN and not diff and form == "text" and not terminal.as_json:
                    terminal.result(specification.source.text, verbatim=True)
            else:
                diagnostics.extend(specification.check())
                notes += _smallest_input(specification)
                notes += _expressible(specification)
        except CompileError as error:
            diagnostics.extend(error.diagnostics)
    _report(terminal, form, diagnostics, changed)
    for note in notes:
        terminal.say(note)
    if not diagnostics.errors and not (diff and changed):
        terminal.say("no errors")
    return diagnostics.exit_status or (INPUT if diff and changed else 0)


def _keep(terminal: Terminal, path: str, fixed: Fixed, diff: bool, diagnostics: Diagnostics) -> None:
    """Write the fixed text to its file, or show the changes."""
    from resdsl.cli.rewrites import show_difference, write_back  # only for --fix

    if diff:
        if not terminal.as_json and not terminal.quiet:
            show_difference(terminal, fixed.before, fixed.after.text, "fixed")
    elif path != STDIN:
        write_back(path, fixed.after.text, diagnostics)
    elif not terminal.as_json:
        terminal.result(fixed.after.text, verbatim=True)
    for diagnostic in fixed.applied:
        terminal.say(f"{'would fix' if diff else 'fixed'} {_described(diagnostic)}")


def _described(applied: Diagnostic) -> str:
    """Where a fix was applied, and what it changed."""
    assert applied.fix is not None
    changes = ", ".join(_change(edit) for edit in applied.fix.edits)
    return f"{applied.fix.edits[0].span}: {changes}"


def _change(edit: Edit) -> str:
    old, new = _short(edit.span.text), _short(edit.replacement)
    if not old:
        return f"added `{new}`"
    return f"`{old}` to `{new}`" if new else f"removed `{old}`"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _smallest_input(checked: Specification) -> list[str]:
    """The smallest input, for a network with a symbolic input size that does not accept every size."""
    if checked.diagnostics.errors or (checked.model is None and len(checked.models) != 1):
        return []
    sizes = checked.smallest_input
    wanted = [f"{symbol} from {size}" for symbol, size in sizes.items() if size is not None and size > 1]
    return [f"{checked.source.name}: accepts inputs with {' and '.join(wanted)}"] if wanted else []


def _expressible(checked: Specification) -> list[str]:
    """Whether the language can express the network of an ONNX file."""
    if not checked.is_file or checked.diagnostics.errors:
        return []
    if checked.source.text:
        return [f"{checked.source.name}: the language can express this network; {_IMPORT.format(checked.source.name)}"]
    unknown = opaque_text(checked.graph.nodes)
    reason = f"it does not have {unknown}" if unknown else "it nests too deeply, or is too large"
    return [f"{checked.source.name}: the language cannot express this network: {reason}"]


def _report(terminal: Terminal, form: str, diagnostics: Diagnostics, changed: list[Fixed]) -> None:
    if form == "sarif":
        import json

        from resdsl.diagnostics.sarif import to_sarif  # only for this format

        terminal.result(
            json.dumps(to_sarif(diagnostics, version=__version__, spelling=as_flags), indent=2, ensure_ascii=False)
        )
    elif form == "github":
        from resdsl.diagnostics.github import to_github

        if diagnostics:
            terminal.result(to_github(diagnostics, as_flags))
    else:
        terminal.report(diagnostics, **_changes(changed) if changed else {})


def _changes(changed: list[Fixed]) -> Mapping[str, object]:
    return {
        "changed": [
            {"file": one.before.name, "fixed": [_described(applied) for applied in one.applied]} for one in changed
        ]
    }
