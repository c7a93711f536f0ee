"""What a comparison of two networks found, as the page shows it. Who compares them is not this package's matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChangeCard:
    """One change in words: its sign (``+ - ~ > =``), what it is, what it costs, and the pieces by their paths.

    ``old`` and ``new`` are where the page leads to; ``loud`` marks what the names of the tensors do not show.
    """

    sign: str
    headline: str
    lines: tuple[str, ...]
    old: tuple[str, ...]
    new: tuple[str, ...]
    loud: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two networks: a ``verdict`` (``loud`` where it is a warning), the ``changes``, and what became of each leaf.

    ``marks`` are of the old and of the new one: for a leaf, in the order of computation, ``added``, ``removed``,
    ``changed``, ``moved`` or ``follows``; a leaf that is not named is as it was. ``pairs`` are old and new leaves.
    ``totals`` are rows of a table: name, old, new, difference.
    """

    verdict: str
    loud: bool
    totals: tuple[tuple[str, str, str, str], ...]
    changes: tuple[ChangeCard, ...]
    marks: tuple[Mapping[int, str], Mapping[int, str]]
    pairs: Mapping[int, int]


def comparison_data(comparison: Comparison) -> Data:
    """Plain data. What is the same for neighbours is told once: ``marks`` as ``[first, number, mark]`` for each
    network, ``pairs`` as ``[old, new, number]``.
    """
    return {
        "verdict": comparison.verdict,
        "loud": comparison.loud,
        "totals": comparison.totals,
        "changes": [
            {
                "sign": change.sign,
                "headline": change.headline,
                "lines": change.lines,
                "places": [change.old, change.new],
                "loud": change.loud,
            }
            for change in comparison.changes
        ],
        "marks": [_runs(marks) for marks in comparison.marks],
        "pairs": _steps(sorted(comparison.pairs.items())),
    }


def _runs(marks: Mapping[int, str]) -> list[tuple[int, int, str]]:
    runs: list[tuple[int, int, str]] = []
    for leaf, mark in sorted(marks.items()):
        if runs and runs[-1][0] + runs[-1][1] == leaf and runs[-1][2] == mark:
            first, number, _ = runs[-1]
            runs[-1] = (first, number + 1, mark)
        else:
            runs.append((leaf, 1, mark))
    return runs


def _steps(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int, int]]:
    steps: list[tuple[int, int, int]] = []
    for old, new in pairs:
        if steps and (steps[-1][0] + steps[-1][2], steps[-1][1] + steps[-1][2]) == (old, new):
            first, other, number = steps[-1]
            steps[-1] = (first, other, number + 1)
        else:
            steps.append((old, new, 1))
    return steps
