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
"""No port was given."""


@click.command("view")
@click.argument("spec")
@click.argument("new", required=False)
@click.option(
    "-o", "--output", metavar="FILE", help="Write the page to FILE, or - for standard output, and do not open it."
)
@click.option(
    "--serve",
    "port",
    type=click.IntRange(0, 65535),
    is_flag=False,
    flag_value=_ANY,
    metavar="[PORT]",
    help="Serve the page on 127.0.0.1 and update it whenever the file is saved.",
)
@click.option("--no-open", is_flag=True, help="Print the address of the page instead of opening it.")
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
    """Explore a network in the browser: fold and unfold it, see the costs of each layer and the source line it is from.

    SPEC is a file (.res or .onnx), a built-in network (resnet50), REV:path for a file as it was in a git revision, or -
    for standard input. With NEW, both networks are shown side by side, with the changes marked.

    The page is one self-contained HTML file. It opens in the browser, unless -o is given.
    """
    given = (spec,) if new is None else (spec, new)
    if "-" in given and port is not None:
        raise click.UsageError("--serve watches files, and standard input is not a file")
    require_one_stdin(given)
    if port is not None and output is not None:
        raise click.UsageError("-o and --serve cannot be combined")
    if output is not None and Path(output).suffix.lower() in _PICTURES:
        raise click.UsageError(
            f"the page is HTML, and '{output}' has the suffix of a picture; `resdsl draw` writes pictures"
        )

    def load_all() -> tuple[Specification, ...]:
        return tuple(load(one, **network) for one in given)

    if port is not None:
        return _serve(terminal, load_all, port, is_opened=not no_open)
    from resdsl.tools.view.view import view  # not needed by --serve

    specifications = load_all()
    page = view(*specifications)
    diagnostics = Diagnostics()
    for one in specifications:
        diagnostics.extend(one.diagnostics)
    if output == "-":
        terminal.show(diagnostics)
        terminal.result(page, verbatim=True)
        return FINE
    # A fresh folder: in a shared one, another user could have put a link there.
    path = Path(output or Path(tempfile.mkdtemp(prefix="resdsl-"), f"{specifications[-1].graph.name}.html"))
    write_file(path, page.encode())
    terminal.report(diagnostics, page=str(path))
    if output is None and terminal.quiet and not terminal.as_json:
        # Otherwise the user could not find the page.
        terminal.result(str(path))
    terminal.say(f"wrote {path}")
    if output is None and not no_open:
        _open(path.as_uri(), terminal)
    return FINE


def _serve(terminal: Terminal, load: Load, port: int, *, is_opened: bool) -> int:
    from resdsl.tools.view.live_view import PORT, Follower, LiveView  # only for --serve

    # A file that cannot be read ends the command; errors in it are shown on the page.
    files = [one.source.path for one in load() if one.source.path is not None]
    follower = Follower(load, files)
    try:
        server = LiveView(follower, PORT if port == _ANY else port)
    except OSError:
        if port != _ANY:
            raise click.UsageError(
                f"port {port} is in use; name another one, or omit it to use any free port"
            ) from None
        server = LiveView(follower, 0)
    if terminal.as_json:
        terminal.data({"url": server.url})
    terminal.say(f"serving {server.url}, watching {', '.join(map(str, files))}; press Ctrl-C to stop")
    if is_opened:
        _open(server.url, terminal)
    # A program that waits for the address reads it through a pipe.
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return FINE


def _open(url: str, terminal: Terminal) -> None:
    """Open a graphical browser if there is one. Over plain ssh, ``webbrowser`` would start one in the terminal."""
    graphical = sys.platform in ("darwin", "win32") or any(
        map(os.environ.get, ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))
    )
    if not graphical or not webbrowser.open(url):
        terminal.say(f"no browser found; open {url} in one")
