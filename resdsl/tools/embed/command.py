"""``resdsl embed``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from resdsl.cli.device_options import device_options
from resdsl.cli.engine_options import engine_options
from resdsl.cli.image_options import image_options, require_use, show_device, source_options
from resdsl.cli.options import command_options, network_options
from resdsl.cli.terminal import Terminal
from resdsl.compiler.models import Build
from resdsl.compiler.options import INFERENCE
from resdsl.ray.cluster import Cluster
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.results import Pool
from resdsl.runtime.rows import PredictOptions
from resdsl.specification.load import NetworkOptions
from resdsl.tools.embed.embed import open_layer
from resdsl.tools.predict.sinks import format_of
from resdsl.tools.predict.to_file import to_file, to_folder


@click.command("embed")
@click.argument("source", metavar="MODEL")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "--layer",
    metavar="NAME",
    help="Layer or scope whose values are written (default: what the last layer makes the classes of).",
)
@click.option(
    "--pool",
    type=click.Choice(["avg", "max", "none"]),
    default="avg",
    help="How maps become one value for each channel (avg); none: all values.",
)
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    required=True,
    help="Write embeddings to FILE; with --engine ray, a folder.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["parquet", "npy", "jsonl"]),
    help="Format of FILE (default: from its suffix).",
)
@click.option("--resume", is_flag=True, help="Continue an interrupted run that wrote FILE (jsonl).")
@source_options
@engine_options
@image_options
@device_options()
@network_options
@command_options
def command(
    terminal: Terminal,
    source: str,
    images: tuple[str, ...],
    layer: str | None,
    pool: Pool,
    target: str,
    kind: str | None,
    resume: bool,
    null: bool,
    column: str | None,
    cluster: Cluster | None,
    batch_size: int,
    readers: int | None,
    max_pixels: int,
    crops: int,
    scales: tuple[int, ...],
    weights: str | None,
    device: DeviceOptions,
    network: NetworkOptions,
) -> int:
    """Write an embedding of each image: the values of one layer.

    MODEL and IMAGE are as for `resdsl predict`. The layer is a value, a layer or a scope of the model (flatten,
    layer3.5.add, layer4); `resdsl summary MODEL --depth all` lists them. Maps [channels, height, width] become the
    mean of each channel unless --pool says otherwise.

    An image that cannot be read has a row without values, which says why; the others are processed, and the exit
    status is then 1, or 2 if a file is missing.
    """
    build = Build(replace(INFERENCE, weights=weights), network)
    require_use(source, build)
    file = Path(target)
    form = "" if cluster else format_of(file, kind, layer or "embeddings")
    here = DeviceOptions("cpu", 1) if cluster else device
    with open_layer(source, layer, device=here, build=build) as (session, compiled, output):
        options = PredictOptions(
            output=output,
            pool=pool,
            batch_size=batch_size,
            crops=crops,
            scales=scales,
            readers=readers,
            null=null,
            column=column,
            max_pixels=max_pixels,
        )
        if cluster is not None:
            model = (session, compiled)
            return to_folder(
                terminal, model, images, target, cluster, options, device=device, format=kind, resume=resume
            )
        show_device(terminal, source, session)
        return to_file(terminal, (session, compiled), images, file, form, options, resume=resume)
