"""``resdsl explain``."""

from __future__ import annotations

import sys

import click

from resdsl.cli.options import command_options
from resdsl.cli.terminal import Terminal, colored
from resdsl.diagnostics import Code
from resdsl.diagnostics.catalogue import CODES
from resdsl.diagnostics.explanation import page_of
from resdsl.diagnostics.suggest import closest

_WIDEST = 116


@click.command("explain")
@click.argument("name", metavar="[CODE]", required=False)
@command_options
def command(terminal: Terminal, name: str | None) -> None:
    """Explain an error or warning code such as E0301, with an example and its fix.

    Without CODE, list all codes: errors (E) and warnings (W).
    """
    if name is None:
        _list(terminal)
        return
    code = _code(name)
    page = page_of(code)
    if terminal.as_json:
        terminal.data({**_data(code), "page": page})
    elif sys.stdout.isatty() or terminal.color == "always":
        _draw(page, color=colored(sys.stdout, terminal.color))
    else:
        terminal.result(page)


def _code(name: str) -> Code:
    # Accept the form of messages: error[E0301].
    wanted = name.strip().upper().removeprefix("ERROR").removeprefix("WARNING").strip("[]:")
    if wanted in CODES:
        return CODES[wanted]
    near = closest(wanted, CODES)
    raise click.UsageError(
        f"there is no code '{name}'. "
        + (f"Did you mean {near}, {CODES[near].title}? " if near else "")
        + "`resdsl explain` lists all."
    )


def _list(terminal: Terminal) -> None:
    if terminal.as_json:
        terminal.data([_data(code) for code in CODES.values()])
        return
    color = colored(sys.stdout, terminal.color)
    tints = {"error": "red", "warning": "yellow"}
    names = {code: click.style(code.id, fg=tints[code.severity]) if color else code.id for code in CODES.values()}
    terminal.result("\n".join(f"{shown}  {code.title}" for code, shown in names.items()))
    terminal.say("`resdsl explain CODE` explains a code")


def _draw(page: str, *, color: bool) -> None:
    from rich.console import Console  # imported only to draw
    from rich.markdown import Markdown

    console = Console(no_color=not color, highlight=False, force_terminal=color or None)
    # Longer lines are hard to read on a wide terminal.
    console.print(Markdown(page, code_theme="ansi_dark"), width=min(console.width, _WIDEST))


def _data(code: Code) -> dict[str, object]:
    return {"code": code.id, "severity": code.severity.value, "title": code.title}
