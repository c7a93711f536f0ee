"""``resdsl compare``."""

from __future__ import annotations

import dataclasses
import math
import sys

import click

from resdsl.cli.columns import columns
from resdsl.cli.device_options import device_options
from resdsl.cli.exits import FINE, INPUT
from resdsl.cli.options import command_options, network_options
from resdsl.cli.terminal import Terminal, colored
from resdsl.cli.types import PRECISIONS, FiniteRange, ImageSize
from resdsl.compiler.models import Build, is_specification
from resdsl.compiler.options import CompileOptions
from resdsl.ir.types import DType
from resdsl.runtime.device import DeviceOptions
from resdsl.specification.load import NetworkOptions
from resdsl.tools.compare.compare import Comparison, Side, compare
from resdsl.tools.compare.divergence import Difference, Tolerance
from resdsl.untrusted import MOST_INT, printable

_HEADINGS = ("value", "operator", "shape", "worst", "mean", "rms", "cosine", "")
_MOST_SHOWN = 5


@click.command("compare")
@click.argument("a")
@click.argument("b")
@click.option("--images", metavar="FILE", multiple=True, help="An image or an .npy array. Repeatable.")
@click.option("--batch", type=click.IntRange(1, 65_536), default=1, help="Number of random images (1).")
@click.option("--size", metavar="SIZE", type=ImageSize(), help="Size of random images, if A has a symbolic size.")
@click.option("--seed", type=click.IntRange(0, MOST_INT), default=0, help="Seed of random images and weights (0).")
@click.option("--weights", metavar="FILE", help="Checkpoint to compile specifications with.")
@click.option("-O", "level", metavar="LEVEL", type=click.IntRange(0, 2), default=1, help="For specifications (1).")
@click.option("--level-b", metavar="LEVEL", type=click.IntRange(0, 2), help="The level of B, if different.")
@click.option("--precision", type=click.Choice(list(PRECISIONS)), default="fp32", help="For specifications (fp32).")
@click.option("--precision-b", type=click.Choice(list(PRECISIONS)), help="The precision of B, if different.")
@click.option("--rtol", type=FiniteRange(0), default=1e-3, help="Relative tolerance (0.001).")
@click.option(
    "--atol",
    type=FiniteRange(0),
    help="Absolute tolerance (default: a tenth of --rtol times the value's root mean square).",
)
@click.option(
    "--all", "everything", is_flag=True, help="Show every value, not just the outputs and the largest differences."
)
@click.option("--device-b", metavar="DEVICE", help="The device of B, if different.")
@device_options()
@network_options
@command_options
def command(
    terminal: Terminal,
    a: str,
    b: str,
    images: tuple[str, ...],
    batch: int,
    size: tuple[int, int] | None,
    seed: int,
    weights: str | None,
    level: int,
    level_b: int | None,
    precision: str,
    precision_b: str | None,
    rtol: float,
    atol: float | None,
    everything: bool,
    device_b: str | None,
    device: DeviceOptions,
    network: NetworkOptions,
) -> int:
    """Run two models on the same inputs, compare their values, and find the first divergence.

    A and B are ONNX files or specifications, which are compiled with the same weights. Inner values are compared where
    both models have them: under the same name or, in models of different exporters, where the same operators compute
    them from the input. "worst" and "mean" are of |a - b|, "rms" is the root mean square of A's value. The exit
    status is 1 if a value diverges: if |a - b| > atol + rtol |a|.
    """
    options = CompileOptions(optimize=level, precision=PRECISIONS[precision], weights=weights, seed=seed)
    other = dataclasses.replace(
        options,
        optimize=level if level_b is None else level_b,
        precision=PRECISIONS[precision_b or precision],
    )
    sides = (
        Side(a, device, Build(options, network)),
        Side(b, dataclasses.replace(device, device=device_b) if device_b else device, Build(other, network)),
    )
    comparison = compare(*sides, images=images, batch=batch, size=size, seed=seed, tolerance=Tolerance(rtol, atol))
    if terminal.as_json:
        terminal.data(_data(comparison))
    else:
        models = [_side(side, on) for side, on in zip(sides, comparison.devices, strict=True)]
        for on, reason in dict.fromkeys(zip(comparison.devices, comparison.reasons, strict=True)):
            terminal.say(f"on {on}: {reason}")
        color = colored(sys.stdout, terminal.color)
        rows = [_row(one) for one in _shown(comparison, everything)]
        inputs = ", ".join(f"{printable(name)} {list(shape)}" for name, shape in comparison.inputs.items())
        heading = f"{models[0]} and {models[1]}: {len(comparison.differences)} common values for {inputs}"
        table = columns(_HEADINGS, rows, words=3, color=color)
        notes = [*_renamed_outputs(comparison), *_lone_outputs(comparison, a, b), *_left_out(comparison)]
        terminal.result("\n".join([heading, "", table, "", *notes, _verdict(comparison)]))
    return INPUT if comparison.first else FINE


