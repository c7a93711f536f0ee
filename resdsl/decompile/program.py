"""A graph as a program: its nest, its groups, and the blocks that they are instances of."""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import Enum

from resdsl.decompile.families import Family, find_families
from resdsl.decompile.labels import assign
from resdsl.decompile.nest import Nest
from resdsl.decompile.option_a import find_option_a
from resdsl.decompile.preactivation import unify
from resdsl.decompile.scopes import Scopes, torn_modules
from resdsl.decompile.tree import Group, Item, Join, Residual, Sequence, all_sequences, nodes_of
from resdsl.decompile.words import block_name, snake_case
from resdsl.ir.graph import Graph
from resdsl.ir.types import Size
from resdsl.ops.avgpool import AvgPool
from resdsl.ops.concat import Concat
from resdsl.ops.conv import Conv
from resdsl.ops.mul import Mul

CONTAINERS = ("Sequential", "ModuleList")
"""Classes of modules that say nothing about what is in them."""


class Blocks(Enum):
    """Which groups become blocks: also those that lack something of the others, equal ones alone, or none."""

    VARIANTS = "variants"
    EQUAL = "equal"
    NONE = "none"


@dataclass(slots=True)
class Program:
    """``families`` are the blocks by the identity of each of their instances, ``blocks`` each once, in the
    order in which they are defined; ``paths`` the names that the elaborator gives to the nodes.
    """

    graph: Graph
    nest: Nest
    families: Mapping[int, Family]
    blocks: tuple[Family, ...]
    paths: Mapping[int, str]

    @property
    def top(self) -> Sequence:
        return self.nest.top


def decompile(
    graph: Graph,
    *,
    placed: Set[int] = frozenset(),
    classes: Mapping[str, str] | None = None,
    library: bool = False,
    blocks: Blocks = Blocks.VARIANTS,
    sides: bool = False,
) -> Program:
    """The program of a graph without heads for training. Raises ``TooDeep`` where joins nest deeper than text can.

    ``placed`` are the nodes without tensors whose path is a place, and not only a name; ``classes`` name the classes of
    modules by their path. ``library`` says whether blocks of the standard library are used, which takes longer.
    With ``sides``, blocks are looked for in the chains of further outputs too, which text does not call blocks in.
    """
    weighted = {parameter.node for parameter in graph.parameters.values()}
    nest = _grouped(graph, weighted, placed)
    tops = [nest.top, *nest.sides]
    for top in tops:
        assign(top, "", numbered=False, blocks=frozenset(), weighted=weighted)
    nest.inner_outputs()
    whole = Sequence([item for top in tops for item in top.items]) if sides else nest.top
    nest.taps |= unify(whole)
    for top in tops:
        find_option_a(graph, top, nest.taps | nest.outputs.keys())
    families: Mapping[int, Family] = {}
    if blocks is not Blocks.NONE:
        variants = blocks is Blocks.VARIANTS
        families = find_families(graph, whole, _closed(nest), classes or {}, library=library, variants=variants)
    defined = _in_order(whole, families)
    _name(defined, classes or {}, graph.name)
    paths: dict[int, str] = {}
    for top in tops:
        paths.update(assign(top, "", numbered=False, blocks=families.keys(), weighted=weighted))
    return Program(graph, nest, families, defined, paths)


def _grouped(graph: Graph, weighted: Set[int], placed: Set[int]) -> Nest:
    """The nest with labelled groups, each name once."""
    torn: set[tuple[str, ...]] = set()
    while True:
        nest = Nest(graph)
        scopes = Scopes(weighted, placed, nest, torn)
        for top in (nest.top, *nest.sides):
            scopes.group(top)
        found = torn_modules([nest.top, *nest.sides])
        if found <= torn:
            return nest
        torn |= found


