"""The experiment of section 4.2 of He et al. 2015 (arXiv:1512.03385) in small: plain and residual networks on digits.

``python docs/residual_learning.py FOLDER`` trains networks of 20, 32, 44 and 56 layers, plain and residual, and
residual ones of 32 layers with the three kinds of shortcuts, from three seeds each, and writes the figures and tables
of ``docs/residual-learning.md``. It needs scikit-learn for its data set of handwritten digits (8 x 8 pixels). Runs are
independent processes of one thread, ``--jobs`` of them at once; an interrupted experiment continues where it was.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import resdsl
from resdsl.onnx.outline import Outline
from resdsl.ops.bn import BatchNorm
from resdsl.runtime.processor import processor
from resdsl.runtime.session import open_session
from resdsl.tools.train.curves import Chart, Curve, charts_svg
from resdsl.tools.train.options import TrainOptions

DOCS = Path(__file__).parent

# The networks of section 4.2 for images of 8 x 8 pixels: 6n + 2 layers, maps of 8, 4 and 2 pixels.
NETWORK = """\
use "std/residual.res" (basic)

model digits(n = 3, skip: shortcut = pad) {
  input image: f32[N, 1, 8, 8]
  conv1: conv(16, 3x3);  bn1: bn;  relu
  stage layer1             { n x basic(16, skip = skip) } -> [N, 16, 8, 8]
  stage layer2(stride = 2) { n x basic(32, skip = skip) } -> [N, 32, 4, 4]
  stage layer3(stride = 2) { n x basic(64, skip = skip) } -> [N, 64, 2, 2]
  avgpool(global);  flatten
  fc: linear(10)
  output logits
  expect depth == 6 * n + 2
}
"""

DEPTHS = (20, 32, 44, 56)
SEEDS = (0, 1, 2)
KINDS = {"none": "plain", "pad": "residual, A", "projection": "residual, B", "projection_always": "residual, C"}
COMPARED = 32
"""Layers of the networks whose shortcuts are compared."""

TRAINED = 1297
"""Of the 1797 images; the others are for testing."""

BATCH = 64

_MOST_DEVIATION = 3.0
"""The top of figure 7: networks that have not learned have responses far above it."""

COLORS = ("#2a6fdb", "#d2462b", "#1f9e5a", "#8a4fc9")


@dataclass(frozen=True, slots=True)
class Run:
    """One training run: its network, and what came of it.

    Errors are fractions; ``training`` and ``test`` have a row ``[epoch, error]`` for each epoch, ``responses`` the
    standard deviation of the outputs of each 3 x 3 layer, in order.
    """

    depth: int
    skip: str
    seed: int
    training: list[list[float]]
    test: list[list[float]]
    responses: list[float]
    cpu_seconds: float

    @property
    def error(self) -> float:
        """The test error after the last epoch, as in the paper."""
        return self.test[-1][1]


def main() -> None:
    """Run what is left of the experiment, then write figures and tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=processor().threads)
    parser.add_argument("--depths", type=int, nargs="+", default=list(DEPTHS))
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--report", action="store_true", help="write what is finished, train nothing")
    given = parser.parse_args()
    if given.report:
        records = sorted(given.folder.glob("*.json"))
        write_results([Run(**json.loads(record.read_text())) for record in records], given.epochs)
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    write_data(given.folder / "digits.npz")
    wanted = [
        (given.folder, depth, skip, seed, given.epochs)
        for seed in range(given.seeds)
        for depth in given.depths
        for skip in KINDS
        if skip in ("none", "pad") or depth == COMPARED
    ]
    start = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(given.jobs, maxtasksperchild=1) as pool:
        runs = []
        for run in pool.imap_unordered(train_one, wanted, chunksize=1):
            runs.append(run)
            print(
                f"{len(runs)} of {len(wanted)}: {run.depth} layers, {KINDS[run.skip]}, error {run.error:.2%}",
                flush=True,
            )
    print(f"{(time.monotonic() - start) / 60:.0f} minutes")
    write_results(runs, given.epochs)