def _side(side: Side, device: str) -> str:
    options = side.build.options
    how = f" -O{options.optimize}{'' if options.precision is DType.F32 else f' {options.precision}'}"
    return f"{printable(side.source, most=500)}{how if is_specification(side.source) else ''} on {device}"


def _shown(comparison: Comparison, everything: bool) -> list[Difference]:
    """The outputs, the first divergence, and the largest relative differences, in order."""
    if everything:
        return list(comparison.differences)
    largest = sorted(comparison.differences, key=lambda one: -(one.worst / one.scale if one.scale else one.worst))
    first = comparison.first
    kept = [*largest[:_MOST_SHOWN], *(one for one in comparison.differences if one.is_output or one is first)]
    return [one for one in comparison.differences if any(one is other for other in kept)]


def _row(one: Difference) -> tuple[str, ...]:
    name = one.name if one.name == one.other else f"{one.name} = {one.other}"
    mark = one.misfit or (f"{one.outside} of {math.prod(one.shape)} diverge" if one.diverges else "")
    numbers = (f"{one.worst:.2e}", f"{one.mean:.2e}", f"{one.scale:.2e}", f"{one.cosine:.9f}")
    return (name, one.op, f"[{', '.join(map(str, one.shape))}]", *(numbers if not one.misfit else 4 * ("",)), mark)


def _renamed_outputs(comparison: Comparison) -> list[str]:
    """The outputs that have another name in the second model, or are compared because of their place alone."""
    notes: list[str] = []
    for one in comparison.differences:
        name, other = (f"`{printable(each, most=500)}`" for each in (one.name, one.other))
        if (one.name, one.other) in comparison.by_place:
            notes.append(f"output {name} is compared with {other} by place and shape: other operators compute them")
        elif one.is_output and one.name != one.other:
            notes.append(f"output {name} is {other}")
    return notes


def _lone_outputs(comparison: Comparison, a: str, b: str) -> list[str]:
    """The outputs that are compared with none."""
    lone = [(source, name) for source, names in zip((a, b), comparison.alone, strict=True) for name in names]
    return [
        f"output `{printable(name, most=500)}` of {printable(source, most=500)} is not compared: it has no counterpart"
        for source, name in lone
    ]


def _verdict(comparison: Comparison) -> str:
    first = comparison.first
    if first is None:
        whole = not any(comparison.alone)
        return "all values agree" if whole else "all values that both have agree"
    before = comparison.differences.index(first)
    diverging = sum(one.diverges for one in comparison.differences)
    counts = (
        f"{diverging} of {len(comparison.differences)} values diverge; the first is `{printable(first.name, most=500)}`"
    )
    return f"{counts}, and the {before} before it agree" if before else counts


def _left_out(comparison: Comparison) -> list[str]:
    count = comparison.left_out
    return [f"{count:,} more inner values are not compared; those that are lie evenly between them"] if count else []


def _data(comparison: Comparison) -> dict[str, object]:
    return {
        "agrees": comparison.first is None,
        "first": comparison.first.name if comparison.first else None,
        "devices": list(comparison.devices),
        "reasons": list(comparison.reasons),
        "outputs_by_place": [list(pair) for pair in comparison.by_place],
        "outputs_not_compared": [list(names) for names in comparison.alone],
        "inner_values_not_compared": comparison.left_out,
        "inputs": {name: list(shape) for name, shape in comparison.inputs.items()},
        "values": [{**dataclasses.asdict(one), "diverges": one.diverges} for one in comparison.differences],
    }
