"""``resdsl export``."""

from __future__ import annotations

import click

from resdsl.cli.options import command_options, network_options
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import Diagnostics
from resdsl.specification.load import STDIN, NetworkOptions
from resdsl.tools.export.export import SUFFIX, export


@click.command("export")
@click.argument("spec")
@click.option(
    "-o", "--output", metavar="FILE", help="Output file (.py), or - for standard output (default: standard output)."
)
@network_options
@command_options
def command(terminal: Terminal, spec: str, output: str | None, network: NetworkOptions) -> None:
    """Write a network as PyTorch source code that needs only torch.

    SPEC is a file (.res or .onnx), a built-in network (resnet50), REV:path for a file as it was in a git revision, or -
    for standard input.

    Each block of the text is a class, its parameters are constructor arguments, and repeats are loops. Modules have the
    names of the text, so weights load into both. The code is verified before it is written: it builds the network of
    SPEC, for the values of its parameters and for others.
    """
    to_file = output is not None and output != STDIN
    if to_file and not output.endswith(SUFFIX):  # type: ignore[union-attr]
        raise click.UsageError(f"the output is source code of Python: name a file that ends in {SUFFIX}")
    exported = export(spec, output if to_file else None, **network)
    if terminal.as_json:
        terminal.report(
            Diagnostics(),
            output=None if exported.path is None else str(exported.path),
            text=exported.text,
            model=exported.name,
            arguments=dict(exported.arguments),
        )
    elif not to_file:
        terminal.result(exported.text.rstrip("\n"), verbatim=True)
    if to_file:
        arguments = ", ".join(f"{name}={value}" for name, value in exported.arguments.items())
        terminal.say(f"{output}: {len(exported.text.splitlines()):,} lines, {exported.name}({arguments})")
