"""``resdsl quantize``."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path

import click

from resdsl.analysis.quantities import size
from resdsl.cli.columns import columns
from resdsl.cli.image_options import require_use
from resdsl.cli.options import command_options, network_options
from resdsl.cli.progress import bar
from resdsl.cli.terminal import Terminal, colored
from resdsl.cli.types import FiniteRange
from resdsl.compiler.models import Build
from resdsl.compiler.options import CompileOptions
from resdsl.specification.load import NetworkOptions
from resdsl.tools.quantize.agreement import Agreement, Layer
from resdsl.tools.quantize.quantize import Quantization, Quantized, quantize
from resdsl.tools.quantize.quantizer import METHODS
from resdsl.untrusted import MOST_INT, printable

_WORST = 10


@click.command("quantize")
@click.argument("source", metavar="MODEL")
@click.option(
    "--calibrate",
    "images",
    metavar="IMAGES",
    multiple=True,
    required=True,
    help="Calibration images: a folder, a file or a pattern. Repeatable.",
)
@click.option("-o", "--output", metavar="FILE", help="The file to write (default: the name of MODEL with .int8.onnx).")
@click.option(
    "--keep", metavar="LAYER", multiple=True, help="A layer to keep in floating point, or a pattern. Repeatable."
)
@click.option(
    "--keep-worst",
    metavar="N",
    type=click.IntRange(0),
    default=0,
    help="Also keep the N layers that add the most noise.",
)
@click.option("--images", "most", type=click.IntRange(2), default=500, help="Maximum number of images (500).")
@click.option(
    "--held-back",
    metavar="PART",
    type=FiniteRange(0, 0.5, min_open=True),
    default=0.2,
    help="Fraction of the images held out for the report (0.2).",
)
@click.option("--method", type=click.Choice(METHODS), default="minmax", help="How ranges are chosen (minmax).")
@click.option(
    "--reduce-range", is_flag=True, help="7-bit weights, for CPUs without VNNI, which may saturate with 8 (no)."
)
@click.option("--all", "everything", is_flag=True, help="Show every layer, not just the worst.")
@click.option("--weights", metavar="FILE", help="Checkpoint to compile a specification with.")
@click.option(
    "--seed",
    type=click.IntRange(0, MOST_INT),
    default=0,
    help="Seed of random weights of a specification (0).",
)
@network_options
@command_options
def command(
    terminal: Terminal,
    source: str,
    images: tuple[str, ...],
    output: str | None,
    keep: tuple[str, ...],
    keep_worst: int,
    most: int,
    held_back: float,
    method: str,
    reduce_range: bool,
    everything: bool,
    weights: str | None,
    seed: int,
    network: NetworkOptions,
) -> int:
    """Convert a model to int8 for CPUs, and report the accuracy cost.

    MODEL is an ONNX file or a specification, which is compiled to a temporary file. Batch norms are folded first. The
    images of --calibrate determine the value range of each layer; some of them are held out for the report, which shows
    the error of each layer and how often both models predict the same class.
    """
    build = Build(CompileOptions(optimize=2, weights=weights, seed=seed), network)
    require_use(source, build)
    how = Quantization(keep, keep_worst, most, held_back, method, reduce_range)
    target = output or f"{Path(source).stem}.int8.onnx"
    wanted = not terminal.quiet and not terminal.as_json
    with bar(f"quantizing {source}", wanted=wanted, unit="images") as progress:
        result = quantize(source, images, target, how=how, build=build, progress=progress)
    if terminal.as_json:
        terminal.report(result.problems, **_data(result))
    else:
        terminal.show(result.problems)
        terminal.result(
            _table(result.layers if everything else result.layers[:_WORST], colored(sys.stdout, terminal.color))
        )
        for line in _lines(source, result, everything=everything):
            terminal.say(line)
    return result.problems.exit_status


def _table(layers: tuple[Layer, ...], color: bool) -> str:
    headings = ("layer", "", "signal-to-noise", "noise added", "cosine")
    rows = [
        (
            layer.name,
            "float" if layer.kept else "",
            _decibels(layer.decibels),
            f"{layer.added:.4%}",
            f"{layer.cosine:.5f}",
        )
        for layer in layers
    ]
    return columns(headings, rows, words=2, color=color)


def _lines(model: str, result: Quantized, *, everything: bool) -> list[str]:
    lines = []
    hidden = len(result.layers) - _WORST
    if hidden > 0 and not everything:
        lines.append(f"{hidden} more layers are closer to the original (--all shows them)")
    lines += [_agreement(one) for one in result.outputs]
    if result.folded:
        lines.append(f"{printable(model, most=500)} has batch norms, which were folded first")
    if result.saturated:
        lines.append("this CPU's kernels at least double the error: try --reduce-range")
    path = printable(str(result.path), most=500)
    lines.append(
        f"{path}: {size(result.bytes)}, {result.bytes / result.before:.0%} of {size(result.before)}; "
        f"{result.calibrated} calibration images, {result.seconds:.1f} s. Next: resdsl predict {path} photo.jpg"
    )
    return lines


def _agreement(one: Agreement) -> str:
    centred = "" if one.centred is None else f" ({one.centred:.3f} after subtracting the mean over images)"
    return (
        f"{printable(one.output, most=500)}: minimum cosine {one.cosine:.4f}, mean {one.mean_cosine:.4f}{centred}; "
        f"same top class for {one.agree} of {one.images} held-out images"
    )


def _decibels(value: float) -> str:
    return f"{value:.1f} dB" if math.isfinite(value) else "exact"


def _data(result: Quantized) -> dict[str, object]:
    return {
        "output": str(result.path),
        "bytes": result.bytes,
        "before": result.before,
        "seconds": round(result.seconds, 3),
        "calibrated": result.calibrated,
        "folded": result.folded,
        "saturated": result.saturated,
        "layers": [_finite(dataclasses.asdict(layer)) for layer in result.layers],
        "outputs": [_finite(dataclasses.asdict(output)) for output in result.outputs],
    }


def _finite(entries: dict[str, object]) -> dict[str, object]:
    """JSON has no infinity, which is the signal-to-noise ratio of an exact value."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in entries.items()
    }
