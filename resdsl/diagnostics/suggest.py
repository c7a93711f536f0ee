"""Did you mean: the known name that a mistyped one stands for."""

from __future__ import annotations

from collections.abc import Iterable

from resdsl.diagnostics.diagnostic import Edit, Fix
from resdsl.diagnostics.source import Span

# A longer name is not a typo, and the distance takes time in the product of both lengths.
_LONGEST = 80


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that ``name`` most likely means, or ``None`` if none is near enough.

    Case and the separators ``_``, ``-`` and blanks don't count. Apart from them, a third of the letters may
    differ (none in a name of one letter, one in a name of two to five). Of equally near candidates, the one with
    the longest common beginning wins, then the first.
    """
    if len(name) > _LONGEST:
        return None
    plain = _plain(name)
    best: tuple[int, int] | None = None
    found: str | None = None
    for candidate in candidates:
        other = _plain(candidate)
        if candidate == name or not other or abs(len(other) - len(plain)) > _allowed(plain, other):
            continue
        distance = edit_distance(plain, other)
        if distance > _allowed(plain, other):
            continue
        rank = (distance, -_common_beginning(plain, other))
        if best is None or rank < best:
            best, found = rank, candidate
    return found


def renamed(at: Span, guess: str | None) -> Fix | None:
    """The change of a mistyped name or string to the known one that it most likely means, if there is one."""
    if guess is None:
        return None
    shown = guess if guess.startswith('"') else f"`{guess}`"
    return Fix(f"did you mean {shown}?", (Edit(at, guess),))


def edit_distance(a: str, b: str) -> int:
    """The fewest insertions, deletions, replacements and swaps of neighbours that make ``b`` of ``a``.

    Optimal string alignment distance: Damerau's four kinds of typo (1964), no part edited twice.
    """
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        row = [i]
        for j, right in enumerate(b, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, previous = previous, row
    return previous[-1]


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")


def _allowed(plain: str, other: str) -> int:
    length = max(len(plain), len(other))
    if min(len(plain), len(other)) < 2:
        return 0
    return max(1, length // 3)


def _common_beginning(a: str, b: str) -> int:
    return next((at for at, (left, right) in enumerate(zip(a, b, strict=False)) if left != right), min(len(a), len(b)))
