"""Train a network with ONNX Runtime alone: images in, a folder with checkpoints, metrics and the compiled model out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from resdsl.compiler.compile import compile
from resdsl.compiler.options import CompileOptions
from resdsl.diagnostics import Diagnostic, Diagnostics
from resdsl.files import write_file
from resdsl.inputs import as_one_run
from resdsl.runtime.stepper import Stepper
from resdsl.specification.load import Network, NetworkOptions
from resdsl.tools.train.available import available_memory
from resdsl.tools.train.batches import Floats, epoch_order
from resdsl.tools.train.curves import Chart, Curve, charts_svg
from resdsl.tools.train.loop import Listener, Loop
from resdsl.tools.train.options import TrainOptions
from resdsl.tools.train.plan import Prepared, Request, prepare_run, require_memory, with_parts
from resdsl.tools.train.run_folder import Row, RunFolder, State, open_run
from resdsl.tools.train.signal import initial_warnings, where_it_ends
from resdsl.training import StepOptions, training_step

_PROBED = 32
"""Images of the batch whose signal is measured before the first step."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run: its folder, the compiled model of the best network, and the metrics.

    ``best`` is the row of the best network, ``rows`` are all. ``resumed`` is the step that the run was continued from,
    0 for a new one. ``failed`` images could not be read. ``diagnostics`` are warnings.
    """

    folder: Path
    model: Path
    best: Row
    rows: tuple[Row, ...]
    classes: tuple[str, ...]
    resumed: int
    failed: int
    diagnostics: Diagnostics


class Watcher(Listener):
    """The callbacks of a whole run, its start included. Each does nothing unless it is overridden."""

    def prepared(self, run: Prepared, device: str, resumed: int) -> None:
        """The run begins, or continues after ``resumed`` steps."""


@as_one_run
def train(
    network: Network,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: TrainOptions | None = None,
    *,
    validation: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    device: str = "auto",
    threads: int | None = None,
    readers: int | None = None,
    column: str | None = None,
    label_column: str | None = None,
    resume: bool = False,
    **changes: Any,
) -> Trained:
    """Train a network on labelled images; ``output`` becomes a folder with checkpoints, metrics and ``model.onnx``.

    ``network`` is as for ``resdsl.load``, ``data`` a folder with a subfolder of images for each class, an ``.npz`` file
    with ``images`` and ``labels``, a Parquet file with a ``column`` of encoded images and a ``label_column``, or a CSV
    file with the columns ``path`` and ``label``; ``validation`` likewise. Without it, ``split`` of the images of each
    class is held back. ``weights`` are as for ``resdsl.compile``; a classifier for another number of classes is
    initialised anew. Pass options as ``TrainOptions``, as keywords (its fields), or both.

    ``resume`` continues an interrupted run, which then ends with the same bytes as one that was not interrupted, on the
    same machine with the same number of ``threads``.

    Raises ``CompileError`` for errors in the network or its weights, ``RunError`` for those in the data, for a loss
    that is not finite or explodes, and for a folder that has another run, and ``UnavailableError`` if the device or the
    memory does not suffice.
    """
    request = Request(
        network=network,
        configure=NetworkOptions(set=set),
        data=os.fspath(data),
        validation=None if validation is None else os.fspath(validation),
        output=Path(output),
        weights=None if weights is None else os.fspath(weights),
        column=column,
        label_column=label_column,
        device=device,
        threads=threads,
        readers=readers,
        resume=resume,
        options=replace(options or TrainOptions(), **changes),
    )
    return run_training(request, Watcher())


def run_training(request: Request, watcher: Watcher) -> Trained:
    """As ``train``, with callbacks."""
    run = prepare_run(request)
    failures = _Counted(watcher)
    with open_run(request.output, run.description, resume=request.resume) as folder:
        loaded = folder.load() if request.resume else None
        stepper = Stepper(training_step(run.graph, step_options(request.options)), request.device, request.threads)
        require_memory(run.cost, available_memory(str(stepper.device)))
        run = replace(run, plan=replace(run.plan, device=str(stepper.device)))
        stepper.load(loaded.parameters if loaded else run.values, loaded.optimizer if loaded else None)
        resumed = loaded.state.step if loaded else 0
        if not resumed:
            run = replace(run, warnings=(*run.warnings, *_signal(run, request)))
        watcher.prepared(run, str(stepper.device), resumed)

        def explain(images: Floats) -> str | None:
            values = stepper.parameters()
            if not all(np.isfinite(value).all() for value in values.values()):
                last = folder.load()
                values = last.parameters if last else dict(run.values)
            return where_it_ends(run.graph, run.logits.index, values, images, request.threads)

        state = Loop(run.plan, stepper, folder, loaded.state if loaded else State(), failures, explain).run()
        write_file(folder.curves, charts_svg(charts(folder.rows)).encode())
        diagnostics = _compile(run, folder, request.options)
        assert state.best is not None
        return Trained(
            request.output,
            folder.model,
            state.best,
            tuple(folder.rows),
            run.classes.names,
            resumed,
            failures.count,
            diagnostics,
        )


def step_options(options: TrainOptions) -> StepOptions:
    """The options of the training step."""
    return StepOptions(
        loss=options.loss,
        label_smoothing=options.label_smoothing,
        aux_weight=options.aux_weight,
        optimizer=options.optimizer,
        momentum=options.momentum,
        nesterov=options.nesterov,
        weight_decay=options.weight_decay,
        decay_norms_and_biases=options.decay_norms_and_biases,
        clip_norm=options.clip_norm,
        accumulate=options.accumulate,
        frozen=with_parts(options.freeze),
        precision=options.precision,
    )


def charts(rows: list[Row]) -> list[Chart]:
    """Error and loss over epochs."""
    held = [row for row in rows if row.validation_accuracy is not None]
    errors = [Curve("training", [(row.epoch, 100 * (1 - row.accuracy)) for row in rows], "#2a6fdb", dashed=bool(held))]
    losses = [Curve("training", [(row.epoch, row.loss) for row in rows], "#2a6fdb", dashed=bool(held))]
    if held:
        errors.append(
            Curve("validation", [(row.epoch, 100 * (1 - (row.validation_accuracy or 0))) for row in held], "#d2462b")
        )
        losses.append(Curve("validation", [(row.epoch, row.validation_loss or 0) for row in held], "#d2462b"))
    return [Chart("Error", "epoch", "%", errors), Chart("Loss", "epoch", "", losses)]


def _signal(run: Prepared, request: Request) -> tuple[Diagnostic, ...]:
    """Warnings about the signal at initialisation, by formulas and by the first images of the first epoch."""
    reader = run.plan.training
    order = epoch_order(len(reader.samples), 0, reader.seed)
    images = reader.training_batch(0, order[: min(run.plan.part, _PROBED)]).images
    if not len(images):
        return ()
    return initial_warnings(run.graph, run.logits.index, run.values, images, request.options.init, request.threads)


def _compile(run: Prepared, folder: RunFolder, options: TrainOptions) -> Diagnostics:
    """Write the best network as a model."""
    compiled = compile(
        run.specification,
        folder.model,
        CompileOptions(
            weights=folder.best,
            labels=run.classes.names or None,
            preprocess=run.preprocess,
            keep_preprocess=True,
            seed=options.seed,
        ),
    )
    return compiled.diagnostics


class _Counted(Listener):
    """Forwards the callbacks to a listener, and counts the images that could not be read."""

    def __init__(self, listener: Listener) -> None:
        self.count = 0
        self.step = listener.step  # type: ignore[method-assign]
        self.row = listener.row  # type: ignore[method-assign]
        self._listener = listener

    def failure(self, failure: Any) -> None:
        self.count += 1
        self._listener.failure(failure)
