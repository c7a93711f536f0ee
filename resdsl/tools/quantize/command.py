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
from resdsl.tools.quantize.candidates import FITTED_RANGES, METHODS, TARGETS, Candidate
from resdsl.tools.quantize.quantize import Quantization, Quantized, quantize
from resdsl.tools.quantize.quantizer import OPERATORS
from resdsl.tools.quantize.search import is_worse
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
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="best",
    help="How weights and ranges are chosen; best measures several candidates and keeps the best (best).",
)
@click.option(
    "--ranges",
    type=click.Choice(FITTED_RANGES),
    default="minmax",
    help="Ranges of activations for nearest and gptq: all values, all but the outermost 0.001 %, or those of single"
    " channels (minmax).",
)
@click.option(
    "--operators",
    type=click.Choice(OPERATORS),
    default="all",
    help="What computes in int8: all operators that can, or convolutions and linear layers only (all).",
)
@click.option(
    "--for",
    "target",
    type=click.Choice(TARGETS),
    default="any",
    help="The CPUs the model is for: any, or those with VNNI, whose sums of products cannot saturate (any).",
)
@click.option(
    "--budget",
    metavar="SECONDS",
    type=FiniteRange(0),
    default=600,
    help="Time in which --method best looks for better candidates (600).",
)
@click.option("--reduce-range", is_flag=True, help="Limit weights to 7 bits (no).")
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
    target: str,
    budget: float,
    ranges: str,
    operators: str,
    reduce_range: bool,
    everything: bool,
    weights: str | None,
    seed: int,
    network: NetworkOptions,
) -> int:
    """Convert a model to int8 for CPUs, and report the accuracy cost.

    MODEL is an ONNX file or a specification, which is compiled to a temporary file. Batch norms are folded first. The
    images of --calibrate determine the value range of each layer and correct its weights. Some of them are held out:
    they decide which of several candidates is kept, and the report shows the error of each layer on them, and how often
    both models predict the same class. The report also says how much faster int8 is on this CPU, if it is.
    """
    build = Build(CompileOptions(optimize=2, weights=weights, seed=seed), network)
    require_use(source, build)
    how = Quantization(keep, keep_worst, most, held_back, method, reduce_range, target, budget, ranges, operators)
    file = output or f"{Path(source).stem}.int8.onnx"
    wanted = not terminal.quiet and not terminal.as_json
    with bar(f"quantizing {source}", wanted=wanted, unit="images") as progress:
        result = quantize(source, images, file, how=how, build=build, progress=progress)
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
    headings = ("layer", "", "signal-to-noise", "noise added", "cosine", "kernel")
    rows = [
        (
            layer.name,
            "float" if layer.kept else "",
            _decibels(layer.decibels),
            f"{layer.added:.4%}",
            f"{layer.cosine:.5f}",
            "" if layer.kernel_decibels is None else _decibels(layer.kernel_decibels),
        )
        for layer in layers
    ]
    return columns(headings, rows, words=2, color=color)


def _lines(model: str, result: Quantized, *, everything: bool) -> list[str]:
    lines = []
    hidden = len(result.layers) - _WORST
    if hidden > 0 and not everything:
        lines.append(f"{hidden} more layers are closer to the original (--all shows them)")
    if len(result.candidates) > 1:
        lines += [_candidate(one) for one in result.candidates]
        lines += _within_error(result)
    lines += [_agreement(one) for one in result.outputs]
    lines += _kernels(result)
    lines.append(_speed(model, result))
    if result.folded:
        lines.append(f"{printable(model, most=500)} has batch norms, which were folded first")
    path = printable(str(result.path), most=500)
    lines.append(
        f"{path}: {size(result.bytes)}, {result.bytes / result.before:.0%} of {size(result.before)}; "
        f"{result.calibrated} calibration images, {result.seconds:.1f} s. Next: resdsl predict {path} photo.jpg"
    )
    return lines


