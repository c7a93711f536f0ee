"""``resdsl weights``."""

from __future__ import annotations

from pathlib import Path

import click

from resdsl.analysis.quantities import short, size
from resdsl.cli.options import command_options
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import Diagnostics
from resdsl.weights.save import save_weights

_OTHERS = (".npz", ".npy", ".pth", ".pt", ".bin", ".ckpt", ".onnx", ".h5")


@click.command("weights")
@click.argument("model")
@click.option("-o", "--output", metavar="FILE", help="Where to. If not said: MODEL's name, .safetensors.")
@command_options
def command(terminal: Terminal, model: str, output: str | None) -> None:
    """Write the weights of a model to a .safetensors file, by the names that frameworks know them by.

    MODEL is an ONNX file that resdsl compiled, or any file of weights: .pth, .pt, .npz (so that this also converts a
    checkpoint, without torch and without running anything in it).
    """
    if output is not None and Path(output).suffix.lower() in _OTHERS:
        raise click.UsageError(f"weights are written as safetensors, and '{output}' is called like another format")
    saved = save_weights(model, Path(output or f"{Path(model).stem}.safetensors"))
    facts = {"output": str(saved.path), "tensors": saved.tensors, "values": saved.values, "bytes": saved.bytes}
    terminal.report(Diagnostics(), **facts)
    terminal.say(f"{saved.path}: {saved.tensors} tensors, {short(saved.values)} values, {size(saved.bytes)}")
