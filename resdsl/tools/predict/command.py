"""``resdsl predict``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click

from resdsl.cli.device_options import device_options
from resdsl.cli.engine_options import engine_options
from resdsl.cli.image_options import image_options, require_use, show_device, source_options
from resdsl.cli.image_progress import Failures, progress_of
from resdsl.cli.options import command_options, network_options
from resdsl.cli.terminal import Terminal
from resdsl.compiler.models import Build
from resdsl.compiler.options import INFERENCE
from resdsl.compiler.sessions import open_model
from resdsl.diagnostics.errors import RunError
from resdsl.ray.cluster import Cluster
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.formats import FORMATS
from resdsl.runtime.rows import PredictOptions
from resdsl.runtime.session import Session
from resdsl.specification.load import NetworkOptions
from resdsl.tools.predict.predict import session_results
from resdsl.tools.predict.printing import JsonRows, PrintedRows
from resdsl.tools.predict.sinks import format_of, lines_of
from resdsl.tools.predict.to_file import to_file, to_folder


@click.command("predict")
@click.argument("source", metavar="MODEL")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--top", type=click.IntRange(1), default=5, help="Number of classes per image (5).")
@click.option(
    "--features",
    "output",
    metavar="NAME",
    help="Instead of classes, the values of this output or layer.",
)
@click.option("-o", "--output", "target", metavar="FILE", help="Write results to FILE; with --engine ray, a folder.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    help="Format of the results (default: from the suffix of FILE; text without FILE).",
)
@click.option("--resume", is_flag=True, help="Continue an interrupted run that wrote FILE (jsonl, csv).")
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
    top: int,
    output: str | None,
    target: str | None,
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
    """Classify images with a model, or extract features.

    MODEL is an ONNX file, or a specification, which is compiled to a temporary file. Preprocessing and labels are read
    from its metadata.

    IMAGE is a file, a folder (all images below it), a pattern ('photos/**/*.jpg'), an .npy file of images (uint8,
    [N, H, W, 3]) or of preprocessed inputs (float32, [N, C, H, W]), or - for standard input: an image, or one path per
    line.

    An image that cannot be read is reported, and the others are processed; the exit status is then 1, or 2 if a file is
    missing.
    """
    build = Build(replace(INFERENCE, weights=weights), network)
    require_use(source, build)
    options = PredictOptions(
        top=top,
        output=output,
        batch_size=batch_size,
        crops=crops,
        scales=scales,
        readers=readers,
        null=null,
        column=column,
        max_pixels=max_pixels,
    )
    file = None if target in (None, "-") else Path(str(target))
    if resume and file is None:
        raise click.UsageError("--resume needs --output")
    if cluster is not None:
        if target is None:
            raise click.UsageError("--engine ray needs --output")
        with open_model(source, device="cpu", threads=1, build=build, output=output) as model:
            return to_folder(
                terminal, model, images, target, cluster, options, device=device, format=kind, resume=resume
            )
    form = format_of(file, kind, output)
    with open_model(source, device=device, build=build, output=output) as (session, compiled):
        show_device(terminal, source, session)
        if file is None:
            return _to_stdout(terminal, session, images, form, options)
        return to_file(terminal, (session, compiled), images, file, form, options, resume=resume)


def _to_stdout(
    terminal: Terminal, session: Session, images: tuple[str, ...], form: str, options: PredictOptions
) -> int:
    failures = Failures()
    results = session_results(session, images, **options)
    out = (
        JsonRows(device=str(session.device), reason=session.reason)
        if terminal.as_json
        else PrintedRows(lines_of(form, options["top"]))
    )
    try:
        with closing(results), progress_of(terminal, images, alone=False) as progress:
            for number, result in enumerate(results, 1):
                out.write(result)
                failures.add_result(result)
                progress(number)
    except RunError as error:
        # The output printed so far is kept and completed.
        failures.add(error.diagnostic)
    if isinstance(out, JsonRows):
        out.close(**failures.data())
    else:
        failures.show(terminal)
    return failures.status
