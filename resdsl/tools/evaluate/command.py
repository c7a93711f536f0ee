"""``resdsl evaluate``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from resdsl.cli.columns import columns
from resdsl.cli.device_options import device_options
from resdsl.cli.image_options import image_options, require_use, say_what_runs
from resdsl.cli.image_progress import Failures
from resdsl.cli.options import command_options, network_options
from resdsl.cli.progress import bar
from resdsl.cli.terminal import Terminal, colored
from resdsl.compiler.models import Build
from resdsl.compiler.options import INFERENCE
from resdsl.compiler.sessions import open_model
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.rows import Failure
from resdsl.runtime.sources import count_of
from resdsl.specification.load import NetworkOptions
from resdsl.tools.evaluate.accuracy import Evaluation, Score
from resdsl.tools.evaluate.evaluate import evaluate, write_confusion


@click.command("evaluate", short_help="how often a model is right, and what it takes for what")
@click.argument("source", metavar="MODEL")
@click.argument("folder", required=False)
@click.option("--truth", metavar="FILE", help="In place of FOLDER: a CSV file with the columns path and label.")
@click.option("--confusion", metavar="FILE", help="Write how often which class was taken for which, as CSV.")
@click.option("--worst", type=click.IntRange(0), default=10, help="How many classes and confusions to tell (10).")
@image_options
@device_options()
@network_options
@command_options
def command(
    terminal: Terminal,
    source: str,
    folder: str | None,
    truth: str | None,
    confusion: str | None,
    worst: int,
    batch_size: int,
    readers: int | None,
    max_pixels: int,
    crops: int,
    scales: tuple[int, ...],
    weights: str | None,
    device: DeviceOptions,
    network: NetworkOptions,
) -> int:
    """How often a model is right: its first answer (top-1), or one of its first five (top-5).

    FOLDER has one folder for each class, called as the class is: by its label, its index, or, for the classes of
    ImageNet, its WordNet identifier (n01440764). Paths in a --truth file begin at the folder of the file. Intervals are
    those of 95 % confidence (Wilson). Images that cannot be read are told and left out; the exit code is then 1.
    """
    if (folder is None) == (truth is None):
        raise click.UsageError("give a FOLDER with one folder for each class, or --truth FILE, one of them")
    build = Build(replace(INFERENCE, weights=weights), network)
    require_use(source, build)
    failures = Failures()
    wanted = not terminal.quiet and not terminal.as_json
    with open_model(source, device=device, build=build) as (session, _):
        say_what_runs(terminal, source, session)
        with bar("images", wanted=wanted, unit="images") as progress:
            total = count_of([folder]) if progress and folder else None

            def each(failure: Failure | None, done: int) -> None:
                if failure:
                    failures.see(failure)
                if progress:
                    progress(done, total)

            found = evaluate(
                session,
                folder,
                truth=truth,
                batch_size=batch_size,
                crops=crops,
                scales=scales,
                readers=readers,
                max_pixels=max_pixels,
                each=each,
            )
    if confusion is not None:
        write_confusion(found, Path(confusion))
    if terminal.as_json:
        facts = {"device": str(session.device), "reason": session.reason}
        terminal.data({**facts, **_data(found, worst), **failures.data()})
    else:
        terminal.result(_text(found, worst, color=colored(sys.stdout, terminal.color)))
        failures.show(terminal)
    return failures.status


def _text(found: Evaluation, worst: int, *, color: bool) -> str:
    failed = f", {found.failed:,} failed" if found.failed else ""
    scores = found.classes()
    parts = [f"{_many(found.images, 'image')} of {_many(len(scores), 'class')}{failed}"]
    rows = [("top-1", *_cells(found.top1))]
    if found.top5:
        rows.append(("top-5", *_cells(found.top5)))
    parts[0] += "\n" + columns(("", "right", "of", "accuracy", "95 %"), rows, color=color)
    if worst and len(scores) > 1:
        rows = [(found.name(index), *_cells(score)) for index, score in list(scores.items())[:worst]]
        parts.append(columns(("worst classes", "right", "of", "top-1", "95 %"), rows, color=color))
    if worst and (wrong := found.confusions()[:worst]):
        named = [(found.name(one.truth), found.name(one.seen), str(one.count)) for one in wrong]
        parts.append(columns(("most confused", "taken for", "times"), named, words=2, color=color))
    return "\n\n".join(parts)


def _many(count: int, what: str) -> str:
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{count:,} {what if count == 1 else plural}"


def _cells(score: Score) -> tuple[str, str, str, str]:
    low, high = score.interval
    return f"{score.hits:,}", f"{score.images:,}", f"{score.share:.2%}", f"{low:.2%} to {high:.2%}"


def _data(found: Evaluation, worst: int) -> dict[str, object]:
    return {
        "images": found.images,
        "top1": _score(found.top1),
        "top5": _score(found.top5) if found.top5 else None,
        "classes": [
            {"index": index, "label": found.name(index), **_score(score)} for index, score in found.classes().items()
        ],
        "confusions": [
            {"truth": found.name(one.truth), "seen": found.name(one.seen), "count": one.count}
            for one in found.confusions()[:worst]
        ],
    }


def _score(score: Score) -> dict[str, object]:
    low, high = score.interval
    share = score.share if score.images else None
    return {"right": score.hits, "of": score.images, "accuracy": share, "low": low, "high": high}
