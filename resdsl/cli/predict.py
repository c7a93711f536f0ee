"""``resdsl predict``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from resdsl.cli.exits import status_of
from resdsl.cli.options import speaking
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import Diagnostics
from resdsl.driver.metadata import weights_are_random
from resdsl.driver.predict import predict
from resdsl.runtime.predict import Prediction
from resdsl.runtime.session import open_session


def _sizes(ctx: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...]:
    parts = [] if value is None else [part.strip() for part in value.split(",")]
    for part in parts:
        if not (part.isascii() and part.isdigit() and int(part) > 0):
            raise click.BadParameter(f"'{part}' is not a size in pixels; write them as 224,256,384", ctx, option)
    return tuple(map(int, parts))


@click.command("predict", short_help="classify pictures with a compiled model")
@click.argument("model")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to tell.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="auto, cpu, cuda, cuda:1 or tensorrt. One that cannot be used is an error, never replaced.",
)
@click.option("--threads", type=click.IntRange(1), help="Processor threads; all that may be used, if not said.")
@click.option("--batch", "batch_size", type=click.IntRange(1), default=8, show_default=True, help="Images at once.")
@click.option(
    "--crops",
    type=click.Choice(["1", "10"]),
    default="1",
    help="10: average over the centre, the corners and their mirror images, as papers test.",
)
@click.option(
    "--scales",
    metavar="SIZES",
    callback=_sizes,
    help="Average over the whole image at these short sides (224,256,384,480,640), for a model of open input size.",
)
@speaking
def command(
    terminal: Terminal,
    model: str,
    images: tuple[str, ...],
    top: int,
    device: str,
    threads: int | None,
    batch_size: int,
    crops: str,
    scales: tuple[int, ...],
) -> int:
    """Classify pictures with a compiled model.

    How a picture becomes the model's input, and the names of the classes, are read from the model's own metadata.
    A picture that cannot be read is told, and the others go on. IMAGE may be - for standard input.
    """
    session = open_session(Path(model), device=device, threads=threads)
    terminal.say(f"{model} on {session.device}: {session.reason}")
    if weights_are_random(session.metadata):
        terminal.say("its weights are random, so the classes mean nothing: compile it with --weights FILE")
    failures = Diagnostics()
    results: list[dict[str, object]] = []
    for number, result in enumerate(
        predict(session, images, top=top, batch_size=batch_size, crops=int(crops), scales=scales)
    ):
        if isinstance(result, Prediction):
            results.append(dataclasses.asdict(result))
            if not terminal.as_json:
                terminal.result("\n" * (number > 0) + _text(result))
        else:
            failures.report(result.diagnostic)
    terminal.report(failures, device=str(session.device), reason=session.reason, predictions=results)
    return status_of(failures)


def _text(prediction: Prediction) -> str:
    names = [ranked.label or f"class {ranked.index}" for ranked in prediction.classes]
    width = max(map(len, names))
    lines = [
        f"  {name.ljust(width)}  {ranked.probability:7.2%}"
        for name, ranked in zip(names, prediction.classes, strict=True)
    ]
    return "\n".join([f"{prediction.image} ({1000 * prediction.seconds:.0f} ms)", *lines])
