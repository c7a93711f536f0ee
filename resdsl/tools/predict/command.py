"""``resdsl predict``."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click

from resdsl.cli.device_options import device_options
from resdsl.cli.image_options import image_options, require_use, say_what_runs
from resdsl.cli.image_progress import Failures, progress_of
from resdsl.cli.options import command_options, network_options
from resdsl.cli.terminal import Terminal
from resdsl.compiler.models import Build
from resdsl.compiler.options import INFERENCE
from resdsl.compiler.sessions import open_model
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.rows import Row
from resdsl.runtime.session import Session
from resdsl.specification.load import NetworkOptions
from resdsl.tools.predict.formats import FORMATS, LINES
from resdsl.tools.predict.predict import Asked, Written, predict, write_rows
from resdsl.tools.predict.printing import JsonRows, PrintedRows
from resdsl.tools.predict.sinks import format_of, lines_of


@click.command("predict", short_help="classify pictures with a compiled model")
@click.argument("source", metavar="MODEL")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--top", type=click.IntRange(1), default=5, help="How many classes to tell (5).")
@click.option(
    "--output", metavar="NAME", help="Instead of classes, the values of this output or layer: features, embeddings."
)
@click.option("-o", "--output-file", "target", metavar="FILE", help="Where rows go; it appears once all are there.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    help="Of the rows; if not said, what FILE's name ends with, and text without a FILE.",
)
@click.option("--resume", is_flag=True, help="Go on with FILE where a run was cut off; for jsonl and csv.")
@click.option("-0", "--null", is_flag=True, help="The paths on standard input are each ended by a zero byte.")
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
    batch_size: int,
    readers: int | None,
    max_pixels: int,
    crops: int,
    scales: tuple[int, ...],
    weights: str | None,
    device: DeviceOptions,
    network: NetworkOptions,
) -> int:
    """Classify pictures with a compiled model, or take features out of it.

    MODEL is an ONNX file, or a specification, which is compiled for the while. How a picture becomes its input, and
    the names of the classes, are read from its metadata.

    IMAGE is a file, a folder (all images below it), a pattern ('photos/**/*.jpg'), an .npy file of images (uint8,
    [N, H, W, 3]) or of prepared inputs (float32, [N, C, H, W]), or - for standard input: an image, or paths, one a
    line.

    A picture that cannot be read is told, and the others go on; the exit code is then 1, or 2 where a file is missing.
    """
    build = Build(replace(INFERENCE, weights=weights), network)
    require_use(source, build)
    asked = Asked(
        top=top,
        output=output,
        batch_size=batch_size,
        crops=crops,
        scales=scales,
        readers=readers,
        null=null,
        max_pixels=max_pixels,
    )
    file = None if target in (None, "-") else Path(str(target))
    if resume and file is None:
        raise click.UsageError("--resume goes on with a file: name it with --output-file")
    form = format_of(file, kind, output)
    with open_model(source, device=device, build=build, output=output) as (session, compiled):
        say_what_runs(terminal, source, session)
        if file is None:
            return _to_stdout(terminal, session, images, form, asked)
        return _to_file(terminal, (session, compiled), images, file, form, asked, resume=resume)


def _to_stdout(terminal: Terminal, session: Session, images: tuple[str, ...], form: str, asked: Asked) -> int:
    failures = Failures()
    rows = predict(session, images, **asked)
    out = (
        JsonRows(device=str(session.device), reason=session.reason)
        if terminal.as_json
        else PrintedRows(lines_of(form, asked["top"]))
    )
    try:
        with closing(rows), progress_of(terminal, images, alone=False) as progress:
            for number, row in enumerate(rows, 1):
                out.write(row)
                failures.see(row)
                progress(number)
    except RunError as problem:
        # What has been printed stays, and is ended properly.
        failures.add(problem.diagnostic)
    if isinstance(out, JsonRows):
        out.close(**failures.data())
    else:
        failures.show(terminal)
    return failures.status


def _to_file(
    terminal: Terminal,
    model: tuple[Session, Path],
    images: tuple[str, ...],
    file: Path,
    form: str,
    asked: Asked,
    *,
    resume: bool,
) -> int:
    failures = Failures()
    start, begun = time.perf_counter(), 0
    with progress_of(terminal, images, alone=True) as progress:

        def each(row: Row, done: int) -> None:
            nonlocal begun
            begun = done
            failures.see(row)
            progress(done)

        try:
            written = write_rows(file, *model, images, format=form, resume=resume, each=each, **asked)
        except KeyboardInterrupt:
            if begun and form in LINES:
                terminal.say(f"\nstopped after {begun:,} images; the same command with --resume goes on")
            raise
    failures.show(terminal)
    terminal.say(_line(written, time.perf_counter() - start))
    if terminal.as_json:
        session = model[0]
        facts = {"output": str(file), "format": form, "images": written.images, "resumed": written.resumed}
        terminal.data({"device": str(session.device), "reason": session.reason, **facts, **failures.data()})
    return failures.status or int(written.failed > 0)


def _line(written: Written, seconds: float) -> str:
    failed = f", {written.failed:,} failed" if written.failed else ""
    facts = f"{written.path}: {written.images:,} images{failed}"
    if written.resumed and written.resumed == written.images:
        return f"{facts}; all were there from a run before"
    before = f", {written.resumed:,} of them from a run before" if written.resumed else ""
    return f"{facts}{before}; {(written.images - written.resumed) / seconds:,.1f} images/s"
