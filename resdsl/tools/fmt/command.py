"""``resdsl fmt``."""

from __future__ import annotations

import click

from resdsl.cli.exits import FINE, INPUT
from resdsl.cli.options import limit_option, source_of, speaking, specification_files
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import CompileError, Diagnostics, Source
from resdsl.elaborate.limits import Limits
from resdsl.specification.text import read_source
from resdsl.syntax.formatter import format_source


@click.command("fmt", short_help="lay specifications out the one way")
@click.argument("paths", metavar="SPEC...", nargs=-1, required=True)
@click.option("--check", "check_only", is_flag=True, help="Change nothing; end with 1 where something would change.")
@click.option("--diff", is_flag=True, help="Change nothing; show what would change.")
@limit_option
@speaking
def command(terminal: Terminal, paths: tuple[str, ...], check_only: bool, diff: bool, raised: dict[str, int]) -> int:
    """Lay specifications out the one way; comments are kept.

    SPEC is a file, a folder (all .res files in it), or - (standard input to standard output). Files are changed in
    place, and only those that need it.
    """
    found = Diagnostics()
    changed: list[str] = []
    keep = check_only or diff
    largest = raised.get("file_bytes", Limits().file_bytes)
    for path in specification_files(paths):
        try:
            given = source_of(path)
            source = given if isinstance(given, Source) else read_source(given, largest=largest)
        except CompileError as error:
            found.extend(error.diagnostics)
            continue
        text = format_source(source, found)
        if text is None:
            continue
        if text != source.text:
            from resdsl.cli.rewrites import show_difference, write_back  # most files are as they should be

            changed.append(path)
            if diff:
                show_difference(terminal, source, text, "formatted")
            if not keep and source.path is not None:
                write_back(source, text, found)
        if path == "-" and not keep and not terminal.as_json:
            terminal.result(text)
    terminal.report(found, changed=changed)
    for path in changed:
        terminal.say(f"{'would change' if keep else 'changed'} {path}")
    return found.exit_status or (INPUT if changed and check_only else FINE)
