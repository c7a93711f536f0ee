"""Write results to a file during a command, with progress and a report of what failed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from resdsl.cli.image_progress import Failures, progress_of
from resdsl.cli.progress import bar
from resdsl.cli.terminal import Terminal
from resdsl.ray.cluster import Cluster, Copies
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.formats import LINES
from resdsl.runtime.results import Result
from resdsl.runtime.rows import PredictOptions
from resdsl.runtime.session import Session
from resdsl.tools.predict.on_cluster import write_on_cluster
from resdsl.tools.predict.partitions import Done
from resdsl.tools.predict.predict import write_results
from resdsl.tools.predict.written import Written, summary
from resdsl.untrusted import printable


def to_file(
    terminal: Terminal,
    model: tuple[Session, Path],
    images: tuple[str, ...],
    file: Path,
    form: str,
    options: PredictOptions,
    *,
    resume: bool,
) -> int:
    """Write the results of ``model``, a session and its file, to ``file``, with progress; return the exit status."""
    failures = Failures()
    start, finished = time.perf_counter(), 0
    with progress_of(terminal, images, alone=True) as progress:

        def each(result: Result, done: int) -> None:
            nonlocal finished
            finished = done
            failures.add_result(result)
            progress(done)

        try:
            written = write_results(file, *model, images, format=form, resume=resume, each=each, **options)
        except KeyboardInterrupt:
            if finished and form in LINES:
                terminal.say(f"\nstopped after {finished:,} images; repeat the command with --resume to continue")
            raise
    session = model[0]
    facts = {"device": str(session.device), "reason": session.reason, "output": str(file), "format": form}
    return _end(terminal, written, time.perf_counter() - start, failures, facts)


def to_folder(
    terminal: Terminal,
    model: tuple[Session, Path],
    images: tuple[str, ...],
    target: str,
    cluster: Cluster,
    options: PredictOptions,
    *,
    device: DeviceOptions,
    format: str | None,
    resume: bool,
) -> int:
    """Write the results of ``model`` to partitions on a cluster, as ``to_file`` does to a file."""
    failures = Failures()
    start = time.perf_counter()
    session, file = model

    def begin(copies: Copies) -> None:
        terminal.say(f"{printable(session.name, most=500)} on Ray: {copies}")

    with bar("images", wanted=not terminal.quiet and not terminal.as_json, unit="images") as drawn:

        def each(done: Done, finished: int, total: int | None) -> None:
            for diagnostic in done.diagnostics:
                failures.add(diagnostic)
            failures.count += done.failed
            if drawn:
                drawn(finished, total)

        written = write_on_cluster(
            target,
            session,
            file,
            images,
            cluster,
            device=device,
            format=format,
            resume=resume,
            begin=begin,
            each=each,
            **options,
        )
    facts = {"output": str(written.path), "format": written.format}
    return _end(terminal, written, time.perf_counter() - start, failures, facts)


def _end(terminal: Terminal, written: Written, seconds: float, failures: Failures, facts: Mapping[str, object]) -> int:
    """Say what was written and what failed; ``facts`` begin the JSON object. Gives the exit status."""
    failures.show(terminal)
    terminal.say(summary(written, seconds))
    if terminal.as_json:
        counts = {"images": written.images, "resumed": written.resumed}
        terminal.data({**facts, **counts, **failures.data()})
    return failures.status or int(written.failed > 0)
