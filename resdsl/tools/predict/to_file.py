"""Write results to a file during a command, with progress and a report of what failed."""

from __future__ import annotations

import time
from pathlib import Path

from resdsl.cli.image_progress import Failures, progress_of
from resdsl.cli.terminal import Terminal
from resdsl.runtime.formats import LINES
from resdsl.runtime.results import Result
from resdsl.runtime.rows import PredictOptions
from resdsl.runtime.session import Session
from resdsl.tools.predict.predict import Written, write_results
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
    failures.show(terminal)
    terminal.say(_line(written, time.perf_counter() - start))
    if terminal.as_json:
        session = model[0]
        facts = {"output": str(file), "format": form, "images": written.images, "resumed": written.resumed}
        terminal.data({"device": str(session.device), "reason": session.reason, **facts, **failures.data()})
    return failures.status or int(written.failed > 0)


def _line(written: Written, seconds: float) -> str:
    failed = f", {written.failed:,} failed" if written.failed else ""
    facts = f"{printable(str(written.path), most=500)}: {written.images:,} images{failed}"
    if written.resumed and written.resumed == written.images:
        return f"{facts}; all were complete from an earlier run"
    before = f", {written.resumed:,} of them from an earlier run" if written.resumed else ""
    return f"{facts}{before}; {(written.images - written.resumed) / seconds:,.1f} images/s"
