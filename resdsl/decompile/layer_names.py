"""Names for the layers of a file without modules: those that it has, as far as they say something."""

from __future__ import annotations

import os.path
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set

from resdsl.decompile.units import Slot, Unit
from resdsl.ir.graph import Node
from resdsl.ops.join import Join

_NUMBERS = re.compile(r"[\d_]*$")
LONGEST_CODE = 3
"""Letters of a name that is only a letter and a number, as a tool makes them up: ``n17``, ``op_3``, ``val_9``."""

_WORDS = {"linear": "fc"}
"""Names for layers that have none, where papers use another word than the operator's."""


def plain_names(paths: Mapping[int, str], weighted: Set[int]) -> dict[int, str]:
    """Paths without what is the same in all: a module around everything (``gpu_0``), a number at the end."""
    names = dict(paths)
    while True:
        heads = {names[index].partition(".")[0] for index in weighted if "." in names[index]}
        if len(heads) != 1 or any("." not in names[index] for index in weighted):
            break
        head = f"{heads.pop()}."
        taken = set(names.values())
        for index, name in names.items():
            short = name.removeprefix(head)
            if short != name and short not in taken:
                names[index] = short
                taken.add(short)
            elif short != name and index in weighted:
                return names
    # TensorFlow numbers the calls of a model: `conv1_1`, `conv2_1` are its first.
    ends = Counter(
        name[-2:] if re.search(r"\D_\d$|\d_\d$", name) else "" for index, name in names.items() if index in weighted
    )
    end, count = ends.most_common(1)[0] if ends else ("", 0)
    if end and count >= 0.9 * len(weighted):
        taken = set(names.values())
        for index, name in names.items():
            short = name.removesuffix(end)
            if short and short not in taken:
                names[index] = short
                taken.add(short)
    return names


def are_nameless(nodes: Collection[Node], names: Mapping[int, str]) -> bool:
    """Whether the names of layers say nothing: a code and a number, or the operator and a number."""
    stems = {_NUMBERS.sub("", names[node.index]) for node in nodes} - {node.operator.name for node in nodes} - {""}
    return len(stems) <= 1 and all(len(stem) <= LONGEST_CODE for stem in stems)


def numbered(nodes: Iterable[Node], own: Mapping[int, str]) -> dict[int, str]:
    """Names by operator for layers outside of units: ``conv1``, ``bn1``, ``conv2``; a single one has no number.

    Where the file's names are of this kind they stay, with their numbers.
    """
    layers = list(nodes)
    words = [_WORDS.get(node.operator.name, node.operator.name) for node in layers]
    if all(re.fullmatch(rf"{word}\d*", own[node.index]) for node, word in zip(layers, words, strict=True)):
        return {}
    totals, counts = Counter(words), Counter[str]()
    names = {}
    for node, word in zip(layers, words, strict=True):
        counts[word] += 1
        names[node.index] = f"{word}{counts[word]}" if totals[word] > 1 else word
    return names


def stem(names: Sequence[str]) -> str:
    """The common beginning of names, up to a separator."""
    found = os.path.commonprefix(names)  # noqa: RUF071 letters are meant, not folders
    whole = all(len(name) == len(found) or not name[len(found)].isalnum() or found[-1:] in ("_", ".") for name in names)
    if not whole:
        found = found[: max(found.rfind("_"), found.rfind(".")) + 1]
    return found.rstrip("._")


Place = tuple[int, Slot]
"""A slot of a kind of units."""


def inner_names(units: Sequence[Unit], names: Mapping[int, str], weighted: Set[int]) -> dict[int, str]:
    """The name of each node inside its unit: the rest of the file's where it is the same in all units of a kind.

    Where it is not, for any kind, layers are numbered in all.
    """
    rests: dict[int, str] = {}
    for unit in units:
        own = [node.index for node in unit.nodes if node.index in weighted]
        start = stem([names[index] for index in own])
        rests |= {index: names[index].removeprefix(start).strip("._") for index in own}
    by_slot: dict[Place, list[Node]] = {}
    for unit in units:
        for node in unit.nodes:
            if node.index in unit.slots:
                by_slot.setdefault((unit.kind, unit.slots[node.index]), []).append(node)
    found: dict[Place, str] = {}
    for slot, nodes in by_slot.items():
        some = {rests.get(node.index, "") for node in nodes}
        found[slot] = some.pop() if len(some) == 1 else ""
    layers = [slot for slot, nodes in by_slot.items() if nodes[0].index in weighted]
    good = all(found[slot] and not found[slot].isdigit() for slot in layers) and len(
        {(slot[0], found[slot]) for slot in layers}
    ) == len(layers)
    counts: dict[int, Counter[str]] = {}
    for slot in sorted(by_slot):
        node = by_slot[slot][0]
        count = counts.setdefault(slot[0], Counter())
        word = found[slot] if good and node.index in weighted else _word(node)
        count[word] += 1
        found[slot] = f"{word}{count[word]}" if not good or count[word] > 1 else word
    inner: dict[int, str] = {}
    for unit in units:
        for node in unit.nodes:
            place = (unit.kind, unit.slots[node.index]) if node.index in unit.slots else None
            inner[node.index] = _word(node) if place is None else found[place]
    return inner


def _word(node: Node) -> str:
    operator = node.operator
    return operator.join if isinstance(operator, Join) else operator.name or "value"
