"""Guessing what a checkpoint calls the tensors of a network."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]

_MOST_NAMES = 20_000
_MOST_CANDIDATES = 64
_SUGGESTIONS = 4


@dataclass(frozen=True, slots=True)
class Renaming:
    """Whole parts of names in a checkpoint, what the network calls them, and the tensors that it brings together."""

    old: str
    new: str
    pairs: Mapping[str, str]


def rename(name: str, old: str, new: str) -> str:
    """``name`` with the whole parts ``old`` replaced by ``new``; an empty ``old`` puts ``new`` before it."""
    if not old:
        return f"{new}.{name}" if new else name
    # Not str.replace: `bn1` is no part of `xbn1.weight`. Nor a regular expression: each of thousands would be compiled.
    pieces: list[str] = []
    start, found = 0, name.find(old)
    while found >= 0:
        end = found + len(old)
        if name[found - 1 : found] in ("", ".") and name[end : end + 1] in ("", "."):
            pieces += [name[start:found], new]
            start = end
            found = name.find(old, end)
        else:
            found = name.find(old, found + 1)
    replaced = "".join([*pieces, name[start:]])
    return ".".join(part for part in replaced.split(".") if part)


def suggest_renamings(stored: Shapes, wanted: Shapes) -> list[Renaming]:
    """Renamings that bring tensors of a checkpoint to names that a network wants, of the same shapes.

    Each name votes for what stands in it between the parts that it has in common with the nearest wanted name of its
    shape. A renaming counts for what it really brings together, and must do so for two tensors or for all.
    """
    if len(stored) > _MOST_NAMES or len(wanted) > _MOST_NAMES:
        return []
    votes = _votes(stored, wanted)
    found: list[Renaming] = []
    left, lacking = dict(stored), dict(wanted)
    for (old, new), _ in votes.most_common(32):
        renamed = {name: rename(name, old, new) for name in left}
        pairs = {name: to for name, to in renamed.items() if name != to and lacking.get(to) == left[name]}
        if len(pairs) < min(2, len(lacking)) or len(set(pairs.values())) < len(pairs):
            continue
        found.append(Renaming(old, new, pairs))
        for name, to in pairs.items():
            del left[name], lacking[to]
        if len(found) == _SUGGESTIONS or not lacking:
            break
    return found


def _votes(stored: Shapes, wanted: Shapes) -> Counter[tuple[str, str]]:
    candidates: dict[tuple[str, tuple[int, ...]], list[list[str]]] = defaultdict(list)
    for name, shape in wanted.items():
        candidates[name.rpartition(".")[2], shape].append(name.split("."))
    votes: Counter[tuple[str, str]] = Counter()
    for name, shape in stored.items():
        parts = name.split(".")
        rivals = candidates.get((parts[-1], shape), [])[:_MOST_CANDIDATES]
        nearest = max((_common(parts, rival) for rival in rivals), default=0)
        for rival in rivals:
            old, new = _difference(parts, rival)
            # Layers that moved in a list are other layers, not other names.
            if _common(parts, rival) == nearest and not (old.isdigit() or new.isdigit()):
                votes[old, new] += 1
    return votes


def _common(parts: list[str], rival: list[str]) -> int:
    """Parts that two names have in common at their ends and at their beginnings."""
    before, after = _ends(parts, rival)
    return before + after


def _ends(parts: list[str], rival: list[str]) -> tuple[int, int]:
    shorter = min(len(parts), len(rival))
    after = 0
    while after < shorter and parts[-1 - after] == rival[-1 - after]:
        after += 1
    before = 0
    while before < shorter - after and parts[before] == rival[before]:
        before += 1
    return before, after


def _difference(parts: list[str], rival: list[str]) -> tuple[str, str]:
    before, after = _ends(parts, rival)
    # What is only put in needs a neighbour to be put next to.
    if before and before == len(parts) - after:
        before -= 1
    return ".".join(parts[before : len(parts) - after]), ".".join(rival[before : len(rival) - after])
