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
"""Git gives a diff driver the path, then file, object and mode of both sides; of an unmerged file the path alone."""


@click.group("git", short_help="show layers and reviews of specifications in git")
def command() -> None:
    """Show the layers of specifications in git in place of their text.

    \b
      resdsl git install             git diff, git log -p and git show compare layers
      git difftool --tool=resdsl     a review: costs, and whether old weights still load
    """  # noqa: D301  click's mark for text that it leaves as it is


_everywhere = click.option(
    "--global/--local", "everywhere", default=False, help="For all your repositories, or for this one (if not said)."
)


@command.command("install", short_help="set git up")
@_everywhere
@click.option("--driver", is_flag=True, help="Let `git diff` show a review in place of a comparison of lines.")
@command_options
def install_command(terminal: Terminal, everywhere: bool, driver: bool) -> None:
    """Make git compare the layers of specifications in place of their text.

    No file of the project is changed: settings go to git's configuration, and which files they are for to the
    attributes that the repository keeps for you alone. To set the files for everybody who has resdsl, put the line
    `*.res diff=resdsl` into .gitattributes.
    """
    from resdsl.tools.git.setup import GitProblem, install

    try:
        done = install(Path.cwd(), everywhere=everywhere, driver=driver)
    except GitProblem as problem:
        raise click.UsageError(str(problem)) from None
    _tell(terminal, done)
    terminal.say("try it: git log -p -- '*.res'")


@command.command("uninstall", short_help="undo what install did")
@_everywhere
@command_options
def uninstall_command(terminal: Terminal, everywhere: bool) -> None:
    """Undo what `resdsl git install` did."""
    from resdsl.tools.git.setup import GitProblem, uninstall

    try:
        done = uninstall(Path.cwd(), everywhere=everywhere)
    except GitProblem as problem:
        raise click.UsageError(str(problem)) from None
    _tell(terminal, done or ("there was nothing to undo",))


@command.command("textconv", short_help="the layers of a file, for git to compare")
@click.argument("file")
def textconv_command(file: str) -> None:
    """The layers of every model in FILE; the text as it is where there are none, or it has mistakes."""
    from resdsl.tools.git.views import textconv

    sys.stdout.buffer.write(textconv(Path(file)))


@command.command("diff-driver", short_help="a review of two files, called by git")
@click.argument("arguments", nargs=-1, metavar="PATH OLD OLD-HEX OLD-MODE NEW NEW-HEX NEW-MODE")
def driver_command(arguments: tuple[str, ...]) -> None:
    """A review of two files, with the arguments that git gives a diff driver. Always ends with 0."""
    from resdsl.tools.git.views import Version

    if len(arguments) < _GIT_SIDES:
        click.echo(visible(f"* unmerged path {arguments[0] if arguments else ''}"))
        return
    path, old, old_blob, _, new, new_blob = arguments[:6]
    # A renamed file comes with its new name after the rest.
    _show(
        arguments[7] if len(arguments) > _GIT_SIDES else path,
        Version(Path(old), old_blob),
        Version(Path(new), new_blob),
    )


@command.command("difftool", short_help="a review of two files, called by git difftool")
@click.argument("old")
@click.argument("new")
@click.argument("path")
def difftool_command(old: str, new: str, path: str) -> None:
    """A review of two files that `git difftool` wrote; PATH is where they are in the repository."""
    from resdsl.tools.git.views import Version

    _show(path, Version(Path(old)), Version(Path(new)))


def _show(path: str, old: Version, new: Version) -> None:
    from resdsl.tools.git.views import review_text

    # Git's pager takes colours, and is no terminal to us.
    paged = "always" if os.environ.get("GIT_PAGER_IN_USE") and not os.environ.get("NO_COLOR") else "auto"
    color = colored(sys.stdout, paged)
    text = review_text(path, old, new, color=color, width=width_of(sys.stdout))
    click.echo(visible(text, styles=color), nl=False, color=color)


def _tell(terminal: Terminal, done: tuple[str, ...]) -> None:
    if terminal.as_json:
        terminal.data({"done": list(done)})
    for line in done:
        terminal.say(line)
