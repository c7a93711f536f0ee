"""``resdsl lsp``."""

from __future__ import annotations

import gc
import importlib
import os

import click

from resdsl.cli.options import command_options
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import UnavailableError, catalogue


@click.command("lsp")
@click.option("--stdio", is_flag=True, help="Speak over standard input and output (the default).")
@click.option("--tcp", "port", metavar="PORT", type=click.IntRange(1, 65535), help="Listen on a port of this machine.")
@click.option("--check", is_flag=True, help="Only check that the server can start.")
@command_options
def command(terminal: Terminal, stdio: bool, port: int | None, check: bool) -> None:
    """Run the language server, for editors.

    Editors start it themselves. It reports errors as you type, shows shapes and costs, completes, renames and formats,
    with the checker of the command line.
    """
    if stdio and port is not None:
        raise click.UsageError("--stdio and --tcp contradict each other")
    try:
        importlib.import_module("pygls.lsp.server")
    except ModuleNotFoundError as error:
        if error.name not in {"pygls", "lsprotocol"}:
            raise
        raise UnavailableError.of(
            catalogue.EXTRA_NEEDED,
            "the language server needs pygls, which is not installed",
            helps=("run `pip install 'resdsl[lsp]'`",),
        ) from None
    from resdsl.tools.lsp.server import server

    if check:
        terminal.say("the language server can start")
        return
    # The tree and the networks of a long text are a million objects without cycles: looking through them takes seconds.
    gc.set_threshold(10_000, 10, 10)
    if port is None:
        # What else is printed in this process must not get into the protocol.
        with os.fdopen(os.dup(0), "rb") as source, os.fdopen(os.dup(1), "wb") as target:
            os.dup2(2, 1)
            server().start_io(source, target)
        return
    terminal.say(f"listening on 127.0.0.1:{port}")
    server().start_tcp("127.0.0.1", port)
