"""Measuring for benchmarks: whole processes or callables, two of them interleaved, and the ratios of the pairs.

A benchmark is a file `bench_NAME.py` here with a docstring of one line, its title, and
`run(bench) -> Iterable[Result]`::

    def run(bench: Bench) -> Iterable[Result]:
        pairs = bench.pairs([bench.python, "-m", "resdsl", "check", spec], [bench.python, "-c", "import lark, click"])
        yield pairs.row("check, whole process", by="cpu", at_most=3.0)

Other work on the machine slows both of a pair alike: the median of the pairs' ratios is what to trust, CPU time (user
and system) before wall time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Literal

ROOT = Path(__file__).parents[2]
_LAUNCHER = Path(__file__).with_name("launch.py")

By = Literal["cpu", "wall", "memory"]
Subject = Sequence[str | Path] | Callable[[], object]
"""What is measured: the words of a command, run as a process, or something to call in this one.

What is called may measure itself and return a `Sample`, as ``bench.process`` does.
"""


class Missing(Exception):
    """What a benchmark needs is not there. The rows that it gave so far are kept, and the reason is noted."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and its unit: ``s``, ``B`` (bytes), or any other, such as ``images/s``."""

    value: float
    unit: str

    def __str__(self) -> str:
        if self.unit == "s":
            return f"{self.value:.2f} s" if self.value >= 1 else f"{self.value * 1e3:.3g} ms"
        if self.unit == "B":
            return f"{self.value / 2**20:,.1f} MiB"
        return f"{self.value:,.4g} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of ratios, and between which two the middle half of them lies."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(ratios: Sequence[float]) -> Ratio:
        if len(ratios) < 2:
            return Ratio(ratios[0], ratios[0], ratios[0])
        low, middle, high = quantiles(ratios, n=4, method="inclusive")
        return Ratio(middle, low, high)

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the results. ``reached`` is ``None`` if there is no target."""

    name: str
    measured: Quantity
    against: Quantity | None = None
    ratio: Ratio | None = None
    target: str = ""
    reached: bool | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table, which is shown after the rows: ``reached`` is ``None`` if there is no target."""

    row: str
    column: str
    text: str
    reached: bool | None = None


Result = Row | Cell
"""What a benchmark yields."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run took: seconds of wall time, seconds of user and system time, bytes of its largest process."""

    wall: float
    cpu: float
    memory: int = 0
    """0 for a callable, whose memory cannot be separated from that of the benchmark."""

    def quantity(self, by: By) -> Quantity:
        return Quantity(getattr(self, by), "B" if by == "memory" else "s")


@dataclass(frozen=True, slots=True)
class Series:
    """Runs of one subject."""

    samples: tuple[Sample, ...]

    def median(self, by: By) -> Quantity:
        first = self.samples[0].quantity(by)
        return Quantity(median(sample.quantity(by).value for sample in self.samples), first.unit)

    def row(self, name: str, *, by: By, at_most: float | None = None, note: str = "") -> Row:
        """A row with the median. ``at_most`` is in seconds or bytes."""
        measured = self.median(by)
        return Row(name, measured, note=note, **_target(measured, at_most))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Interleaved runs of two subjects: the i-th of one is paired with the i-th of the other."""

    ours: Series
    theirs: Series

    def ratio(self, by: By) -> Ratio:
        """Ours to theirs."""
        both = zip(self.ours.samples, self.theirs.samples, strict=True)
        return Ratio.of([ours.quantity(by).value / theirs.quantity(by).value for ours, theirs in both])

    def row(
        self, name: str, *, by: By, at_most: float | None = None, at_least: float | None = None, note: str = ""
    ) -> Row:
        """A row with both medians and the ratio; ``at_most`` and ``at_least`` are targets of the ratio."""
        ratio = self.ratio(by)
        target, reached = "", None
        if at_most is not None:
            target, reached = f"at most {at_most:g} x", ratio.median <= at_most
        elif at_least is not None:
            target, reached = f"at least {at_least:g} x", ratio.median >= at_least
        return Row(name, self.ours.median(by), self.theirs.median(by), ratio, target, reached, note)


def _environment() -> dict[str, str]:
    """That of this process, but modules are found in this tree, and what was compiled of them is kept, as installed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(ROOT)}


@dataclass(frozen=True, slots=True)
class Bench:
    """What a benchmark is given."""

    folder: Path
    """Empty, and gone afterwards; processes run in it."""
    rounds: int = 11
    """So many runs are measured where a benchmark asks for no other number."""
    torch_python: Path | None = None
    nncf_python: Path | None = None
    large: bool = False
    """Whether to measure what takes minutes and tens of gigabytes of disk."""
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=_environment)

    @property
    def torch(self) -> str:
        """The interpreter that has torch. Raises `Missing` where none was named."""
        if self.torch_python is None:
            raise Missing("needs an interpreter with torch: --torch-python PATH")
        return str(self.torch_python)

    @property
    def nncf(self) -> str:
        """The interpreter that has NNCF. Raises `Missing` where none was named."""
        if self.nncf_python is None:
            raise Missing("needs an interpreter with nncf: --nncf-python PATH")
        return str(self.nncf_python)

    def process(self, command: Sequence[str | Path], *, stdin: str = "", statuses: Sequence[int] = (0,)) -> Sample:
        """Run a command once; its output is thrown away. Raises where it ends otherwise than with ``statuses``."""
        report = self.folder / "sample.json"
        done = subprocess.run(
            [sys.executable, "-I", "-S", _LAUNCHER, report, *command],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode not in statuses:
            words = " ".join(map(str, command))
            raise RuntimeError(f"`{words}` ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return Sample(**json.loads(report.read_text()))

    def once(self, subject: Subject) -> Sample:
        """Measure one run."""
        if not callable(subject):
            return self.process(subject)
        wall, cpu = time.perf_counter(), time.process_time()
        found = subject()
        if isinstance(found, Sample):
            return found
        return Sample(time.perf_counter() - wall, time.process_time() - cpu)

    def series(self, subject: Subject, *, rounds: int | None = None, warmups: int = 1) -> Series:
        """Measure one subject several times, after runs that don't count."""
        for _ in range(warmups):
            self.once(subject)
        return Series(tuple(self.once(subject) for _ in range(rounds or self.rounds)))

    def pairs(self, ours: Subject, theirs: Subject, *, rounds: int | None = None, warmups: int = 1) -> Pairs:
        """Measure two subjects interleaved, after warm-up runs. The order alternates from pair to pair."""
        for _ in range(warmups):
            self.once(ours)
            self.once(theirs)
        left: list[Sample] = []
        right: list[Sample] = []
        for number in range(rounds or self.rounds):
            for subject, samples in ((ours, left), (theirs, right))[:: -1 if number % 2 else 1]:
                samples.append(self.once(subject))
        return Pairs(Series(tuple(left)), Series(tuple(right)))


def _target(measured: Quantity, at_most: float | None) -> dict[str, object]:
    if at_most is None:
        return {}
    return {"target": f"at most {Quantity(at_most, measured.unit)}", "reached": measured.value <= at_most}
