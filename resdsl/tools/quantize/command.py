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
from resdsl.compiler.models import Build
from resdsl.compiler.options import CompileOptions
from resdsl.specification.load import NetworkOptions
from resdsl.tools.quantize.quantize import Agreement, Layer, Quantization, Quantized, quantize
from resdsl.tools.quantize.static import METHODS

_WORST = 10


@click.command("quantize", short_help="a model in 8-bit whole numbers, and what that cost")
@click.argument("source", metavar="MODEL")
@click.option(
    "--calibrate",
    "images",
    metavar="IMAGES",
    multiple=True,
    required=True,
    help="A folder of images, a file or a pattern: what the model will see. Repeatable.",
)
@click.option("-o", "--output", metavar="FILE", help="Where to. If not said: MODEL's name, .int8.onnx.")
@click.option(
    "--keep", metavar="LAYER", multiple=True, help="A layer that stays in floating point, or a pattern. Repeatable."
)
@click.option(
    "--keep-worst", metavar="N", type=click.IntRange(0), default=0, help="And the N layers that add the most noise."
)
@click.option("--images", "most", type=click.IntRange(2), default=500, help="Of so many images at most (500).")
@click.option(
    "--held-back",
    metavar="PART",
    type=click.FloatRange(0, 0.5, min_open=True),
    default=0.2,
    help="The part of the images for the report alone (0.2).",
)
@click.option("--method", type=click.Choice(METHODS), default="minmax", help="How ranges are found (minmax).")
@click.option(
    "--reduce-range", is_flag=True, help="7 bits for weights: processors without VNNI may saturate with 8 (no)."
)
@click.option("--all", "everything", is_flag=True, help="Every layer in the report, not just the worst.")
@click.option("--weights", metavar="FILE", help="For a specification: the checkpoint it is compiled with.")
@click.option("--seed", type=int, default=0, help="For a specification without weights: what they are drawn from (0).")
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
    """A model in 8-bit whole numbers, for processors, and what that cost.

    MODEL is an ONNX file or a specification, which is compiled for the while. Batch norms are folded first. The images
    of --calibrate say how large the values of each layer get; a part of them is held back, and the report says of those
    how far the result is from the original, layer by layer, and how often both name the same class.
    """
    build = Build(CompileOptions(optimize=2, weights=weights, seed=seed), network)
    require_use(source, build)
    how = Quantization(keep, keep_worst, most, held_back, method, reduce_range)
    target = output or f"{Path(source).stem}.int8.onnx"
    wanted = not terminal.quiet and not terminal.as_json
    with bar(f"quantising {source}", wanted=wanted, unit="images") as progress:
        made = quantize(source, images, target, how=how, build=build, progress=progress)
    if terminal.as_json:
        terminal.report(made.problems, **_data(made))
    else:
        terminal.show(made.problems)
        terminal.result(
            _table(made.layers if everything else made.layers[:_WORST], colored(sys.stdout, terminal.color))
        )
        for line in _lines(source, made, everything=everything):
            terminal.say(line)
    return made.problems.exit_status


def _table(layers: tuple[Layer, ...], color: bool) -> str:
    headings = ("layer", "", "signal to noise", "noise added", "cosine")
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


def _lines(model: str, made: Quantized, *, everything: bool) -> list[str]:
    lines = []
    hidden = len(made.layers) - _WORST
    if hidden > 0 and not everything:
        lines.append(f"the other {hidden} layers are nearer to the original (--all shows them)")
    lines += [_agreement(one) for one in made.outputs]
    if made.folded:
        lines.append(f"{model} was compiled without -O1, so its batch norms were folded first")
    if made.saturated:
        lines.append("this processor's arithmetic adds as much error again: try --reduce-range")
    lines.append(
        f"{made.path}: {size(made.bytes)}, {made.bytes / made.before:.0%} of {size(made.before)}; "
        f"{made.calibrated} images, {made.seconds:.1f} s. Next: resdsl predict {made.path} photo.jpg"
    )
    return lines


def _agreement(one: Agreement) -> str:
    centred = "" if one.centred is None else f" ({one.centred:.3f} with the images' mean taken off)"
    return (
        f"{one.output}: cosine {one.cosine:.4f} at worst, {one.mean_cosine:.4f} on average{centred}; "
        f"the largest value is the same for {one.agree} of {one.images} images that were held back"
    )


def _decibels(value: float) -> str:
    return f"{value:.1f} dB" if math.isfinite(value) else "exact"


def _data(made: Quantized) -> dict[str, object]:
    return {
        "output": str(made.path),
        "bytes": made.bytes,
        "before": made.before,
        "seconds": round(made.seconds, 3),
        "calibrated": made.calibrated,
        "folded": made.folded,
        "saturated": made.saturated,
        "layers": [_finite(dataclasses.asdict(layer)) for layer in made.layers],
        "outputs": [_finite(dataclasses.asdict(output)) for output in made.outputs],
    }


def _finite(entries: dict[str, object]) -> dict[str, object]:
    """JSON has no infinity: a value that is exact has no ratio of signal to noise."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in entries.items()
    }
