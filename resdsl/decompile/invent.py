"""Modules for a network whose file names none: the units of its chain, and stages of them.

Older exporters leave flat names (``res2_0_branch2a``, ``conv12``), and tools that optimise or obfuscate files leave
numbers. The runs of operators that repeat become modules, so that equal ones can be found and written as a block.
"""

from __future__ import annotations

import dataclasses
import itertools
import os.path
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set

from resdsl.decompile.layer_names import are_nameless, inner_names, numbered, plain_names, stem
from resdsl.decompile.nest import Nest, TooDeep, is_large
from resdsl.decompile.units import Unit, find_units
from resdsl.ir.graph import Graph

MOSTLY = 0.8
"""The share of layers with flat names from which on a file counts as one without modules."""


def with_modules(graph: Graph, placed: Set[int]) -> tuple[Graph, Set[int]]:
    """The graph with modules in the paths of its nodes, and the nodes whose path is a place; unchanged where the file
    has modules itself.
    """
    weighted = {parameter.node for parameter in graph.parameters.values()}
    if not weighted:
        return graph, placed
    paths = plain_names({node.index: node.path for node in graph.nodes}, weighted)
    flat = sum("." not in paths[index] for index in weighted)
    if flat < MOSTLY * len(weighted) or is_large(graph):
        return _renamed(graph, paths), placed
    try:
        nest = Nest(graph)
    except TooDeep:
        return graph, placed
    units = _repeated(find_units(nest, weighted))
    # Names of operators without tensors are no places any more, and no two of them stay in one module.
    paths |= {node.index: node.path.replace(".", "_") for node in graph.nodes if node.index not in weighted}
    layers = [node for node in graph.nodes if node.index in weighted]
    nameless = are_nameless(layers, paths)
    inside = {node.index for unit in units for node in unit.nodes}
    labels = _labels(nest, units, paths, weighted)
    inner = inner_names(units, paths, weighted)
    if nameless:
        paths |= numbered((node for node in layers if node.index not in inside), paths)
    for unit, label in zip(units, labels, strict=True):
        paths |= {node.index: f"{label}.{inner[node.index]}" for node in unit.nodes}
    return _renamed(graph, paths), (placed - _flat(placed, paths)) | inside


def _flat(placed: Set[int], paths: Mapping[int, str]) -> Set[int]:
    return {index for index in placed if "." not in paths[index]}


def _repeated(units: list[Unit]) -> list[Unit]:
    """Units of which there are two of their kind: others would be modules without a block."""
    counts = Counter(unit.kind for unit in units)
    return [unit for unit in units if counts[unit.kind] > 1]


# --- labels of units ------------------------------------------------------------------------------------------------


def _labels(nest: Nest, units: Sequence[Unit], names: Mapping[int, str], weighted: Set[int]) -> list[str]:
    """A path for each unit: its stage and its number in it, or a name of its own."""
    stems = [stem([names[node.index] for node in unit.nodes if node.index in weighted]) for unit in units]
    whole = _stages(nest, units)
    others = {names[index].partition(".")[0] for index in weighted}
    others -= {names[node.index].partition(".")[0] for unit in units for node in unit.nodes}
    readings = [_joined(whole, units, at_end=False), _joined(whole, units, at_end=True), whole]
    titled = [(stages, _titles([[stems[place] for place in stage] for stage in stages], others)) for stages in readings]
    # Where the file has names, they tell which unit is the first of a stage.
    stages, titles = min(titled, key=lambda one: (not one[1], len(one[0])))
    if 2 * len(stages) > len(units) + 1:
        stages = [[place] for place in range(len(units))]
        titles = _titles([[one] for one in stems], others) or _numbered(["block"] * len(units))
    titles = titles or _numbered([units[stage[0]].word for stage in stages])
    labels = [""] * len(units)
    for stage, title in zip(stages, titles, strict=True):
        for number, place in enumerate(stage):
            labels[place] = f"{title}.{number}" if len(stage) > 1 else title
    return labels


def _titles(stages: Sequence[Sequence[str]], others: Set[str]) -> list[str]:
    """What the file calls each stage; empty where one has no name, or none for itself."""
    titles = [_title(stems) for stems in stages]
    good = all(titles) and len(set(titles)) == len(titles) and others.isdisjoint(titles)
    return titles if good else []


