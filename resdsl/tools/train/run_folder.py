"""The folder of a training run: what it was started with, its metrics and its checkpoints.

| file | content |
|---|---|
| `run.json` | the network, data and options of the run, which a resumed one must have too |
| `metrics.jsonl` | a row for each checkpoint |
| `times.jsonl` | how fast each part of the run was, on what; the only file that differs between equal runs |
| `last.safetensors` | the state after the last checkpoint: tensors, optimizer state, position |
| `best.safetensors` | the tensors that were best on the validation images |
| `curves.svg`, `model.onnx` | the curves, and the best network with preprocessing and labels |

A checkpoint is one file, so that tensors, optimizer state and position are those of one moment. It has the length of
the metrics: rows that were written after it, by a run that was killed, are cut off.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.files import explained, write_file
from resdsl.inputs import own_files, record_output
from resdsl.untrusted import parse_json
from resdsl.weights.formats.open import open_checkpoint
from resdsl.weights.save import TensorHeader, save_safetensors

Array = npt.NDArray[Any]
Tensors = Mapping[str, Array]

OPTIMIZER = "optimizer."
"""The prefix of optimizer state in a checkpoint, which `--weights` ignores as that of other programs."""

FILES = (
    "run.json",
    "metrics.jsonl",
    "times.jsonl",
    "last.safetensors",
    "best.safetensors",
    "curves.svg",
    "model.onnx",
)
"""What a run writes."""

_STATE = "resdsl.training"


@dataclass(frozen=True, slots=True)
class Row:
    """The metrics of a part of the run, up to a step. Losses and accuracies are means over images.

    ``epoch`` counts epochs that are done, in parts. Those of training are of the images as they were trained on, since
    the row before, those of validation of all images that were held back, at the ends of epochs.
    """

    step: int
    epoch: float
    learning_rate: float
    loss: float
    accuracy: float
    gradient_norm: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None

    def data(self) -> dict[str, object]:
        """As JSON data, without what was not measured."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class State:
    """Where a run is: the number of steps done, the best row so far, and the length of its metrics in bytes."""

    step: int = 0
    best: Row | None = None
    metrics_bytes: int = 0
    first_loss: float | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checkpoint: the state of the run, and the tensors and optimizer state that belong to it."""

    state: State
    parameters: dict[str, Array]
    optimizer: dict[str, Array]


@dataclass(slots=True)
class RunFolder:
    """The folder of a run that this process writes. ``open_run`` makes it."""

    path: Path
    rows: list[Row] = field(default_factory=list)
    _metrics: BinaryIO | None = None

    @property
    def last(self) -> Path:
        return self.path / "last.safetensors"

    @property
    def best(self) -> Path:
        return self.path / "best.safetensors"

    @property
    def model(self) -> Path:
        return self.path / "model.onnx"

    @property
    def curves(self) -> Path:
        return self.path / "curves.svg"

    def load(self) -> Loaded | None:
        """The last checkpoint; ``None`` before the first. Raises ``CheckpointError`` if it is damaged."""
        if not self.last.exists():
            return None
        with open_checkpoint(self.last) as checkpoint:
            tensors = {key: checkpoint.read(key) for key in checkpoint.tensors}
            state = parse_json(checkpoint.metadata.get(_STATE, "null"))
        if not isinstance(state, dict):
            raise RunError.of(
                catalogue.NOT_RESUMABLE,
                f"`{self.last}` is not a checkpoint of a training run",
                helps=("train into another folder",),
            )
        best = state.pop("best")
        return Loaded(
            State(**state, best=Row(**best) if best else None),
            {key: value for key, value in tensors.items() if not key.startswith(OPTIMIZER)},
            {key.removeprefix(OPTIMIZER): value for key, value in tensors.items() if key.startswith(OPTIMIZER)},
        )

    def begin(self, state: State) -> None:
        """Open the metrics, without the rows that were written after ``state``."""
        path = self.path / "metrics.jsonl"
        with explained(path):
            self._metrics = path.open("r+b" if path.exists() else "w+b")
            self._metrics.truncate(state.metrics_bytes)
            self.rows = [Row(**json.loads(line)) for line in self._metrics.read().splitlines()]
            self._metrics.seek(0, os.SEEK_END)

    def record(self, row: Row) -> int:
        """Add a row; returns the length of the metrics in bytes."""
        assert self._metrics is not None
        self.rows.append(row)
        with explained(self.path):
            self._metrics.write(json.dumps(row.data()).encode() + b"\n")
            self._metrics.flush()
            os.fsync(self._metrics.fileno())
            return self._metrics.tell()

    def save_best(self, parameters: Tensors) -> None:
        """Write the tensors of the best network."""
        _save(self.best, parameters, {})

    def save(self, state: State, parameters: Tensors, optimizer: Tensors) -> None:
        """Write a checkpoint."""
        tensors = {**parameters, **{f"{OPTIMIZER}{key}": value for key, value in optimizer.items()}}
        _save(self.last, tensors, {_STATE: json.dumps(asdict(state))})

    def add_time(self, entry: Mapping[str, object]) -> None:
        """Add a row about the speed of the run."""
        path = self.path / "times.jsonl"
        with explained(path), path.open("ab") as stream:
            stream.write(json.dumps(entry).encode() + b"\n")

    def close(self) -> None:
        """Close the files; what is in them stays."""
        if self._metrics is not None:
            self._metrics.close()


@contextmanager
def open_run(path: Path, description: Mapping[str, object], *, resume: bool) -> Iterator[RunFolder]:
    """A new folder for the run, or with ``resume`` that of an interrupted run of the same ``description``.

    Raises ``RunError`` for a folder with another run, or with anything that is not of a run, and while another process
    trains into it.
    """
    record = path / "run.json"
    # As they are read from JSON.
    description = json.loads(json.dumps(description))
    with explained(path):
        is_run = record.is_file()
        if not is_run and path.is_dir() and any(path.iterdir()):
            raise _other(f"`{path}` has files that are not of a training run", "name a new folder")
        if is_run and not resume:
            raise _other(
                f"`{path}` has a training run",
                Text("add ", Option("resume", True), " to continue it"),
                "or name another folder",
            )
        if resume and not is_run:
            raise _other(f"`{path}` has no training run to resume", Text("leave out ", Option("resume")))
        path.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        record_output(path / name)
    with _locked(path), own_files():
        if is_run:
            _require_same(path, json.loads(record.read_bytes()), description)
        else:
            write_file(record, json.dumps(description, indent=1).encode() + b"\n")
        folder = RunFolder(path)
        try:
            yield folder
        finally:
            folder.close()


def _require_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    old, new = _flat(before), _flat(now)
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if not changed:
        return
    first = changed[0]
    raise _other(
        f"the run in `{path}` had another {first.replace('_', ' ')}"
        + (f" (and {len(changed) - 1} more differences)" if len(changed) > 1 else ""),
        f"it was {_shown(old.get(first))}, and is now {_shown(new.get(first))}",
        "resume it with the same network, data and options, or train into another folder",
    )


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in data.items():
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _shown(value: object) -> str:
    text = json.dumps(value)
    return f"`{text}`" if len(text) <= 100 else f"`{text[:100]}...`"


def _save(path: Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    values = {name: np.ascontiguousarray(value) for name, value in sorted(tensors.items())}
    headers = [TensorHeader(name, value.shape, value.dtype.name) for name, value in values.items()]
    save_safetensors(path, headers, values.values(), metadata)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes from training into the folder while the block runs."""
    if sys.platform == "win32":  # opens no folders
        yield
        return
    import fcntl

    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _other(f"another process trains into `{path}`", "wait until it has finished") from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(descriptor)


def _other(fact: str, *helps: str) -> RunError:
    return RunError.of(catalogue.NOT_RESUMABLE, fact, helps=helps)
