"""Find the command lines of ``resdsl`` in Markdown and check them against the commands and options that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache

import click

from resdsl.cli.app import COMMANDS, app

_BLOCK = re.compile(r"^```(?:console|sh|bash|shell|yaml|)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`]+)`")
_OPERATORS = {"|", "||", "&&", ";", ">", ">>", "<", "2>", "&"}


def command_lines(text: str) -> Iterator[str]:
    """Every ``resdsl ...`` of a page: in shell blocks, at the start of a line or behind a prompt, and in `code`."""
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if match := re.match(r"\s*(?:- )?(?:\$ |! )?(resdsl\s.*)", line):
                yield match[1]
    # A span of code may be broken over two lines.
    for span in _INLINE.findall(_FENCE.sub("", text)):
        if span.split()[:1] == ["resdsl"] and span != "resdsl":
            yield " ".join(span.split())


def options(text: str) -> set[str]:
    """Every option that stands alone in `code`, such as `--for-runtime` or `--set n=4`."""
    return {
        span.split()[0].partition("=")[0] for span in _INLINE.findall(_FENCE.sub("", text)) if span.startswith("--")
    }


def error_in(line: str) -> str | None:
    """What is wrong with a command line: a command or an option that does not exist; ``None`` if nothing is."""
    words: list[str] = []
    for word in shlex.split(line, comments=True)[1:]:
        if word in _OPERATORS:
            break
        words.append(word)
    if not words:
        return None
    command: click.Command = app
    context = click.Context(app, info_name="resdsl")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        # `resdsl COMMAND --help` stands for any command.
        if name.isupper() and command is app:
            return None
        found = command.get_command(context, name)
        if found is None:
            return f"there is no command '{name}'"
        command, context = found, click.Context(found, context, info_name=name)
    try:
        command.make_parser(context).parse_args(words)
    except click.BadOptionUsage as error:
        # `--precision` alone names an option whose value the sentence gives.
        return None if "requires" in error.message else error.message
    except click.UsageError as error:
        return error.message
    return None


@cache
def known_options() -> frozenset[str]:
    """The long options of all commands, and of ``resdsl`` itself."""
    found = {"--help", "--version"}
    pending: list[click.Command] = [
        command for name in COMMANDS if (command := app.get_command(click.Context(app), name))
    ]
    for command in pending:
        if isinstance(command, click.Group):
            pending.extend(command.commands.values())
        for parameter in command.params:
            found.update(parameter.opts, parameter.secondary_opts)
    return frozenset(name for name in found if name.startswith("--"))
