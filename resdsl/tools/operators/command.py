"""``resdsl operators``."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from collections.abc import Iterator

import click

from resdsl.cli.options import command_options
from resdsl.cli.terminal import Terminal, colored
from resdsl.diagnostics.suggest import closest
from resdsl.ops.reference import Entry, table


@click.command("operators")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@command_options
def command(terminal: Terminal, names: tuple[str, ...]) -> None:
    """List the operators of the language and their arguments, or only the named ones.

    The steps of `preprocess` (resize, crop, normalize) follow.
    """
    entries = {entry.name: entry for entry in table()}
    for name in names:
        if name not in entries:
            near = closest(name, entries)
            suggestion = f". Did you mean {near!r}?" if near else ""
            raise click.UsageError(f"there is no operator or preprocessing step '{name}'{suggestion}")
    chosen = [entries[name] for name in names] or list(entries.values())
    if terminal.as_json:
        terminal.data([dataclasses.asdict(entry) for entry in chosen])
        return
    color = colored(sys.stdout, terminal.color)
    texts = ["\n".join(_lines(entry, color)) for entry in chosen]
    steps = [index for index, entry in enumerate(chosen) if entry.kind == "step"]
    if steps and not names:
        texts.insert(steps[0], "Steps of `preprocess { ... }`:")
    terminal.result("\n\n".join(texts))


def _lines(entry: Entry, color: bool) -> Iterator[str]:
    head, _, rest = entry.call.partition("(")
    call = f"{click.style(head, bold=True) if color else head}{f'({rest}' if rest else ''}"
    yield call
    yield textwrap.indent(textwrap.fill(entry.doc, 100), "  ")
    width = max((len(argument.name) for argument in entry.arguments), default=0)
    for argument in entry.arguments:
        yield f"    {argument.name:<{width}}  {argument.kind}; {argument.doc}"
