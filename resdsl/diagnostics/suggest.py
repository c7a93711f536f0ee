"""Did you mean: the known name that a mistyped one stands for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from resdsl.diagnostics.diagnostic import Edit, Fix
from resdsl.diagnostics.source import Span

_LONGEST = 80
"""A longer name is not a typing error."""

_MOST_ERRORS = 5
"""Letters that may be wrong in a long name."""

_MOST_CELLS = 8_000
"""Cells of the tables of distances that one suggestion may fill: some 3 ms, however many names there are."""


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that ``name`` most likely means, or ``None`` if none is near enough.

    Case and the separators ``_``, ``-`` and blanks don't count. Apart from them, a third of the letters may be wrong,
    at most five (none in a name of one letter, one in a name of two to five). Of equally near candidates, the one
    with the longest common beginning wins, then the first. Of very many candidates, those are compared that have the
    most letters in common at both ends.
    """
    if len(name) > _LONGEST:
        return None
    plain = _plain(name)
    near: list[tuple[str, str, int]] = []
    cells = 0
    for candidate in candidates:
        # Case folding and separators change the length of few names; the others need not be looked at more closely.
        if candidate == name or len(candidate) > 2 * _LONGEST:
            continue
        other = _plain(candidate)
        allowed = _allowed(plain, other)
        if not other or abs(len(other) - len(plain)) > allowed:
            continue
        near.append((candidate, other, allowed))
        cells += _cells(plain, allowed)
    if cells > _MOST_CELLS:
        near.sort(key=lambda one: _common_ends(plain, one[1]), reverse=True)
    best: tuple[int, int] | None = None
    guess: str | None = None
    cells = 0
    for candidate, other, allowed in near:
        cells += _cells(plain, allowed)
        if cells > _MOST_CELLS:
            break
        distance = edit_distance(plain, other, allowed)
        if distance > allowed:
            continue
        rank = (distance, -_common_beginning(plain, other))
        if best is None or rank < best:
            best, guess = rank, candidate
    return guess


class Suggester:
    """``closest`` for the errors of one text: an error that is found again, in each pass of a loop, costs nothing, and
    after some hundreds of errors there are no more suggestions.
    """

    def __init__(self, most: int = 200) -> None:
        self._most = most
        self._known: dict[tuple[object, ...], str | None] = {}

    def closest(self, name: str, candidates: Sequence[str]) -> str | None:
        ends = (candidates[0], candidates[-1]) if candidates else ()
        key = (name, len(candidates), *ends)
        if key not in self._known:
            if len(self._known) >= self._most:
                return None
            self._known[key] = closest(name, candidates)
        return self._known[key]


def renamed(at: Span, guess: str | None) -> Fix | None:
    """The change of a mistyped name or string to the known one that it most likely means, if there is one."""
    if guess is None:
        return None
    shown = guess if guess.startswith('"') else f"`{guess}`"
    return Fix(f"did you mean {shown}?", (Edit(at, guess),))


def edit_distance(a: str, b: str, most: int | None = None) -> int:
    """The fewest insertions, deletions, replacements and swaps of neighbours that make ``b`` of ``a``.

    Optimal string alignment distance: Damerau's four errors (1964), no part edited twice. With ``most``, a larger
    distance is given as some number above it, in time proportional to ``most``.
    """
    if most is None:
        most = max(len(a), len(b))
    far = most + 1
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        # Cells farther than `most` from the diagonal cannot be on a path that is short enough.
        first, last = max(1, i - most), min(len(b), i + most)
        row = [far] * (len(b) + 1)
        row[first - 1] = i if first == 1 else far
        for j in range(first, last + 1):
            right = b[j - 1]
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, before[j - 2] + 1)
            row[j] = cost
        if min(row) > most:
            return far
        before, previous = previous, row
    return previous[-1]


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")


def _allowed(plain: str, other: str) -> int:
    length = max(len(plain), len(other))
    if min(len(plain), len(other)) < 2:
        return 0
    return min(_MOST_ERRORS, max(1, length // 3))


def _cells(plain: str, allowed: int) -> int:
    return len(plain) * (2 * allowed + 1)


def _common_ends(a: str, b: str) -> int:
    return _common_beginning(a, b) + _common_beginning(a[::-1], b[::-1])


def _common_beginning(a: str, b: str) -> int:
    return next((at for at, (left, right) in enumerate(zip(a, b, strict=False)) if left != right), min(len(a), len(b)))
