"""One page for each command, made from its options and its help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from itertools import groupby

import click

from pages.page import Page, Part, code, fence, table
from resdsl.cli.app import COMMANDS, app


def part(docs: dict[str, Page]) -> Part:
    """The pages of the commands, each with links to the pages of ``docs`` about it."""
    context = click.Context(app, info_name="resdsl")
    pages = [Page("commands/index.md", "Overview", _overview())]
    for name in COMMANDS:
        command = app.get_command(context, name)
        assert command is not None
        text = "".join(f"{line}\n" for line in _lines(name, command, context, docs))
        pages.append(Page(f"commands/{name}.md", name, text))
    return Part("Commands", tuple(pages))


def _overview() -> str:
    parts = ["# Commands\n\n`resdsl COMMAND --help` prints what these pages say.\n"]
    for group, found in groupby(COMMANDS.items(), key=lambda item: item[1].group):
        rows = ((f"[`resdsl {name}`]({name}.md)", entry.line) for name, entry in found)
        parts.append(f"\n## {group}\n\n{table(('command', 'what it does'), rows)}")
    return "".join(parts)


def _lines(name: str, command: click.Command, parent: click.Context, docs: dict[str, Page]) -> Iterator[str]:
    yield f"# resdsl {name}"
    yield ""
    yield from _described(command, click.Context(command, info_name=name, parent=parent), level=2)
    about = [
        f"[{page.name}](../{path})"
        for path, page in docs.items()
        if path not in _NOT_ABOUT_COMMANDS and len(re.findall(rf"\bresdsl {name}\b", page.text)) >= _ENOUGH
    ]
    if about:
        yield "## Read more"
        yield ""
        yield f"{', '.join(about)}"


_ENOUGH = 3
"""A page that names a command as often says something about it."""

_NOT_ABOUT_COMMANDS = ("index.md", "changelog.md", "decisions.md", "architecture.md", "errors.md")


def _described(command: click.Command, context: click.Context, *, level: int) -> Iterator[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield fence(usage, "text")
    yield from _help(command.help or "")
    options = [one for one in command.get_params(context) if isinstance(one, click.Option) and not one.hidden]
    if options:
        yield f"{'#' * level} {'Options' if level == 2 else f'Options of {context.info_name}'}"
        yield ""
        for option in options:
            yield from _option(option, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield f"{'#' * level} {context.command_path} {name}"
                yield ""
                yield from _described(inner, click.Context(inner, info_name=name, parent=context), level=level + 1)


def _help(text: str) -> Iterator[str]:
    """The help of a command. A paragraph that begins with click's marker is shown as it is."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            title, _, lines = paragraph.removeprefix("\b").strip("\n").partition("\n")
            # Its first line is often a title.
            if title.startswith(" ") or not title.rstrip().endswith(":"):
                title, lines = "", "\n".join(filter(None, (title, lines)))
            if title:
                yield f"{_prose(title)}\n"
            yield fence(inspect.cleandoc(f"\n{lines}"), _language(lines))
        else:
            yield f"{_prose(paragraph)}\n"


def _language(lines: str) -> str:
    return "res" if re.search(r"^\s*model \w+", lines, re.MULTILINE) else "text"


def _prose(text: str) -> str:
    """Help for terminals as Markdown: what stands out there by capitals or dashes is code here."""
    outside = re.split(r"(`[^`]*`)", " ".join(text.split()))
    for index in range(0, len(outside), 2):
        # `*`, `<` and `_` mean something in Markdown, and options something to readers.
        outside[index] = re.sub(r"(?<![\w`-])(--?[a-zA-Z][\w-]*)", r"`\1`", outside[index])
        pieces = re.split(r"(`[^`]*`)", outside[index])
        outside[index] = "".join(
            piece if number % 2 else re.sub(r"([*_<\[\]])", r"\\\1", piece) for number, piece in enumerate(pieces)
        )
    return "".join(outside)


def _option(option: click.Option, context: click.Context) -> Iterator[str]:
    record = option.get_help_record(context)
    assert record is not None, f"{option.name} has no help"
    names, text = record
    yield code(names)
    yield ""
    yield f":   {_prose(text)}"
    yield ""
