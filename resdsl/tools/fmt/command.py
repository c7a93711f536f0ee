"""``resdsl fmt``."""

from __future__ import annotations

import click

from resdsl.cli.exits import FINE, INPUT
from resdsl.cli.options import command_options, limit_option, specification_files
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import CompileError, Diagnostics
from resdsl.elaborate.limits import Limits
from resdsl.specification.load import STDIN, load


@click.command("fmt")
@click.argument("paths", metavar="SPEC...", nargs=-1, required=True)
@click.option("--check", "check_only", is_flag=True, help="Change nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Change nothing; show what would change.")
@limit_option
@command_options
def command(terminal: Terminal, paths: tuple[str, ...], check_only: bool, diff: bool, raised: dict[str, int]) -> int:
    """Format specifications in the standard layout; comments are kept.

    SPEC is a file, a folder (all .res files in it), or - (standard input to standard output). Files are changed in
    place, and only those that need it. --check and --diff also take REV:path and built-in networks.
    """
    diagnostics = Diagnostics()
    changed: list[str] = []
    keep = check_only or diff
    for path in specification_files(paths):
        try:
            specification = load(path, limits=Limits(**raised, outside=False))
            text = specification.format()
        except CompileError as error:
            diagnostics.extend(error.diagnostics)
            continue
        source = specification.source
        if text != source.text:
            from resdsl.cli.rewrites import show_difference, write_back  # most files need no change

            changed.append(path)
            if diff:
                show_difference(terminal, source, text, "formatted")
            if not keep and path != STDIN:
                write_back(path, text, diagnostics)
        if path == STDIN and not keep and not terminal.as_json:
            terminal.result(text, verbatim=True)
    terminal.report(diagnostics, changed=changed)
    for path in changed:
        terminal.say(f"{'would reformat' if keep else 'reformatted'} {path}")
    return diagnostics.exit_status or (INPUT if changed and check_only else FINE)