def write_data(path: Path) -> None:
    """The digits of scikit-learn in an order of their own, less the mean and divided by the deviation of training."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    images, labels = digits.images[order].astype(np.float32), digits.target[order].astype(np.int64)
    mean, deviation = images[:TRAINED].mean(), images[:TRAINED].std()
    images = ((images - mean) / deviation)[:, None]
    parts = {"x_train": images[:TRAINED], "y_train": labels[:TRAINED]}
    np.savez(path, **parts, x_test=images[TRAINED:], y_test=labels[TRAINED:])


def options(epochs: int, seed: int) -> TrainOptions:
    """Those of section 4.2, but for batches of 64 images (128 there), whose learning rate is a half of 0.1."""
    return TrainOptions(
        epochs=epochs,
        batch_size=BATCH,
        learning_rate=0.05,
        momentum=0.9,
        weight_decay=1e-4,
        schedule="step",
        crop="pad",
        padding=1,
        seed=seed,
    )


def train_one(wanted: tuple[Path, int, str, int, int]) -> Run:
    """One run; what was finished before is read, what was interrupted continues."""
    folder, depth, skip, seed, epochs = wanted
    run = folder / f"{depth}-{skip}-{seed}"
    record = folder / f"{run.name}.json"
    if record.exists():
        return Run(**json.loads(record.read_text()))
    start = time.process_time()
    network = resdsl.loads(NETWORK, name="digits.res", set={"n": str((depth - 2) // 6), "skip": skip})
    trained = resdsl.train(
        network,
        folder / "digits.npz",
        run,
        options(epochs, seed),
        device="cpu",
        threads=1,
        readers=1,
        resume=(run / "run.json").exists(),
    )
    ends = [row for row in trained.rows if row.validation_accuracy is not None]
    result = Run(
        depth,
        skip,
        seed,
        [[row.epoch, 1 - row.accuracy] for row in ends],
        [[row.epoch, 1 - (row.validation_accuracy or 0)] for row in ends],
        responses(network, run / "last.safetensors", np.load(folder / "digits.npz")["x_train"]),
        time.process_time() - start,
    )
    record.write_text(json.dumps(asdict(result)))
    return result


def responses(network: resdsl.Specification, weights: Path, images: np.ndarray) -> list[float]:
    """The standard deviations of the outputs of all 3 x 3 layers, behind their batch norms (figure 7)."""
    model = weights.with_suffix(".onnx")
    resdsl.compile(network, model, weights=weights)
    names = [
        node.path
        for node in network.graph.nodes
        if isinstance(node.operator, BatchNorm) and "downsample" not in node.path
    ]
    session = open_session(Outline(model).exposing(names), device="cpu", threads=1)
    values = session.run({session.inputs[0].name: images}, names)
    return [float(values[name].std()) for name in names]


def write_results(runs: Sequence[Run], epochs: int) -> None:
    """Write the figures and the tables of the page."""
    pictures = DOCS / "pictures"
    charts = [
        _errors("Plain networks", [run for run in runs if run.skip == "none"]),
        _errors("Residual networks (option A)", [run for run in runs if run.skip == "pad"]),
    ]
    (pictures / "residual-learning-errors.svg").write_text(charts_svg(charts))
    (pictures / "residual-learning-responses.svg").write_text(charts_svg([*_responses(runs)]))
    compared = [run for run in runs if run.depth == COMPARED]
    (pictures / "residual-learning-shortcuts.svg").write_text(charts_svg([_shortcuts(compared)], columns=1))
    page = DOCS / "residual-learning.md"
    tables = "\n".join(_tables(runs, epochs))
    marks = ("<!-- residual-learning -->\n", "<!-- /residual-learning -->")
    text = re.sub(f"{marks[0]}.*?{marks[1]}", lambda _: marks[0] + tables + marks[1], page.read_text(), flags=re.DOTALL)
    page.write_text(text)


def _mean_curve(rows: Sequence[list[list[float]]]) -> list[tuple[float, float]]:
    """Percent, the mean of the seeds."""
    return [(epochs[0][0], 100 * statistics.fmean(one[1] for one in epochs)) for epochs in zip(*rows, strict=True)]


def _errors(title: str, runs: Sequence[Run]) -> Chart:
    curves = []
    for color, depth in zip(COLORS, sorted({run.depth for run in runs}), strict=False):
        same = [run for run in runs if run.depth == depth]
        curves.append(Curve(f"{depth} layers", _mean_curve([run.test for run in same]), color, width=2.0))
        curves.append(Curve("", _mean_curve([run.training for run in same]), color, dashed=True, width=1.0))
    return Chart(title, "epoch", "error in %: test (solid), training (dashed)", curves, top=100)


def _responses(runs: Sequence[Run]) -> Iterator[Chart]:
    """Figure 7: above by layer, below sorted; one seed, as there."""
    shown = [run for run in runs if run.seed == 0 and run.skip in ("none", "pad") and run.depth in (20, 56)]
    shown.sort(key=lambda run: (run.skip, run.depth))
    for title, arranged in (("by layer", list), ("sorted by magnitude", lambda values: sorted(values, reverse=True))):
        curves = [
            Curve(
                f"{'plain' if run.skip == 'none' else 'residual'}-{run.depth}",
                [(place, value) for place, value in enumerate(arranged(run.responses), 1)],
                COLORS[0 if run.depth == 20 else 1],
                dashed=run.skip == "none",
            )
            for run in shown
        ]
        yield Chart(f"Standard deviation of layer responses, {title}", "layer", "", curves, top=_MOST_DEVIATION)


def _shortcuts(runs: Sequence[Run]) -> Chart:
    curves = []
    for color, skip in zip(COLORS, KINDS, strict=True):
        same = [run for run in runs if run.skip == skip]
        if same:
            curves.append(Curve(KINDS[skip], _mean_curve([run.test for run in same]), color, width=2.0))
            curves.append(Curve("", _mean_curve([run.training for run in same]), color, dashed=True, width=1.0))
    return Chart(f"{COMPARED} layers", "epoch", "error in %: test (solid), training (dashed)", curves, top=100)


def _tables(runs: Sequence[Run], epochs: int) -> Iterator[str]:
    yield "| layers | seeds | plain: test error | training error | residual (A): test error | training error |"
    yield "|--:|--:|--:|--:|--:|--:|"
    for depth in sorted({run.depth for run in runs}):
        cells = []
        for skip in ("none", "pad"):
            same = [run for run in runs if (run.depth, run.skip) == (depth, skip)]
            cells += [_spread([run.test[-1][1] for run in same]), _spread([run.training[-1][1] for run in same])]
        seeds = [sum((run.depth, run.skip) == (depth, skip) for run in runs) for skip in ("none", "pad")]
        yield f"| {depth} | {seeds[0]} + {seeds[1]} | {' | '.join(cells)} |"
    yield ""
    yield f"| {COMPARED} layers, shortcuts | seeds | parameters | test error | training error |"
    yield "|---|--:|--:|--:|--:|"
    for skip, name in KINDS.items():
        same = [run for run in runs if (run.depth, run.skip) == (COMPARED, skip)]
        if same:
            network = resdsl.loads(NETWORK, set={"n": str((COMPARED - 2) // 6), "skip": skip})
            errors = _spread([run.test[-1][1] for run in same]), _spread([run.training[-1][1] for run in same])
            yield f"| {name} | {len(same)} | {network.graph.parameter_count:,} | {' | '.join(errors)} |"
    yield ""
    minutes = sum(run.cpu_seconds for run in runs) / 60
    yield (
        f"Means with standard deviations over seeds, after {epochs} epochs of {TRAINED // BATCH} steps. "
        f"All {len(runs)} runs together took {minutes:.0f} minutes of one core of {processor().model} "
        f"({platform.machine()}), in processes of one thread."
    )
    yield ""


def _spread(values: Sequence[float]) -> str:
    deviation = f" ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * statistics.fmean(values):.2f}{deviation} %"


if __name__ == "__main__":
    main()
