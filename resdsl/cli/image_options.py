"""Options for reading and preprocessing images, shared by the commands that run images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from resdsl.cli.terminal import Terminal
from resdsl.cli.types import Integers
from resdsl.compiler.models import Build, is_specification
from resdsl.compiler.provenance import weights_are_random
from resdsl.runtime.images import MAX_PIXELS
from resdsl.runtime.session import Session
from resdsl.untrusted import printable

_MOST_SHOWN = 500
Function = TypeVar("Function", bound=Callable[..., Any])


def image_options(function: Function) -> Function:
    """``--batch``, ``--readers``, ``--max-pixels``, ``--crops``, ``--scales``; and ``--weights`` for specifications."""
    decorators = (
        click.option("--batch", "batch_size", type=click.IntRange(1), default=8, help="Batch size (default: 8)."),
        click.option(
            "--readers", type=click.IntRange(1), help="Threads that read images (default: one per CPU, at most 8)."
        ),
        click.option(
            "--max-pixels",
            type=click.IntRange(1),
            default=MAX_PIXELS,
            help=f"Reject larger images (default: {MAX_PIXELS:_}); each reader needs 4 to 20 bytes a pixel.",
        ),
        click.option(
            "--crops",
            type=click.Choice(["1", "10"]),
            callback=lambda _ctx, _option, value: int(value),
            default="1",
            help="10: average over the centre, the corners and their mirror images (ten-crop testing).",
        ),
        click.option(
            "--scales",
            metavar="SIZES",
            type=Integers(16_384),
            default=(),
            help="Average over the whole image at these short sides (224,256,384); needs a symbolic input size.",
        ),
        click.option("--weights", metavar="FILE", help="Checkpoint to compile a specification with."),
    )
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def source_options(function: Function) -> Function:
    """``--null`` and ``--column``: how lists of paths and Parquet files are read."""
    decorators = (
        click.option("-0", "--null", is_flag=True, help="Paths on standard input end with a zero byte."),
        click.option(
            "--column", metavar="NAME", help="Column of Parquet files with images or paths (default: found by type)."
        ),
    )
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def require_use(model: str, build: Build) -> None:
    """Reject options for specifications if the model is compiled already."""
    if is_specification(model):
        return
    network = build.network
    given = {
        "--weights": build.options.weights,
        "--set": network.get("set"),
        "--model": network.get("model"),
        "--input": network.get("input_shape"),
    }
    for option, value in given.items():
        if value:
            raise click.UsageError(f"{option} applies to specifications, and {model} is compiled already")


def show_device(terminal: Terminal, network: str, session: Session) -> None:
    """Show which device runs the model and why, and warn if its weights are random."""
    terminal.say(f"{printable(network, most=_MOST_SHOWN)} on {session.device}: {session.reason}")
    if weights_are_random(session.metadata):
        advice = "use" if is_specification(network) else "compile it with"
        terminal.say(f"its weights are random, so its results are meaningless: {advice} --weights FILE")
