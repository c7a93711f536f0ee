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
from resdsl.cli.types import PRECISIONS, Depth, FiniteRange, ImageSize, Integers
from resdsl.compiler.models import Build
from resdsl.compiler.options import CompileOptions
from resdsl.runtime.device import DeviceOptions
from resdsl.specification.load import NetworkOptions
from resdsl.tools.bench.bench import bench, peak, profile
from resdsl.tools.bench.layer_times import LayerTime, Profile, by_op, tree
from resdsl.tools.bench.timing import Measurement, Plan, Spread
from resdsl.untrusted import printable

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
_LAYER_HEADINGS = ("name", "operators", "nodes", "time", "share", "MACs", "GMAC/s", "of peak")


@click.command("bench")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--batch", "batches", metavar="N,...", type=Integers(65_536), default="1", help="Batch sizes (1).")
@click.option("--threads", metavar="N,...", type=Integers(65_536), help="CPU threads (default: all available).")
@click.option("--seconds", type=FiniteRange(0.01), help=f"Duration for each model and setting ({_SECONDS:g}).")
@click.option("--warmup", type=click.IntRange(0), help=f"Warm-up runs, not counted ({_WARMUP}).")
@click.option("--size", metavar="SIZE", type=ImageSize(), help="Image size for models with a symbolic size: 320x480.")
@click.option("--profile", "wants_profile", is_flag=True, help="Show the time of each stage and operator instead.")
@click.option("--depth", type=Depth(), metavar="N", help="Levels of the profile: 1 stages (default), 2 blocks, all.")
@click.option(
    "-O",
    "level",
    metavar="LEVEL",
    type=click.IntRange(0, 2),
    default=1,
    help="For specifications (1).",
)
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
    """Measure latency, throughput and memory of models, and the share of the device's peak performance.

    MODEL is an ONNX file or a specification, which is compiled with random weights. Runs of several models are
    interleaved, so that other load on the machine affects all of them: "ratio" is the time relative to the first model,
    the median over pairs of runs and its quartiles. "of peak" compares with a large matrix product in the same ONNX
    Runtime.
    """
    if depth is not None and not wants_profile:
        raise click.UsageError("--depth needs --profile")
    if wants_profile and (seconds, warmup) != (None, None):
        raise click.UsageError("--seconds and --warmup do not apply to --profile, which takes the median of its runs")
    if wants_profile and (len(batches) > 1 or len(threads or ()) > 1):
        raise click.UsageError("--profile takes one batch size and one number of threads")
    build = Build(CompileOptions(optimize=level, precision=PRECISIONS[precision]), network)
    color = colored(sys.stdout, terminal.color)
    if wants_profile:
        options = dataclasses.replace(device, threads=threads[0] if threads else None)
        best = peak(options)
        profiles = [profile(one, batch=batches[0], size=size, device=options, build=build) for one in models]
        if terminal.as_json:
            named = zip(models, profiles, strict=True)
            terminal.data({"peak": best, "profiles": [{"model": one, **_profile_data(times)} for one, times in named]})
        else:
            for number, (one, times) in enumerate(zip(models, profiles, strict=True)):
                terminal.result("\n" * (number > 0) + _profile_text(one, batches[0], times, best, depth or 1, color))
        return

    def started(step: str) -> None:
        if sys.stderr.isatty():
            terminal.say(step)

    plan = Plan(batches, threads or (None,), seconds or _SECONDS, _WARMUP if warmup is None else warmup, size)
    measured = list(bench(models, plan, device=device, build=build, started=started))
    if terminal.as_json:
        terminal.data({"results": [_data(one) for one in measured]})
        return
    terminal.result(columns(_HEADINGS, [_row(one, len(models) > 1) for one in measured], color=color))
    terminal.result("\n".join(["", *_footnotes(measured)]))


def _row(measured: Measurement, several: bool) -> tuple[str, ...]:
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


def _share(speed: float | None, best: float | None) -> str:
    return "" if speed is None or best is None else f"{speed / best:.0%}"


def _footnotes(measured: Sequence[Measurement]) -> Iterator[str]:
    for device, reason in dict.fromkeys((one.device, one.reason) for one in measured):
        yield f"on {device}: {reason}"
    for model, placement in {one.model: one.placement for one in measured if len(one.placement) > 1}.items():
        nodes = ", ".join(f"{count} on {name}" for name, count in placement.items())
        yield f"nodes of {printable(model, most=500)}: {nodes}"
    peaks: dict[int, float] = {}
    for one in measured:
        peaks[one.threads] = max(peaks.get(one.threads, 0.0), one.peak or 0.0)
    speeds = ", ".join(f"{best / 1e9:.1f} GMAC/s with {_threads(count)}" for count, best in peaks.items())
    yield f"peak (large matrix product): {speeds}"
    yield f"runs per model: {', '.join(str(rounds) for rounds in dict.fromkeys(one.rounds for one in measured))}"


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _data(measured: Measurement) -> dict[str, object]:
    return {
        **dataclasses.asdict(measured),
        "images_per_second": measured.images_per_second,
        "macs_per_second": measured.macs_per_second,
    }


def _profile_text(model: str, batch: int, times: Profile, best: float, depth: int, color: bool) -> str:
    images = "1 image" if batch == 1 else f"{batch} images"
    lines = [
        f"{printable(model, most=500)}: {duration(times.seconds)} for {images}, median of {times.runs} runs",
        "",
        columns(_LAYER_HEADINGS, list(_layer_rows(tree(times), times, best, depth)), words=2, color=color),
        "",
        columns(
            ("operator", *_LAYER_HEADINGS[1:]), list(_layer_rows(by_op(times), times, best, 1)), words=2, color=color
        ),
        "",
        f"between nodes, and profiling overhead: {duration(times.between)}",
        f"peak (large matrix product): {best / 1e9:.1f} GMAC/s",
    ]
    return "\n".join(lines)


def _layer_rows(
    layers: Sequence[LayerTime], times: Profile, best: float, depth: int, level: int = 0
) -> Iterator[tuple[str, ...]]:
    whole = sum(node.seconds for node in times.nodes)
    for layer in layers:
        speed = layer.macs / layer.seconds if layer.macs and layer.seconds else None
        yield (
            "  " * level + layer.name,
            "" if layer.ops == (layer.name,) else " ".join(layer.ops),
            str(layer.nodes),
            duration(layer.seconds),
            f"{layer.seconds / whole:.1%}" if whole else "",
            short(layer.macs) if layer.macs else "",
            f"{speed / 1e9:.1f}" if speed else "",
            _share(speed, best),
        )
        if level + 1 < depth:
            yield from _layer_rows(layer.parts, times, best, depth, level + 1)


def _profile_data(times: Profile) -> dict[str, object]:
    layers = [dataclasses.asdict(layer) for layer in tree(times)]
    return {**dataclasses.asdict(times), "macs": times.macs, "tree": layers}
