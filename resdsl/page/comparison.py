"""The comparison of two networks as the page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChangeCard:
    """One change in words: sign (``+ - ~ > =``), headline and lines of details.

    ``old`` and ``new`` are the paths that the card links to; ``loud`` marks a change that tensor names do not reveal.
    """

    sign: str
    headline: str
    lines: tuple[str, ...]
    old: tuple[str, ...]
    new: tuple[str, ...]
    loud: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two networks: the ``verdict`` (``loud`` for a warning), the ``changes``, and the mark of each leaf.

    ``forms`` say how one network is written in two ways, which is no change.

    ``marks`` map leaves of the old and the new network, counted in the order of computation, to ``added``, ``removed``,
    ``changed``, ``moved``, ``renamed`` or ``follows``; other leaves are unchanged. ``pairs`` maps old leaves to new.
    ``totals`` are the rows of a table: name, old, new, difference.
    """

    verdict: str
    loud: bool
    totals: tuple[tuple[str, str, str, str], ...]
    changes: tuple[ChangeCard, ...]
    marks: tuple[Mapping[int, str], Mapping[int, str]]
    pairs: Mapping[int, int]
    forms: tuple[str, ...] = ()


def comparison_data(comparison: Comparison) -> Data:
    """Plain data, with runs of equal marks as ``[first, number, mark]`` and of pairs as ``[old, new, number]``."""
    return {
        "verdict": comparison.verdict,
        "loud": comparison.loud,
        "forms": comparison.forms,
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
