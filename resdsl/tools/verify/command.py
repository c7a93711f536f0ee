"""``resdsl verify``."""

from __future__ import annotations

from pathlib import Path

import click

from resdsl.cli.exits import FINE, INPUT
from resdsl.cli.options import command_options, network_options
from resdsl.cli.terminal import Terminal
from resdsl.files import write_file
from resdsl.specification.load import NetworkOptions
from resdsl.tools.verify.verify import runs_code, verify
from resdsl.untrusted import MOST_INT, printable


@click.command("verify")
@click.argument("spec")
@click.argument("subject")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown"]),
    default="text",
    help="Output format: text (default), or markdown for a pull request comment.",
)
@click.option("-o", "--output", metavar="FILE", help="Output file, or - for standard output (default).")
@click.option("--seed", type=click.IntRange(0, MOST_INT), default=0, help="Seed of random weights and images (0).")
@network_options
@command_options
def command(
    terminal: Terminal,
    spec: str,
    subject: str,
    form: str,
    output: str | None,
    seed: int,
    network: NetworkOptions,
) -> int:
    """Verify that a model still is the network of a specification.

    SUBJECT is a model of PyTorch (package.module:function, or file.py:Class, that makes one without arguments), an ONNX
    file, or a file of weights. A model of PyTorch must have the same names and shapes of tensors, and compute the same
    at inference from random weights; an ONNX file must be the same network; weights must have the same names and
    shapes.

    Naming a function or a class imports its file and runs it: do so for code that you trust. Nothing else is run.
    The exit status is 1 if they differ.
    """
    if runs_code(subject):
        terminal.say(f"importing and running `{printable(subject)}`")
    verification = verify(spec, subject, seed=seed, **network)
    if terminal.as_json:
        terminal.report(verification.diagnostics, agrees=verification.agrees, summary=verification.summary)
    else:
        text = verification.markdown if form == "markdown" else verification.summary
        if output in (None, "-"):
            terminal.result(text.rstrip("\n"))
        else:
            write_file(Path(str(output)), f"{text.rstrip()}\n".encode())
            terminal.say(f"wrote {output}")
        terminal.show(verification.diagnostics)
    return FINE if verification.agrees else INPUT