def _numbered(words: Sequence[str]) -> list[str]:
    if len(words) == 1:
        return ["blocks"]
    counts = Counter[str]()
    numbers = []
    for word in words:
        counts[word] += 1
        numbers.append(f"{word}{counts[word]}")
    return numbers


def _stages(nest: Nest, units: Sequence[Unit]) -> list[list[int]]:
    """Neighbours of one kind, up to where the channels change, or the size of the image.

    Where they change in all, as in a dense network, nothing starts anew.
    """
    starts = [nest.top.start if not unit.first else _end(nest, unit.first - 1) for unit in units]
    before = [nest.nodes[start].type.shape for start in starts]
    after = [nest.nodes[_end(nest, unit.last - 1)].type.shape for unit in units]
    wider = [a[1:2] != b[1:2] for a, b in zip(before, after, strict=True)]
    smaller = [a[2:] != b[2:] for a, b in zip(before, after, strict=True)]
    totals = Counter(unit.kind for unit in units)
    grown = Counter(unit.kind for unit, changes in zip(units, wider, strict=True) if changes)
    grows = {kind for kind, count in totals.items() if grown[kind] == count > 1}
    stages: list[list[int]] = []
    for place, unit in enumerate(units):
        # A stage may also end in a smaller image, if the next one starts with more channels.
        ends = smaller[place] and not wider[place] and place + 1 < len(units) and wider[place + 1]
        starts_anew = (wider[place] and unit.kind not in grows) or (smaller[place] and not ends)
        follows = place > 0 and units[place - 1].last == unit.first and units[place - 1].kind == unit.kind
        if follows and not starts_anew:
            stages[-1].append(place)
        else:
            stages.append([place])
    return stages


def _joined(stages: list[list[int]], units: Sequence[Unit], *, at_end: bool) -> list[list[int]]:
    """Stages that begin with a unit of another kind, where several do; with ``at_end``, that end with one."""

    def kinds(place: int) -> tuple[int, int]:
        return units[stages[place][0]].kind, units[stages[place + 1][0]].kind

    found = []
    for place, (one, other) in enumerate(itertools.pairwise(stages)):
        before, after = units[one[-1]], units[other[0]]
        alone = other if at_end else one
        if len(alone) == 1 and before.last == after.first and before.kind != after.kind and before.word == after.word:
            found.append(place)
    counts = Counter(map(kinds, found))
    merged: list[list[int]] = []
    place = 0
    while place < len(stages):
        merged.append(stages[place])
        if place in found and counts[kinds(place)] > 1:
            merged[-1] = [*stages[place], *stages[place + 1]]
            place += 1
        place += 1
    return merged


def _end(nest: Nest, place: int) -> int:
    item = nest.top.items[place]
    return item.node.index  # type: ignore[union-attr]


def _title(stems: Sequence[str]) -> str:
    """What the names of a stage's units have in common: ``conv2`` of ``conv2_block1``, ``block2`` of ``block2a``."""
    common = os.path.commonprefix(stems) if len(stems) > 1 else stems[0]  # noqa: RUF071 letters are meant
    common = re.sub(r"(?<=\d)[a-z]$", "", common)
    common = re.sub(r"[._]?(block|unit)?[._]?$", "", common) if len(stems) > 1 else common
    return common.rstrip("._")


# --- the graph ------------------------------------------------------------------------------------------------------


def _renamed(graph: Graph, paths: Mapping[int, str]) -> Graph:
    if all(node.path == paths[node.index] for node in graph.nodes):
        return graph
    taken: set[str] = set()
    final: dict[int, str] = {}
    # Layers first: the names of others are no names of tensors.
    weighted = {parameter.node for parameter in graph.parameters.values()}
    for node in sorted(graph.nodes, key=lambda node: node.index not in weighted):
        name, count = paths[node.index], 1
        while name in taken:
            count += 1
            name = f"{paths[node.index]}_{count}"
        taken.add(name)
        final[node.index] = name
    nodes = tuple(dataclasses.replace(node, path=final[node.index]) for node in graph.nodes)
    parameters = {}
    for parameter in graph.parameters.values():
        last = parameter.name.removeprefix(f"{graph.nodes[parameter.node].path}.")
        name = f"{final[parameter.node]}.{last}"
        parameters[name] = dataclasses.replace(parameter, name=name)
    return dataclasses.replace(graph, nodes=nodes, parameters=parameters)
