"""``resdsl train``."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from resdsl.cli.options import command_options, network_options
from resdsl.cli.terminal import Terminal
from resdsl.cli.types import FiniteRange
from resdsl.runtime.images import MAX_PIXELS
from resdsl.specification.load import NetworkOptions
from resdsl.tools.train.augmentation import CropKind
from resdsl.tools.train.options import TrainOptions
from resdsl.tools.train.plan import Request
from resdsl.tools.train.progress import Shown
from resdsl.tools.train.run_folder import Row
from resdsl.tools.train.schedule import Decay
from resdsl.tools.train.train import Trained, run_training
from resdsl.weights.initial import Scheme

_DEFAULTS = TrainOptions()


def _fractions(ctx: click.Context, option: click.Parameter, value: str | None) -> tuple[float, ...]:
    if value is None:
        return _DEFAULTS.milestones
    try:
        numbers = tuple(float(part) for part in value.split(","))
    except ValueError:
        numbers = (math.nan,)
    if not all(0 < number < 1 for number in numbers):
        raise click.BadParameter(f"'{value}' is not a list of fractions of the run, such as 0.5,0.75", ctx, option)
    return numbers


@click.command("train")
@click.argument("spec")
@click.argument("data", metavar="DATA")
@click.option("-o", "--output", "output", metavar="FOLDER", required=True, help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Continue the interrupted run in FOLDER.")
@click.option("--validation", metavar="DATA", help="Images for validation, in the same form as DATA.")
@click.option(
    "--split",
    type=FiniteRange(0, 1, max_open=True),
    default=_DEFAULTS.split,
    help="Without --validation: the part of the images of each class that is held back (default: 0.1).",
)
@click.option("--column", metavar="NAME", help="Column of Parquet files with images (default: found by type).")
@click.option("--label-column", metavar="NAME", help="Column of Parquet files with labels (default: label).")
@click.option("--new-labels", is_flag=True, help="The classes are those of DATA, whatever labels SPEC has.")
@click.option(
    "--weights",
    metavar="FILE",
    help="Start from a checkpoint: .safetensors, .pth, .pt, .npz, .onnx, or an address (https://..., hf:OWNER/NAME).",
)
@click.option(
    "--freeze", metavar="PATTERN", multiple=True, help="Do not train these layers, such as 'layer1.*'. Repeatable."
)
@click.option("--epochs", type=click.IntRange(1), default=_DEFAULTS.epochs, help="Number of epochs (default: 30).")
@click.option("--batch", "batch_size", type=click.IntRange(1), default=128, help="Images of a step (default: 128).")
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    default=1,
    help="Add up the gradients of N equal parts of a batch, in the memory of one.",
)
@click.option("--optimizer", type=click.Choice(["sgd", "adamw"]), default="sgd", help="Optimizer (default: sgd).")
@click.option(
    "--lr",
    "learning_rate",
    type=FiniteRange(0, min_open=True),
    help="Highest learning rate (sgd: 0.1 * batch / 128, a tenth of it with --weights; adamw: 0.001).",
)
@click.option("--momentum", type=FiniteRange(0, 1, max_open=True), default=0.9, help="Momentum of sgd (default: 0.9).")
@click.option("--nesterov", is_flag=True, help="Nesterov's form of the momentum.")
@click.option("--weight-decay", type=FiniteRange(0), default=1e-4, help="Weight decay (default: 0.0001).")
@click.option(
    "--decay-norms/--no-decay-norms",
    "decay_norms_and_biases",
    default=True,
    help="Whether weights of norms and biases decay too (default: yes).",
)
@click.option("--clip-norm", type=FiniteRange(0, min_open=True), help="Scale longer gradients down to this norm.")
@click.option(
    "--schedule",
    type=click.Choice([str(one) for one in Decay]),
    default=str(_DEFAULTS.schedule),
    help="How the learning rate falls (default: cosine). step: to a tenth at each of --milestones.",
)
@click.option("--warmup", type=FiniteRange(0), default=0.0, help="Epochs in which the learning rate rises (0).")
@click.option("--milestones", metavar="FRACTIONS", callback=_fractions, help="For --schedule step (default: 0.5,0.75).")
@click.option(
    "--loss",
    type=click.Choice(["cross_entropy", "binary"]),
    default="cross_entropy",
    help="binary: several classes for an image, as rows of 0 and 1 in an .npz file.",
)
@click.option("--aux-weight", type=FiniteRange(0), default=0.3, help="What the loss of each aux head counts (0.3).")
@click.option("--label-smoothing", type=FiniteRange(0, 1, max_open=True), default=0.0, help="Label smoothing (0).")
@click.option(
    "--precision",
    type=click.Choice(["float32", "mixed"]),
    default="float32",
    help="mixed: products in float16, with a scaled loss (CUDA).",
)
@click.option(
    "--crop",
    type=click.Choice([str(one) for one in CropKind]),
    default="none",
    help="pad: a random part of the image with zeros around it; resized: a random part, resized to the input.",
)
@click.option("--padding", type=click.IntRange(0), default=4, help="Zeros around the image for --crop pad (4).")
@click.option(
    "--least-area",
    type=FiniteRange(0, 1, min_open=True),
    default=_DEFAULTS.least_area,
    help="Smallest part of the image for --crop resized (default: 0.08).",
)
@click.option("--flip", is_flag=True, help="Mirror every second image on average.")
@click.option("--mixup", metavar="ALPHA", type=FiniteRange(0), default=0.0, help="Mix images and targets (0: do not).")
@click.option(
    "--init",
    type=click.Choice([str(scheme) for scheme in Scheme if scheme is not Scheme.ZEROS]),
    default="he_normal",
    help="Initialisation of weights that are not loaded (default: he_normal).",
)
@click.option("--zero-init-residual", is_flag=True, help="Start every residual block as the identity.")
@click.option("--seed", type=int, default=0, help="Of weights, order, augmentation and dropout (default: 0).")
@click.option(
    "--interval", type=click.IntRange(1), help="Steps between checkpoints (default: an epoch, but at most 500)."
)
@click.option("--device", metavar="DEVICE", default="auto", help="auto, cpu, cuda or cuda:1.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads (default: all available).")
@click.option("--readers", type=click.IntRange(1), help="Threads that read images (default: one per CPU).")
@click.option(
    "--max-pixels", type=click.IntRange(1), default=MAX_PIXELS, help=f"Reject larger images (default: {MAX_PIXELS:_})."
)
@network_options
@command_options
def command(
    terminal: Terminal,
    spec: str,
    data: str,
    output: str,
    resume: bool,
    validation: str | None,
    column: str | None,
    label_column: str | None,
    weights: str | None,
    device: str,
    threads: int | None,
    readers: int | None,
    max_pixels: int,
    network: NetworkOptions,
    **others: Any,
) -> int:
    """Train a network on labelled images, with ONNX Runtime alone.

    SPEC is a file, a built-in network (resnet18), REV:path, or - for standard input. DATA is a folder with one
    subfolder of images for each class, an .npz file with images and labels, a Parquet file with a column of images and
    one of labels, or a CSV file with the columns path and label.

    FOLDER gets checkpoints, metrics.jsonl, curves.svg and, at the end, model.onnx: the best network with its
    preprocessing and labels. A run that was interrupted is continued with --resume, and ends as if it had not been.
    """
    others["freeze"] = tuple(others["freeze"])
    try:
        options = TrainOptions(**{one.name: others[one.name] for one in fields(TrainOptions)})
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    request = Request(
        network=spec,
        configure=network,
        data=data,
        validation=validation,
        output=Path(output),
        weights=weights,
        column=column,
        label_column=label_column,
        device=device,
        threads=threads,
        readers=readers,
        max_pixels=max_pixels,
        resume=resume,
        options=options,
    )
    shown = Shown(terminal)
    with shown.drawn():
        trained = run_training(request, shown)
    if terminal.as_json:
        terminal.data({**_data(trained), **shown.failures.data()})
    else:
        shown.failures.show(terminal)
        terminal.result(_text(trained))
    return shown.failures.status


def _text(trained: Trained) -> str:
    best = trained.best
    epoch = f"epoch {best.epoch:g}"
    if best.validation_accuracy is None:
        return f"{trained.model}: {epoch}, training loss {best.loss:.4f}, accuracy {best.accuracy:.2%}"
    return (
        f"{trained.model}: the network of {epoch}, which is best on the validation images: "
        f"accuracy {best.validation_accuracy:.2%}, loss {best.validation_loss:.4f}"
    )


def _data(trained: Trained) -> dict[str, object]:
    def row(one: Row) -> dict[str, object]:
        return one.data()

    return {
        "model": str(trained.model),
        "best": row(trained.best),
        "last": row(trained.rows[-1]),
        "classes": list(trained.classes),
        "resumed": trained.resumed,
    }
