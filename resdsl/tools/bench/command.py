"""``resdsl bench``."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence

import click

from resdsl.analysis.quantities import short
from resdsl.analysis.quantities import size as bytes_in_short
from resdsl.cli.columns import columns, duration
from resdsl.cli.device_options import device_options
from resdsl.cli.options import command_options, network_options
from resdsl.cli.terminal import Terminal, colored
from resdsl.compiler.models import Build
from resdsl.compiler.options import CompileOptions
from resdsl.runtime.device import DeviceOptions
from resdsl.specification.load import NetworkOptions
from resdsl.tools.bench.bench import bench, peak, profile
from resdsl.tools.bench.profile import Part, Profile, by_op, tree
from resdsl.tools.bench.timing import Measured, Plan, Spread
from resdsl.tools.compile.command import PRECISIONS
from resdsl.tools.summary.command import Depth

_HEADINGS = (
    "model",
    "batch",
    "threads",
    "load",
    "first",
    "p50",
    "p90",
    "p99",
    "images/s",
    "GMAC/s",
    "of peak",
    "memory",
    "ratio",
)
_SECONDS = 3.0
_WARMUP = 3
_PARTS = ("name", "operators", "nodes", "time", "share", "MACs", "GMAC/s", "of peak")


def _numbers(ctx: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")]
    for part in parts:
        if not (part.isascii() and part.isdigit() and 0 < int(part) <= 65536):
            raise click.BadParameter(f"'{part}' is not a whole number from 1; write them as 1,8,32", ctx, option)
    return tuple(dict.fromkeys(map(int, parts)))


def image_size(ctx: click.Context, option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """``224`` or ``320x480`` (height by width)."""
    if value is None:
        return None
    parts = value.lower().split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() and 0 < int(part) <= 65536 for part in parts):
        raise click.BadParameter(f"'{value}' is neither a size such as 224 nor height x width, 320x480", ctx, option)
    return int(parts[0]), int(parts[-1])


@click.command("bench", short_help="how fast models run, side by side, and where the time goes")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--batch", "batches", metavar="SIZES", callback=_numbers, default="1", help="Images at once: 1,8,32 (1).")
@click.option("--threads", metavar="NUMBERS", callback=_numbers, help="Processor threads: 1,2,4; all that may be used.")
@click.option("--seconds", type=click.FloatRange(0.01), help=f"How long each model runs each time ({_SECONDS:g}).")
@click.option("--warmup", type=click.IntRange(0), help=f"Runs before that don't count ({_WARMUP}).")
@click.option("--size", metavar="SIZE", callback=image_size, help="Of images, where the model leaves it open: 320x480.")
@click.option("--profile", "wants_profile", is_flag=True, help="Instead: how long each stage and operator takes.")
@click.option(
    "--depth", type=Depth(), metavar="N", help="Levels of the profile: 1 stages (if not said), 2 blocks, all."
)
@click.option("-O", "level", metavar="LEVEL", type=click.IntRange(0, 2), default=1, help="For specifications (1).")
@click.option("--precision", type=click.Choice(list(PRECISIONS)), default="fp32", help="For specifications (fp32).")
@device_options(threads=False)
@network_options
@command_options
def command(
    terminal: Terminal,
    models: tuple[str, ...],
    batches: tuple[int, ...],
    threads: tuple[int, ...] | None,
    seconds: float | None,
    warmup: int | None,
    size: tuple[int, int] | None,
    wants_profile: bool,
    depth: int | None,
    level: int,
    precision: str,
    device: DeviceOptions,
    network: NetworkOptions,
) -> None:
    """How fast models run: latency, images a second, memory, and how near to what the device can do at the most.

    MODEL is an ONNX file or a specification, which is compiled with random weights. Several take turns in one run,
    so that whatever else the machine does slows all of them: "ratio" is the median over the pairs of runs of how long
    one takes for each second of the first, and where the middle half lies. "of peak" compares with a product of large
    matrices in the same ONNX Runtime.
    """
    if depth is not None and not wants_profile:
        raise click.UsageError("--depth is for the levels of --profile")
    if wants_profile and (seconds, warmup) != (None, None):
        raise click.UsageError("a profile is the median of its runs: --seconds and --warmup say nothing there")
    if wants_profile and (len(batches) > 1 or len(threads or ()) > 1):
        raise click.UsageError("a profile is of one batch size and one number of threads; ask for one after the other")
    build = Build(CompileOptions(optimize=level, precision=PRECISIONS[precision]), network)
    color = colored(sys.stdout, terminal.color)
    if wants_profile:
        on = dataclasses.replace(device, threads=threads[0] if threads else None)
        most = peak(on)
        profiles = [profile(one, batch=batches[0], size=size, device=on, build=build) for one in models]
        if terminal.as_json:
            named = zip(models, profiles, strict=True)
            terminal.data({"peak": most, "profiles": [{"model": one, **_profile_data(found)} for one, found in named]})
        else:
            for number, (one, found) in enumerate(zip(models, profiles, strict=True)):
                terminal.result("\n" * (number > 0) + _profile_text(one, batches[0], found, most, depth or 1, color))
        return

    def started(what: str) -> None:
        if sys.stderr.isatty():
            terminal.say(what)

    plan = Plan(batches, threads or (None,), seconds or _SECONDS, _WARMUP if warmup is None else warmup, size)
    measured = list(bench(models, plan, device=device, build=build, started=started))
    if terminal.as_json:
        terminal.data({"results": [_data(one) for one in measured]})
        return
    terminal.result(columns(_HEADINGS, [_row(one, len(models) > 1) for one in measured], color=color))
    terminal.result("\n".join(["", *_below(measured)]))


def _row(measured: Measured, several: bool) -> tuple[str, ...]:
    speed = measured.macs_per_second
    return (
        measured.model,
        str(measured.batch),
        str(measured.threads),
        *map(duration, (measured.load, measured.first, measured.p50, measured.p90, measured.p99)),
        f"{measured.images_per_second:.1f}",
        f"{speed / 1e9:.1f}" if speed is not None else "",
        _share(speed, measured.peak),
        bytes_in_short(measured.memory) if measured.memory is not None else "",
        _ratio(measured.ratio) if several else "",
    )


def _ratio(spread: Spread) -> str:
    if spread.low == spread.high == 1:
        return "1"
    return f"{spread.median:.3f} ({spread.low:.3f} to {spread.high:.3f})"


def _share(speed: float | None, most: float | None) -> str:
    return "" if speed is None or most is None else f"{speed / most:.0%}"


def _below(found: Sequence[Measured]) -> Iterator[str]:
    for device, reason in dict.fromkeys((one.device, one.reason) for one in found):
        yield f"on {device}: {reason}"
    for model, placement in {one.model: one.placement for one in found if len(one.placement) > 1}.items():
        yield f"nodes of {model}: {', '.join(f'{count} on {name}' for name, count in placement.items())}"
    peaks: dict[int, float] = {}
    for one in found:
        peaks[one.threads] = max(peaks.get(one.threads, 0.0), one.peak or 0.0)
    told = ", ".join(f"{most / 1e9:.1f} GMAC/s with {_threads(count)}" for count, most in peaks.items())
    yield f"a product of large matrices: {told}"
    yield f"runs of each: {', '.join(str(rounds) for rounds in dict.fromkeys(one.rounds for one in found))}"


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _data(measured: Measured) -> dict[str, object]:
    return {
        **dataclasses.asdict(measured),
        "images_per_second": measured.images_per_second,
        "macs_per_second": measured.macs_per_second,
    }


def _profile_text(model: str, batch: int, found: Profile, most: float, depth: int, color: bool) -> str:
    images = "1 image" if batch == 1 else f"{batch} images"
    lines = [
        f"{model}: {duration(found.seconds)} for {images}, the median of {found.runs} runs",
        "",
        columns(_PARTS, list(_part_rows(tree(found), found, most, depth)), words=2, color=color),
        "",
        columns(("operator", *_PARTS[1:]), list(_part_rows(by_op(found), found, most, 1)), words=2, color=color),
        "",
        f"between the nodes, and to record them: {duration(found.between)}",
        f"a product of large matrices: {most / 1e9:.1f} GMAC/s",
    ]
    return "\n".join(lines)


def _part_rows(
    parts: Sequence[Part], found: Profile, most: float, depth: int, level: int = 0
) -> Iterator[tuple[str, ...]]:
    whole = sum(node.seconds for node in found.nodes)
    for part in parts:
        speed = part.macs / part.seconds if part.macs and part.seconds else None
        yield (
            "  " * level + part.name,
            "" if part.ops == (part.name,) else " ".join(part.ops),
            str(part.nodes),
            duration(part.seconds),
            f"{part.seconds / whole:.1%}" if whole else "",
            short(part.macs) if part.macs else "",
            f"{speed / 1e9:.1f}" if speed else "",
            _share(speed, most),
        )
        if level + 1 < depth:
            yield from _part_rows(part.parts, found, most, depth, level + 1)


def _profile_data(found: Profile) -> dict[str, object]:
    return {**dataclasses.asdict(found), "macs": found.macs, "tree": [dataclasses.asdict(part) for part in tree(found)]}
