"""``resdsl view``."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import webbrowser
from collections.abc import Callable
from pathlib import Path

import click

from resdsl.cli.exits import FINE
from resdsl.cli.options import command_options, network_options, require_one_stdin
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import Diagnostics
from resdsl.files import write_file
from resdsl.specification.load import NetworkOptions, load
from resdsl.specification.specification import Specification

Load = Callable[[], tuple[Specification, ...]]

_PICTURES = (".svg", ".png", ".pdf")
_ANY = 0
"""No port was named."""


@click.command("view", short_help="explore a network in the browser, or two side by side")
@click.argument("spec")
@click.argument("new", required=False)
@click.option("-o", "--output", metavar="FILE", help="Write the page there and open nothing; - is standard output.")
@click.option(
    "--serve",
    "port",
    type=click.IntRange(0, 65535),
    is_flag=False,
    flag_value=_ANY,
    metavar="[PORT]",
    help="Serve the page on this machine, and follow the file: the picture changes when it is saved.",
)
@click.option("--no-open", is_flag=True, help="Only say where the page is.")
@network_options
@command_options
def command(
    terminal: Terminal,
    spec: str,
    new: str | None,
    output: str | None,
    port: int | None,
    no_open: bool,
    network: NetworkOptions,
) -> int:
    """Explore a network on a page: fold and unfold it, see what costs what, and which line of the text made it.

    SPEC is a file, a network that resdsl brings along (resnet50), REV:path for a file as it was in a git revision, or -
    for standard input. With NEW, the two stand side by side, and what changed between them is marked.

    The page is one file that needs no server and no network. It opens in the browser, unless -o says where to put it.
    """
    given = (spec,) if new is None else (spec, new)
    if "-" in given and port is not None:
        raise click.UsageError("--serve follows files, and standard input is not a file")
    require_one_stdin(given)
    if port is not None and output is not None:
        raise click.UsageError("-o writes a page, and --serve follows a file; choose one")
    if output is not None and Path(output).suffix.lower() in _PICTURES:
        raise click.UsageError(f"a page is HTML, and '{output}' is called like a picture, which `resdsl draw` makes")

    def load_all() -> tuple[Specification, ...]:
        return tuple(load(one, **network) for one in given)

    if port is not None:
        return _serve(terminal, load_all, port, is_opened=not no_open)
    from resdsl.tools.view.view import view  # not to serve

    specifications = load_all()
    page = view(*specifications)
    found = Diagnostics()
    for one in specifications:
        found.extend(one.diagnostics)
    if output == "-":
        terminal.show(found)
        terminal.result(page, verbatim=True)
        return FINE
    # A name that nobody else can have put there before.
    path = Path(output or Path(tempfile.mkdtemp(prefix="resdsl-"), f"{specifications[-1].graph.name}.html"))
    write_file(path, page.encode())
    terminal.report(found, page=str(path))
    if output is None and terminal.quiet and not terminal.as_json:
        # Nobody else knows where it is.
        terminal.result(str(path))
    terminal.say(f"wrote {path}")
    if output is None and not no_open:
        _open(path.as_uri(), terminal)
    return FINE


def _serve(terminal: Terminal, load: Load, port: int, *, is_opened: bool) -> int:
    from resdsl.tools.view.live_view import PORT, Follower, LiveView  # only to serve

    # A file that cannot be read at all is told here; mistakes in it are told on the page.
    files = [one.source.path for one in load() if one.source.path is not None]
    follower = Follower(load, files)
    try:
        server = LiveView(follower, PORT if port == _ANY else port)
    except OSError:
        if port != _ANY:
            raise click.UsageError(f"port {port} is taken: name another one, or none for any that is free") from None
        server = LiveView(follower, 0)
    if terminal.as_json:
        terminal.data({"url": server.url})
    terminal.say(f"serving {server.url} and following {', '.join(map(str, files))}; end it with Ctrl-C")
    if is_opened:
        _open(server.url, terminal)
    # Whoever waits for the address reads it through a pipe.
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return FINE


def _open(url: str, terminal: Terminal) -> None:
    """Open the reader's browser, where there is one: not over a bare ssh, where a text browser would take over."""
    graphical = sys.platform in ("darwin", "win32") or any(
        map(os.environ.get, ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))
    )
    if not graphical or not webbrowser.open(url):
        terminal.say(f"there is no browser here; open {url} where there is one")