def _candidate(one: Candidate) -> str:
    agreement = one.agreement
    if agreement is None:
        return f"tried {one.name}: {one.problem}; {one.seconds:.1f} s"
    centred = "" if agreement.centred is None else f" ({agreement.centred:.4f} centred)"
    saturating = f"; sums can saturate in {_count(len(one.saturating))} without VNNI" if one.saturating else ""
    return (
        f"{'chose' if one.chosen else 'tried'} {one.name}: score {agreement.score:.4f}, "
        f"mean cosine {agreement.mean_cosine:.4f}{centred}, "
        f"same top class for {agreement.agree} of {agreement.images}, {_times(one.gain or 0)} as fast; "
        f"{one.seconds:.1f} s{saturating}"
    )


def _within_error(result: Quantized) -> list[str]:
    """The candidates that score more than the chosen one, but not more than chance explains."""
    chosen = result.chosen
    better = [one.name for one in result.candidates if one.score > chosen.score and not is_worse(chosen, one)]
    if not better:
        return []
    images = chosen.agreement.images if chosen.agreement else 0
    return [f"{chosen.name} is the simplest within the error of {images} images; better by chance: {'; '.join(better)}"]


def _speed(model: str, result: Quantized) -> str:
    """How fast int8 is against floating point, and what follows if it is slower."""
    measured = "on this CPU (CPU time of one thread)"
    if result.gain >= 1:
        return f"int8 is {_times(result.gain)} as fast as floating point {measured}"
    name = printable(model, most=500)
    return f"int8 is slower than floating point {measured}: {_times(result.gain)} as fast; keep using {name}"


def _times(gain: float) -> str:
    return f"{gain:.2f} times"


def _kernels(result: Quantized) -> list[str]:
    """The error of quantization and that of this CPU's kernels, apart."""
    layers = [layer for layer in result.layers if layer.kernel_steps is not None]
    beyond = sorted((layer for layer in layers if (layer.kernel_steps or 0) > 1), key=lambda layer: layer.decibels)
    lines = []
    if result.as_written:
        written, computed = result.as_written[0].mean_cosine, result.outputs[0].mean_cosine
        lines.append(f"quantization alone: mean cosine {written:.4f}; with this CPU's kernels: {computed:.4f}")
    if beyond:
        worst = min(beyond, key=lambda layer: layer.kernel_decibels or 0)
        lines.append(
            f"this CPU's kernels are off by more than one step in {len(beyond)} of {_count(len(layers))}, "
            f"most in {printable(worst.name, most=500)} ({_decibels(worst.kernel_decibels or 0)})"
        )
    elif layers:
        lines.append(f"this CPU's kernels are within one step of the graph in all of {_count(len(layers))}")
    if result.saturating:
        lines.append(
            f"on CPUs without VNNI, sums of two products can saturate in {_count(len(result.saturating))}, such as "
            f"{printable(result.saturating[0], most=500)}"
        )
    return lines


def _count(layers: int) -> str:
    return f"{layers} layer{'s' * (layers != 1)}"


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
        "target": result.target,
        "method": result.chosen.method,
        "gain": round(result.gain, 3),
        "saturating": list(result.saturating),
        "candidates": [_candidate_data(one) for one in result.candidates],
        "layers": [_finite(dataclasses.asdict(layer)) for layer in result.layers],
        "outputs": [_agreement_data(output) for output in result.outputs],
        "as_written": [_agreement_data(output) for output in result.as_written],
    }


def _candidate_data(one: Candidate) -> dict[str, object]:
    agreement = None if one.agreement is None else _agreement_data(one.agreement)
    entries = {key: value for key, value in dataclasses.asdict(one).items() if key not in {"agreement", "recipe"}}
    return _finite(dataclasses.asdict(one.recipe) | entries) | {"agreement": agreement}


def _agreement_data(one: Agreement) -> dict[str, object]:
    entries = {key: value for key, value in dataclasses.asdict(one).items() if key != "scores"}
    return _finite(entries | {"score": one.score})


def _finite(entries: dict[str, object]) -> dict[str, object]:
    """JSON has no infinity, which is the signal-to-noise ratio of an exact value."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in entries.items()
    }
