"""``resdsl evaluate``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from resdsl.cli.columns import columns
from resdsl.cli.device_options import device_options
from resdsl.cli.engine_options import engine_options
from resdsl.cli.image_options import image_options, require_use, show_device
from resdsl.cli.image_progress import Failures
from resdsl.cli.options import command_options, network_options
from resdsl.cli.progress import bar
from resdsl.cli.terminal import Terminal, colored
from resdsl.compiler.models import Build
from resdsl.compiler.options import INFERENCE
from resdsl.compiler.sessions import open_model
from resdsl.inputs import record_output
from resdsl.ray.cluster import Cluster
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.results import Failure
from resdsl.runtime.rows import PredictOptions
from resdsl.runtime.sources import count_of
from resdsl.specification.load import NetworkOptions
from resdsl.tools.evaluate.evaluate import evaluate, write_confusion
from resdsl.tools.evaluate.on_cluster import evaluate_on_cluster
from resdsl.tools.evaluate.scores import Evaluation, Score
from resdsl.untrusted import printable


@click.command("evaluate")
@click.argument("source", metavar="MODEL")
@click.argument("folder", required=False)
@click.option("--truth", metavar="FILE", help="A CSV file with the columns path and label, instead of FOLDER.")
@click.option("--column", metavar="NAME", help="Column of Parquet files with images or paths (default: found by type).")
@click.option("--label-column", metavar="NAME", help="Column of Parquet files with labels (default: label).")
@click.option("--confusion", metavar="FILE", help="Write the confusion matrix as CSV.")
@click.option("--worst", type=click.IntRange(0), default=10, help="Number of classes and confusions to show (10).")
@engine_options
@image_options
@device_options()
@network_options
@command_options
def command(
    terminal: Terminal,
    source: str,
    folder: str | None,
    truth: str | None,
    column: str | None,
    label_column: str | None,
    confusion: str | None,
    worst: int,
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
    """Accuracy of a model on labelled images (top-1 and top-5), and its confusion matrix.

    FOLDER has one subfolder for each class, named by its label, its index, or, for the classes of ImageNet, its WordNet
    ID (n01440764). It may also be a Parquet file with a column of labels, a tar file of WebDataset, or a folder of such
    files; and an address (s3://, gs://, abfs://). Paths in a --truth file are relative to the file. Intervals are 95%
    confidence intervals (Wilson score). Images that cannot be read are reported and not counted; the exit status is
    then 1.
    """
    if (folder is None) == (truth is None):
        raise click.UsageError("pass either FOLDER, with one subfolder for each class, or --truth FILE")
    build = Build(replace(INFERENCE, weights=weights), network)
    require_use(source, build)
    if confusion is not None:
        record_output(Path(confusion))  # images are read before it is written
    failures = Failures()
    wanted = not terminal.quiet and not terminal.as_json
    here = DeviceOptions("cpu", 1) if cluster else device
    with open_model(source, device=here, build=build) as (session, model):
        if cluster is None:
            show_device(terminal, source, session)
        with bar("images", wanted=wanted, unit="images") as progress:
            total = count_of([folder]) if progress and folder else None

            def each(failure: Failure | None, done: int) -> None:
                if failure:
                    failures.add_result(failure)
                if progress:
                    progress(done, total)

            if cluster is not None:
                options = PredictOptions(
                    column=column,
                    batch_size=batch_size,
                    crops=crops,
                    scales=scales,
                    readers=readers,
                    max_pixels=max_pixels,
                )
                evaluation = evaluate_on_cluster(
                    folder,
                    truth,
                    (session, model),
                    cluster,
                    options,
                    device=device,
                    label_column=label_column,
                    begin=lambda copies: terminal.say(f"{printable(source, most=500)} on Ray: {copies}"),
                    each=each,
                )
            else:
                evaluation = evaluate(
                    session,
                    folder,
                    truth=truth,
                    column=column,
                    label_column=label_column,
                    batch_size=batch_size,
                    crops=crops,
                    scales=scales,
                    readers=readers,
                    max_pixels=max_pixels,
                    each=each,
                )
    if confusion is not None:
        write_confusion(evaluation, Path(confusion))
    if terminal.as_json:
        facts = {"device": str(session.device), "reason": session.reason}
        terminal.data({**facts, **_data(evaluation, worst), **failures.data()})
    else:
        terminal.result(_text(evaluation, worst, color=colored(sys.stdout, terminal.color)))
        failures.show(terminal)
    return failures.status


def _text(evaluation: Evaluation, worst: int, *, color: bool) -> str:
    failed = f", {evaluation.failed:,} failed" if evaluation.failed else ""
    scores = evaluation.classes()
    summary = f"{_many(evaluation.images, 'image')} of {_many(len(scores), 'class')}{failed}"
    rows = [("top-1", *_cells(evaluation.top1))]
    if evaluation.top5:
        rows.append(("top-5", *_cells(evaluation.top5)))
    tables = [summary + "\n" + columns(("", "correct", "images", "accuracy", "95% interval"), rows, color=color)]
    if worst and len(scores) > 1:
        rows = [(evaluation.name(index), *_cells(score)) for index, score in list(scores.items())[:worst]]
        tables.append(columns(("worst classes", "correct", "images", "top-1", "95% interval"), rows, color=color))
    if worst and (confusions := evaluation.confusions()[:worst]):
        named = [(evaluation.name(one.label), evaluation.name(one.predicted), str(one.count)) for one in confusions]
        tables.append(columns(("most confused", "predicted as", "images"), named, words=2, color=color))
    return "\n\n".join(tables)


def _many(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def _cells(score: Score) -> tuple[str, str, str, str]:
    low, high = score.interval
    return f"{score.hits:,}", f"{score.images:,}", f"{score.accuracy:.2%}", f"{low:.2%} to {high:.2%}"


def _data(evaluation: Evaluation, worst: int) -> dict[str, object]:
    return {
        "images": evaluation.images,
        "top1": _score_data(evaluation.top1),
        "top5": _score_data(evaluation.top5) if evaluation.top5 else None,
        "classes": [
            {"index": index, "label": evaluation.name(index), **_score_data(score)}
            for index, score in evaluation.classes().items()
        ],
        "confusions": [
            {"label": evaluation.name(one.label), "predicted": evaluation.name(one.predicted), "count": one.count}
            for one in evaluation.confusions()[:worst]
        ],
    }


def _score_data(score: Score) -> dict[str, object]:
    low, high = score.interval
    accuracy = score.accuracy if score.images else None
    return {"correct": score.hits, "images": score.images, "accuracy": accuracy, "low": low, "high": high}
