"""Modules for a network whose file names none: what is joined is a module, called by what its layers' names share.

Older exporters leave flat names (``res2_0_branch2a``, ``conv12``). A join with all its branches, and the activations
after it, becomes a module, so that equal ones can be found and written as a block.
"""

from __future__ import annotations

import dataclasses
import os.path
import re
from collections import Counter
from collections.abc import Mapping, Set

from resdsl.decompile.nest import Nest, TooDeep, is_large
from resdsl.decompile.tree import Join, Op, Residual, nodes_of
from resdsl.ir.graph import Graph, Node

MOSTLY = 0.8
"""The share of layers with flat names from which on a file counts as one without modules."""


def with_modules(graph: Graph, placed: Set[int]) -> tuple[Graph, Set[int]]:
    """The graph with modules in the paths of its nodes, and the nodes whose path is a place; unchanged where the file
    has modules itself.
    """
    weighted = {parameter.node for parameter in graph.parameters.values()}
    paths = {node.index: node.path for node in graph.nodes}
    _drop_common(paths, weighted)
    flat = sum("." not in paths[index] for index in weighted)
    if not weighted:
        return graph, placed
    if flat < MOSTLY * len(weighted) or is_large(graph):
        return _renamed(graph, paths), placed
    try:
        units = _units(Nest(graph), weighted)
    except TooDeep:
        return graph, placed
    if len(units) < 2:
        return _renamed(graph, paths), placed
    inside: set[int] = set()
    labels = _labels([[paths[node.index] for node in unit if node.index in weighted] for unit in units])
    inner = _inner_names(units, labels, paths, weighted)
    for label, unit, names in zip(labels, units, inner, strict=True):
        for node, name in zip(unit, names, strict=True):
            paths[node.index] = f"{label}.{name}"
            inside.add(node.index)
    return _renamed(graph, paths), placed | inside


def _drop_common(paths: dict[int, str], weighted: Set[int]) -> None:
    """Drop a module that holds everything (``gpu_0/conv1``)."""
    heads = {paths[index].partition(".")[0] for index in weighted if "." in paths[index]}
    if len(heads) != 1 or any("." not in paths[index] for index in weighted):
        return
    head = f"{heads.pop()}."
    taken = set(paths.values())
    for index, path in paths.items():
        short = path.removeprefix(head)
        if short != path and short not in taken:
            paths[index] = short
            taken.add(short)


def _units(nest: Nest, weighted: Set[int]) -> list[list[Node]]:
    """The joins of the main chain with what they join, each with the activations after it."""
    units: list[list[Node]] = []
    is_open = False
    for item in nest.top.items:
        if isinstance(item, Join | Residual):
            nodes = list(nodes_of(item))
            is_open = sum(node.index in weighted for node in nodes) > 1
            if is_open:
                units.append(nodes)
        elif is_open and isinstance(item, Op) and item.node.operator.drawn_inside and item.node.index not in weighted:
            units[-1].append(item.node)
        else:
            is_open = False
    return units


def _labels(groups: list[list[str]]) -> list[str]:
    """What the names in each group begin with; ``block1``, ``block2`` where that is nothing, or not for them alone."""
    stems = [_stem(names) for names in groups]
    counts = Counter(stems)
    if any(not stem or counts[stem] > 1 for stem in stems):
        return [f"block{place}" for place in range(1, len(groups) + 1)]
    numbered: dict[str, list[int]] = {}
    for stem in stems:
        if found := re.fullmatch(r"(.*?)_?(\d+)", stem):
            numbered.setdefault(found[1], []).append(int(found[2]))
    labels = []
    for stem in stems:
        found = re.fullmatch(r"(.*?\d)_(\d+)", stem)
        first = found is not None and numbered[found[1]] == list(range(len(numbered[found[1]])))
        labels.append(f"{found[1]}.{found[2]}" if found is not None and first else stem)
    return labels


def _stem(names: list[str]) -> str:
    """The common beginning of names, up to a separator."""
    stem = os.path.commonprefix(names)  # noqa: RUF071 letters are meant, not folders
    whole = all(len(name) == len(stem) or not name[len(stem)].isalnum() or stem[-1:] in ("_", ".") for name in names)
    if not whole:
        stem = stem[: max(stem.rfind("_"), stem.rfind(".")) + 1]
    return stem.rstrip("._")


def _inner_names(
    units: list[list[Node]], labels: list[str], paths: Mapping[int, str], weighted: Set[int]
) -> list[list[str]]:
    """The names inside each unit: the rest of the file's, if they are the same in all that are alike."""
    rests: list[list[str]] = []
    for unit, label in zip(units, labels, strict=True):
        plain = label.replace(".", "_")
        own = [paths[node.index].removeprefix(plain).strip("._") if node.index in weighted else "" for node in unit]
        rests.append(own)
    alike: dict[tuple[type, ...], set[tuple[str, ...]]] = {}
    for unit, own in zip(units, rests, strict=True):
        alike.setdefault(tuple(type(node.operator) for node in unit), set()).add(tuple(own))
    good = all(len(names) == 1 for names in alike.values()) and all(
        all(name for name, node in zip(own, unit, strict=True) if node.index in weighted) and _distinct(own)
        for unit, own in zip(units, rests, strict=True)
    )
    if not good:
        rests = [["" for _ in unit] for unit in units]
    return [_filled(unit, own, numbered=not good) for unit, own in zip(units, rests, strict=True)]


def _distinct(names: list[str]) -> bool:
    given = [name for name in names if name]
    return len(set(given)) == len(given)


def _filled(unit: list[Node], names: list[str], *, numbered: bool) -> list[str]:
    counts: Counter[str] = Counter(name for name in names if name)
    filled: list[str] = []
    for node, name in zip(unit, names, strict=True):
        if name:
            filled.append(name)
            continue
        word = node.operator.name or getattr(node.operator, "join", "") or "value"
        counts[word] += 1
        filled.append(f"{word}{counts[word]}" if numbered or counts[word] > 1 else word)
    return filled


def _renamed(graph: Graph, paths: Mapping[int, str]) -> Graph:
    if all(node.path == paths[node.index] for node in graph.nodes):
        return graph
    taken: set[str] = set()
    final: dict[int, str] = {}
    for node in graph.nodes:
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
