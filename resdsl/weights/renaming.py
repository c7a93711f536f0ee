"""Rename tensors, and suggest renamings that make a checkpoint fit a network."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]

_MOST_NAMES = 20_000
_MOST_CANDIDATES = 64
_SUGGESTIONS = 4


@dataclass(frozen=True, slots=True)
class Renaming:
    """Parts of names in a checkpoint, their names in the network, and the tensors that this pairs."""

    old: str
    new: str
    pairs: Mapping[str, str]


def rename(name: str, old: str, new: str) -> str:
    """``name`` with the whole parts ``old`` replaced by ``new``; an empty ``old`` prepends ``new``."""
    if not old:
        return f"{new}.{name}" if new else name
    # Not str.replace: `bn1` is not a part of `xbn1.weight`. Not a regular expression: thousands would be compiled.
    pieces: list[str] = []
    start, position = 0, name.find(old)
    while position >= 0:
        end = position + len(old)
        if name[position - 1 : position] in ("", ".") and name[end : end + 1] in ("", "."):
            pieces += [name[start:position], new]
            start = end
            position = name.find(old, end)
        else:
            position = name.find(old, position + 1)
    replaced = "".join([*pieces, name[start:]])
    return ".".join(part for part in replaced.split(".") if part)


def weights_of_blocks(names: Collection[str], known: Collection[str]) -> dict[str, str]:
    """Tensors that a block of a module owns itself, and the layers of a network whose weights they are.

    The layer scale of timm's ConvNeXt is the tensor ``blocks.0.gamma``, in a text ``blocks.0.gamma.weight``.
    """
    layers = {name: f"{name}.weight" for name in names if name not in known}
    return {name: weight for name, weight in layers.items() if weight in known and weight not in names}


def suggest_renamings(stored: Shapes, wanted: Shapes) -> list[Renaming]:
    """Renamings that give tensors of a checkpoint the names of tensors of the same shapes in a network.

    Each name votes for the difference between it and the most similar wanted name of its shape. A renaming must pair
    at least two tensors, or all of them.
    """
    if len(stored) > _MOST_NAMES or len(wanted) > _MOST_NAMES:
        return []
    votes = _votes(stored, wanted)
    renamings: list[Renaming] = []
    left, lacking = dict(stored), dict(wanted)
    for (old, new), _ in votes.most_common(32):
        renamed = {name: rename(name, old, new) for name in left}
        pairs = {name: to for name, to in renamed.items() if name != to and lacking.get(to) == left[name]}
        if len(pairs) < min(2, len(lacking)) or len(set(pairs.values())) < len(pairs):
            continue
        renamings.append(Renaming(old, new, pairs))
        for name, to in pairs.items():
            del left[name], lacking[to]
        if len(renamings) == _SUGGESTIONS or not lacking:
            break
    return renamings


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
            # A layer with another index in a list is another layer, not a renamed one.
            if _common(parts, rival) == nearest and not (old.isdigit() or new.isdigit()):
                votes[old, new] += 1
    return votes


def _common(parts: list[str], rival: list[str]) -> int:
    """The number of parts that two names share at their beginnings and ends."""
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
    # A pure insertion needs a neighbouring part to anchor it.
    if before and before == len(parts) - after:
        before -= 1
    return ".".join(parts[before : len(parts) - after]), ".".join(rival[before : len(rival) - after])
