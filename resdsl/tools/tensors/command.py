"""``resdsl tensors``."""

from __future__ import annotations

import dataclasses
import sys

import click

from resdsl.analysis.quantities import short
from resdsl.cli.columns import columns
from resdsl.cli.options import command_options, network_options
from resdsl.cli.terminal import Terminal, colored
from resdsl.specification.load import NetworkOptions
from resdsl.tools.tensors.tensors import Tensor, tensors

_HEADINGS = ("name", "", "shape", "type", "values")


@click.command("tensors")
@click.argument("source", metavar="FILE")
@click.option("--match", metavar="PATTERN", default="*", help="List tensors whose names match: 'layer1.*.weight'.")
@network_options
@command_options
def command(terminal: Terminal, source: str, match: str, network: NetworkOptions) -> None:
    """List the tensors of a network, a model or a checkpoint, with their shapes and types.

    FILE is a network (a .res file, a built-in network, REV:path or - for standard input), a compiled model, or weights:
    a file or an address (.safetensors, .pth, .npz, hf:OWNER/NAME). No code in it is executed, and no values are read.

    To compare names: diff <(resdsl tensors my.res) <(resdsl tensors weights.pth)
    """
    listed = tensors(source, match, **network)
    if terminal.as_json:
        terminal.data([dataclasses.asdict(tensor) for tensor in listed])
        return
    if listed:
        rows = [_row(tensor) for tensor in listed]
        terminal.result(columns(_HEADINGS, rows, words=4, color=colored(sys.stdout, terminal.color)))
    terminal.say(f"{len(listed):,} tensors, {short(sum(tensor.values for tensor in listed))} values")


def _row(tensor: Tensor) -> tuple[str, ...]:
    shape = f"[{', '.join(map(str, tensor.shape))}]"
    return tensor.name, "buffer" if tensor.trainable is False else "", shape, tensor.dtype, f"{tensor.values:,}"
