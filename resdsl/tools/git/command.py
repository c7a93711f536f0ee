"""``resdsl git``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resdsl.cli.options import command_options
from resdsl.cli.terminal import Terminal, colored, width_of
from resdsl.untrusted import visible

if TYPE_CHECKING:
    from resdsl.tools.git.views import Version

_GIT_SIDES = 7
"""Git passes a diff driver the path, then file, object and mode of both sides; for an unmerged file, only the path."""


@click.group("git")
def command() -> None:
    """Make git show layers and reviews of specifications instead of their text.

    \b
      resdsl git install             set up git diff, git log -p and git show to compare layers
      git difftool --tool=resdsl     then: show a review with costs and weight compatibility
    """  # noqa: D301  \b is click's marker for verbatim text


_everywhere = click.option(
    "--global/--local",
    "everywhere",
    default=False,
    help="Configure all your repositories, or only this one (default: --local).",
)


@command.command("install", short_help="configure git")
@_everywhere
@click.option("--driver", is_flag=True, help="Also make `git diff` show a review instead of a line diff.")
@command_options
def install_command(terminal: Terminal, everywhere: bool, driver: bool) -> None:
    """Make git compare the layers of specifications instead of their text.

    No file of the project changes: the settings go to your git configuration and to the local attributes of the
    repository. To enable this for every user of resdsl, add the line `*.res diff=resdsl` to .gitattributes.
    """
    from resdsl.tools.git.setup import install

    done = install(Path.cwd(), everywhere=everywhere, driver=driver)
    _report(terminal, done)
    terminal.say("try it: git log -p -- '*.res'")


@command.command("uninstall", short_help="remove the settings of install")
@_everywhere
@command_options
def uninstall_command(terminal: Terminal, everywhere: bool) -> None:
    """Remove the settings of `resdsl git install`."""
    from resdsl.tools.git.setup import uninstall

    done = uninstall(Path.cwd(), everywhere=everywhere)
    _report(terminal, done or ("there was nothing to remove",))


@command.command("textconv", short_help="print the layers of a file (called by git)")
@click.argument("file")
def textconv_command(file: str) -> None:
    """Print the layers of every model in FILE, or the text itself if it has no model or has errors."""
    from resdsl.tools.git.views import textconv

    sys.stdout.buffer.write(textconv(Path(file)))


@command.command("diff-driver", short_help="print a review of two files (called by git)")
@click.argument("arguments", nargs=-1, metavar="PATH OLD OLD-HEX OLD-MODE NEW NEW-HEX NEW-MODE")
def driver_command(arguments: tuple[str, ...]) -> None:
    """Print a review of two files, with the arguments of a git diff driver. Always exits with 0."""
    from resdsl.tools.git.views import Version

    if len(arguments) < _GIT_SIDES:
        click.echo(visible(f"* unmerged path {arguments[0] if arguments else ''}"))
        return
    path, old, old_blob, _, new, new_blob = arguments[:6]
    # For a renamed file, git appends its new name.
    _show(
        arguments[7] if len(arguments) > _GIT_SIDES else path,
        Version(Path(old), old_blob),
        Version(Path(new), new_blob),
    )


@command.command("difftool", short_help="print a review of two files (called by git difftool)")
@click.argument("old")
@click.argument("new")
@click.argument("path")
def difftool_command(old: str, new: str, path: str) -> None:
    """Print a review of two files that `git difftool` wrote; PATH is their path in the repository."""
    from resdsl.tools.git.views import Version

    _show(path, Version(Path(old)), Version(Path(new)))


def _show(path: str, old: Version, new: Version) -> None:
    from resdsl.tools.git.views import review_text

    # Git's pager shows colours, although standard output is not a terminal.
    paged = "always" if os.environ.get("GIT_PAGER_IN_USE") and not os.environ.get("NO_COLOR") else "auto"
    color = colored(sys.stdout, paged)
    text = review_text(path, old, new, color=color, width=width_of(sys.stdout))
    click.echo(visible(text, styles=color), nl=False, color=color)


def _report(terminal: Terminal, done: tuple[str, ...]) -> None:
    if terminal.as_json:
        terminal.data({"done": list(done)})
    for line in done:
        terminal.say(line)