def _closed(nest: Nest) -> Set[int]:
    """The groups that can be blocks: taps and outputs in them are for them alone."""
    inner: dict[int, set[int]] = {}
    closed: set[int] = set()
    users: dict[int, list[Sequence]] = {}
    tops = [nest.top, *nest.sides]
    for top in tops:
        for sequence in all_sequences(top):
            if sequence.source is not None:
                users.setdefault(sequence.source, []).append(sequence)
    for top in tops:
        for sequence in all_sequences(top):
            for item in sequence.items:
                if not isinstance(item, Group):
                    continue
                own = inner[id(item)] = {node.index for node in nodes_of(item)}
                below = {id(one) for one in all_sequences(item.body)}
                leaves = False
                for tap, some in users.items():
                    within = [id(user) in below for user in some]
                    # The value at its end can be tapped after the call.
                    if tap in own and not all(within) and (tap != item.body.end or any(within)):
                        leaves = True
                enters = any(
                    one.source is not None and one.source not in own and one.source != item.body.start
                    for one in all_sequences(item.body)
                )
                outputs = any(node in own and node != item.body.end for node in nest.outputs)
                if not leaves and not enters and not outputs:
                    closed.add(id(item))
    return closed


def _in_order(top: Sequence, families: Mapping[int, Family]) -> tuple[Family, ...]:
    """Every block after those that it calls."""
    ordered: dict[int, Family] = {}

    def visit(body: Sequence) -> None:
        for sequence in all_sequences(body):
            for item in sequence.items:
                family = families.get(id(item))
                if family is not None and family.number not in ordered:
                    visit(family.shape.body)
                    ordered[family.number] = family

    visit(top)
    return tuple(ordered.values())


def _name(blocks: tuple[Family, ...], classes: Mapping[str, str], model: str) -> None:
    """The class name where the exporter has left it, else what the block is."""
    taken = {model, *(block.name for block in blocks if block.library is not None)}
    parameters = {one.name for block in blocks for one in block.fit.parameters}
    for block in blocks:
        if block.library is not None:
            continue
        names = {classes.get(member.path, "") for member in block.members} - {"", *CONTAINERS}
        base = snake_case(names.pop()) if len(names) == 1 else _stem(block) or _kind(block)
        # A parameter hides a block of its name.
        block.name = block_name(base, taken, parameters)
        taken.add(block.name)


def _stem(block: Family) -> str:
    """What the labels of its instances have in common: ``inception`` of ``inception3a``, ``inception3b``."""
    stem = os.path.commonprefix([member.path.rpartition(".")[2] for member in block.members]).rstrip("_")  # noqa: RUF071 letters are meant, not folders
    if len(stem) < 4 or stem.lower().rstrip("0123456789") in _TOO_GENERAL:
        return ""
    word = snake_case(stem)
    return word if re.fullmatch(r"[a-z][a-z_]*(_?\d+)?", word) else ""


_TOO_GENERAL = ("layer", "block", "branch", "stage", "conv", "layers", "blocks", "features", "group", "unit")


def _kind(block: Family) -> str:
    items = block.shape.body.items
    if all(isinstance(item, Group) for item in items):
        return "stage"
    nodes = list(nodes_of(block.shape))
    widths = [node.operator for node in nodes if isinstance(node.operator, Conv)]
    if any(isinstance(item, Residual) for item in items):
        inverted = len(widths) > 2 and widths[0].kernel == Size(1, 1) and widths[1].groups == widths[1].channels > 1
        return "inverted_residual" if inverted else "residual_block"
    joins: list[Item] = [item for item in items if isinstance(item, Join)]
    if any(isinstance(item.node.operator, Mul) for item in joins):  # type: ignore[union-attr]
        return "gate"
    if any(isinstance(item.node.operator, Concat) for item in joins):  # type: ignore[union-attr]
        grows = any(isinstance(item, Join) and not all(branch.items for branch in item.branches) for item in joins)
        return "dense_layer" if grows else "branch_block"
    if len(widths) == 1 and isinstance(nodes[-1].operator, AvgPool) and nodes[-1].operator.stride != Size(1, 1):
        return "transition"
    if len(widths) == 2 and widths[0].groups == widths[0].channels > 1 and widths[1].kernel == Size(1, 1):
        return "separable_conv"
    words = [node.operator.name for node in nodes]
    if words[:2] == ["conv", "bn"]:
        return "conv_bn"
    return "_".join(dict.fromkeys(words[:2])) or "part"
