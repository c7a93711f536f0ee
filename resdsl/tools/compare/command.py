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
from resdsl.compiler.models import Build, is_specification
from resdsl.compiler.options import CompileOptions
from resdsl.ir.types import DType
from resdsl.runtime.device import DeviceOptions
from resdsl.specification.load import NetworkOptions
from resdsl.tools.bench.command import image_size
from resdsl.tools.compare.compare import Comparison, Side, compare
from resdsl.tools.compare.difference import Difference, Tolerance
from resdsl.tools.compile.command import PRECISIONS

_HEADINGS = ("value", "operator", "shape", "worst", "mean", "size", "cosine", "")
_FARTHEST = 5


@click.command("compare", short_help="whether two models compute the same, and where they part")
@click.argument("a")
@click.argument("b")
@click.option("--images", metavar="FILE", multiple=True, help="An image or an .npy array. Repeatable.")
@click.option("--batch", type=click.IntRange(1), default=1, help="How many random images (1).")
@click.option("--size", metavar="SIZE", callback=image_size, help="Of random images, where A leaves it open: 320x480.")
@click.option("--seed", type=int, default=0, help="For random images, and random weights of specifications (0).")
@click.option("--weights", metavar="FILE", help="A checkpoint for the specifications.")
@click.option("-O", "level", metavar="LEVEL", type=click.IntRange(0, 2), default=1, help="Of specifications (1).")
@click.option("--level-b", metavar="LEVEL", type=click.IntRange(0, 2), help="The -O of B, if another.")
@click.option("--precision", type=click.Choice(list(PRECISIONS)), default="fp32", help="Of specifications (fp32).")
@click.option("--precision-b", type=click.Choice(list(PRECISIONS)), help="The precision of B, if another.")
@click.option("--rtol", type=click.FloatRange(0), default=1e-3, help="Allowed in parts of a number (0.001).")
@click.option(
    "--atol", type=click.FloatRange(0), help="Allowed beside; a tenth of --rtol, of the root mean square, if not said."
)
@click.option("--all", "everything", is_flag=True, help="Every value, not just the outputs and the farthest.")
@click.option("--device-b", metavar="DEVICE", help="What runs B, if another than --device.")
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
    """Whether two models compute the same on the same inputs, and the first value where they part.

    A and B are ONNX files or specifications, which are compiled with the same weights. Values inside the networks are
    compared where both have them; "worst" and "mean" are of the differences, "size" is the root mean square of A's
    value. Ends with 1 where a value departs: where |a - b| is more than atol + rtol |a|.
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
    found = compare(*sides, images=images, batch=batch, size=size, seed=seed, tolerance=Tolerance(rtol, atol))
    if terminal.as_json:
        terminal.data(_data(found))
    else:
        told = [_side(side, on) for side, on in zip(sides, found.devices, strict=True)]
        for on, why in dict.fromkeys(zip(found.devices, found.reasons, strict=True)):
            terminal.say(f"on {on}: {why}")
        color = colored(sys.stdout, terminal.color)
        rows = [_row(one) for one in _shown(found, everything)]
        inputs = ", ".join(f"{name} {list(shape)}" for name, shape in found.inputs.items())
        heading = f"{told[0]}, beside {told[1]}: {len(found.differences)} values of both for {inputs}"
        terminal.result("\n".join([heading, "", columns(_HEADINGS, rows, words=3, color=color), "", _verdict(found)]))
    return INPUT if found.first else FINE


def _side(side: Side, device: str) -> str:
    options = side.build.options
    how = f" -O{options.optimize}{'' if options.precision is DType.F32 else f' {options.precision}'}"
    return f"{side.source}{how if is_specification(side.source) else ''} on {device}"


def _shown(found: Comparison, everything: bool) -> list[Difference]:
    """The outputs, where the models part, and what lies farthest apart for its size; in their order."""
    if everything:
        return list(found.differences)
    farthest = sorted(found.differences, key=lambda one: -(one.worst / one.scale if one.scale else one.worst))
    kept = [*farthest[:_FARTHEST], *(one for one in found.differences if one.is_output or one is found.first)]
    return [one for one in found.differences if any(one is other for other in kept)]


def _row(one: Difference) -> tuple[str, ...]:
    name = one.name if one.name == one.other else f"{one.name} = {one.other}"
    mark = one.misfit or (f"departs in {one.outside} of {math.prod(one.shape)}" if one.departs else "")
    numbers = (f"{one.worst:.2e}", f"{one.mean:.2e}", f"{one.scale:.2e}", f"{one.cosine:.9f}")
    return (name, one.op, f"[{', '.join(map(str, one.shape))}]", *(numbers if not one.misfit else 4 * ("",)), mark)


def _verdict(found: Comparison) -> str:
    first = found.first
    if first is None:
        return "every value agrees"
    before = found.differences.index(first)
    departing = sum(one.departs for one in found.differences)
    told = f"{departing} of {len(found.differences)} values depart, from `{first.name}` on"
    return f"{told}; the {before} before it agree" if before else told


def _data(found: Comparison) -> dict[str, object]:
    return {
        "agrees": found.first is None,
        "first": found.first.name if found.first else None,
        "devices": list(found.devices),
        "reasons": list(found.reasons),
        "inputs": {name: list(shape) for name, shape in found.inputs.items()},
        "values": [{**dataclasses.asdict(one), "departs": one.departs} for one in found.differences],
    }
