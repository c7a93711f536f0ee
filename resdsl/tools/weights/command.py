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
@click.option("-o", "--output", metavar="FILE", help="Output file (default: NAME_OF_MODEL.safetensors).")
@command_options
def command(terminal: Terminal, model: str, output: str | None) -> None:
    """Write the weights of a model or checkpoint to a .safetensors file.

    MODEL is an ONNX file, or a checkpoint (.pth, .pt, .npz, or an address as for `compile --weights`). PyTorch is not
    needed, and no code in the checkpoint is executed.
    """
    if output is not None and Path(output).suffix.lower() in _OTHERS:
        raise click.UsageError(f"weights are written as .safetensors, and '{output}' has the suffix of another format")
    saved = save_weights(model, Path(output or f"{Path(model).stem}.safetensors"))
    facts = {"output": str(saved.path), "tensors": saved.tensors, "values": saved.values, "bytes": saved.bytes}
    terminal.report(Diagnostics(), **facts)
    terminal.say(f"{saved.path}: {saved.tensors} tensors, {short(saved.values)} values, {size(saved.bytes)}")
