"""Blocks: groups that are instances of one body, with the arguments in which they differ."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from resdsl.decompile.embed import Binding, Embedder
from resdsl.decompile.fit import COUNTS, Called, Fit, fit
from resdsl.decompile.library import LibraryBlock, find
from resdsl.decompile.tree import Group, Item, Op, Residual, Sequence, all_sequences, nodes_of
from resdsl.ir.graph import Graph

LONGEST_LIST = 2
"""Calls of one block in a row that a block may have; groups with longer lists are stages."""

ROUNDS = 20


@dataclass(eq=False, slots=True)
class Family:
    """A block: ``shape`` is the instance that has everything, ``bindings`` map it to each of ``members``."""

    number: int
    shape: Group
    members: list[Group]
    bindings: list[Binding]
    kinds: Counter[type] = field(default_factory=Counter)
    """The operators of the shape, counted."""
    fit: Fit = field(default_factory=Fit)
    library: LibraryBlock | None = None
    """The block of the standard library that it is."""
    name: str = ""

    def call(self, member: Group) -> Called:
        """The arguments with which the block is this member."""
        return Called(self.fit.parameters, self.fit.arguments[self.members.index(member)])


def find_families(
    graph: Graph, top: Sequence, closed: Set[int], classes: Mapping[str, str], *, library: bool, variants: bool
) -> dict[int, Family]:
    """The blocks that make the text shorter, by the identity of each group that is an instance of one.

    ``closed`` are the groups (by identity) that no value enters or leaves but the current one, ``classes`` the
    classes of modules by path. With ``library``, a block of the standard library is taken where it is the same;
    without ``variants``, all instances of a block have all of its items.
    """
    groups = _groups(top)
    weighted = frozenset(parameter.node for parameter in graph.parameters.values())
    refused: set[tuple[str, ...]] = set()
    for _ in range(ROUNDS):
        families = _families(graph, groups, closed, refused, weighted, classes, library=library, variants=variants)
        wasteful = _wasteful(families, top)
        if not wasteful:
            return _one_of_each(families)
        refused |= wasteful
    return {}


def _one_of_each(families: dict[int, Family]) -> dict[int, Family]:
    """The same blocks, those of the standard library each as one: its members may differ in more than a block may."""
    first: dict[LibraryBlock, Family] = {}
    for family in dict.fromkeys(families.values()):
        if family.library is None:
            continue
        known = first.setdefault(family.library, family)
        if known is not family:
            known.members += family.members
            known.bindings += family.bindings
            known.fit.arguments += family.fit.arguments
    return {group: family if family.library is None else first[family.library] for group, family in families.items()}


def _groups(top: Sequence) -> list[Group]:
    """All groups, the inner ones first."""
    found = [item for sequence in all_sequences(top) for item in sequence.items if isinstance(item, Group)]
    found.reverse()
    return found


def _families(
    graph: Graph,
    groups: list[Group],
    closed: Set[int],
    refused: Set[tuple[str, ...]],
    weighted: frozenset[int],
    classes: Mapping[str, str],
    *,
    library: bool,
    variants: bool,
) -> dict[int, Family]:
    by_group: dict[int, Family] = {}
    number_of: dict[int, int] = {}
    embedder = Embedder(number_of, weighted, classes, variants)
    candidates: list[Family] = []
    parts: dict[int, list[Family]] = {}
    count = 0
    for level in _levels(groups):
        changed: dict[int, Family] = {}
        for group in level:
            if id(group) not in closed or embedder.longest_run(group) > LONGEST_LIST:
                continue
            family = next((one for one in candidates if _join(embedder, one, group)), None)
            if family is None:
                itself = embedder.embed(group, group)
                if itself is None:
                    continue
                family = Family(0, group, [group], [itself])
                candidates.append(family)
            changed[id(family)] = family
        for family in changed.values():
            # What was found before is found anew with the new members.
            for part in parts.pop(id(family), ()):
                for member in part.members:
                    del by_group[id(member)], number_of[id(member)]
            if len(family.members) < 2 or tuple(sorted(one.path for one in family.members)) in refused:
                continue
            for part in _fitted(graph, family, embedder, by_group, library=library):
                if tuple(sorted(one.path for one in part.members)) in refused:
                    continue
                count += 1
                part.number = count
                parts.setdefault(id(family), []).append(part)
                for member in part.members:
                    by_group[id(member)] = part
                    number_of[id(member)] = count
    return by_group


def _fitted(
    graph: Graph, family: Family, embedder: Embedder, known: Mapping[int, Family], *, library: bool
) -> list[Family]:
    """The family with its parameters; where it would need too many, the parts of it whose members differ in less."""
    called = {
        id(item): known[id(item)].call(item)
        for member in family.members
        for sequence in all_sequences(member.body)
        for item in sequence.items
        if isinstance(item, Group) and id(item) in known
    }
    for key in (_anything, _kind, _exactly):
        parts: dict[tuple[object, ...], list[Group]] = {}
        for member in family.members:
            parts.setdefault(key(member), []).append(member)
        fitted: list[Family] = []
        for members in parts.values():
            shape = max(members, key=_richness) if family.shape not in members else family.shape
            bindings = [embedder.embed(member, shape) for member in members]
            if len(members) < 2 or any(one is None for one in bindings):
                continue
            part = Family(0, shape, members, [one for one in bindings if one is not None])
            found = fit(graph, part.shape, part.members, part.bindings, called)
            if found is not None:
                part.fit = found
                shared = find(graph, members, embedder.weighted) if library else None
                if shared is not None:
                    part.fit, part.library = shared.fit, shared.block
                    part.name = shared.block.name
                fitted.append(part)
        if fitted:
            return fitted
    return []


def _anything(_: Group) -> tuple[object, ...]:
    return ()


def _kind(group: Group) -> tuple[object, ...]:
    """All that its operators are called with but counts of channels."""
    return tuple(
        getattr(node.operator, one.name)
        for node in nodes_of(group)
        for one in dataclasses.fields(node.operator)
        if one.name not in COUNTS
    )


def _exactly(group: Group) -> tuple[object, ...]:
    return tuple(node.operator for node in nodes_of(group))


def _levels(groups: list[Group]) -> list[list[Group]]:
    """Groups by how deep others nest in them, so that what a block contains is known before it."""
    height: dict[int, int] = {}
    levels: list[list[Group]] = []
    for group in groups:
        inner = (item for sequence in all_sequences(group.body) for item in sequence.items if isinstance(item, Group))
        own = height[id(group)] = 1 + max((height[id(item)] for item in inner), default=-1)
        while len(levels) <= own:
            levels.append([])
        levels[own].append(group)
    # The order of the text, in which the first instance names what follows.
    return [list(reversed(level)) for level in levels]


def _join(embedder: Embedder, family: Family, group: Group) -> bool:
    """Make a group a member, where it has the items of the family's shape, or the shape some of the group's."""
    kinds = Counter(type(node.operator) for node in nodes_of(group))
    if not family.kinds:
        family.kinds = Counter(type(node.operator) for node in nodes_of(family.shape))
    # What has other operators needs no closer look; most groups are told apart so.
    fits_in, contains = kinds <= family.kinds, family.kinds <= kinds
    if not fits_in and not contains:
        return False
    binding = embedder.embed(group, family.shape) if fits_in else None
    if binding is not None and not _is_richer(group, family.shape):
        family.members.append(group)
        family.bindings.append(binding)
        return True
    larger = contains and embedder.embed(family.shape, group) is not None
    bindings = [embedder.embed(member, group) for member in family.members] if larger else [None]
    own = embedder.embed(group, group)
    if own is None or any(one is None for one in bindings):
        if binding is None:
            return False
        family.members.append(group)
        family.bindings.append(binding)
        return True
    family.shape, family.kinds = group, kinds
    family.members.append(group)
    family.bindings = [one for one in bindings if one is not None] + [own]
    return True


def _is_richer(group: Group, other: Group) -> bool:
    """Whether a group has shortcuts where the other has identities, so that it shows more."""
    return _richness(group) > _richness(other)


def _richness(group: Group) -> int:
    return sum(1 for _ in nodes_of(group))


def statements(sequence: Sequence, families: Mapping[int, Family]) -> int:
    """Statements of a sequence as it is written: a call of a block is one."""
    count = 0
    for item in sequence.items:
        count += 1
        if isinstance(item, Group):
            if id(item) not in families:
                count += statements(item.body, families)
        elif isinstance(item, Residual):
            count += statements(item.main, families)
            count += 0 if item.zeros else statements(item.shortcut, families)
        elif not isinstance(item, Op):
            count += sum(statements(branch, families) for branch in item.branches)
    return count


def _wasteful(families: Mapping[int, Family], top: Sequence) -> set[tuple[str, ...]]:
    """The blocks that are not called often enough for what they save, by the paths of their members."""
    calls: dict[int, int] = {}
    needed: set[int] = set()
    by_number = {family.number: family for family in families.values()}
    for caller in (None, *by_number.values()):
        for item in _written(top if caller is None else caller.shape.body, families):
            family = families.get(id(item))
            if family is None:
                continue
            calls[family.number] = calls.get(family.number, 0) + 1
            if caller is not None and _moves(item, caller):
                needed.add(family.number)
    costs: dict[tuple[str, ...], float] = {}
    single: set[tuple[str, ...]] = set()
    for number, family in by_number.items():
        if number in needed or family.library is not None:
            continue
        size = statements(family.shape.body, families)
        count, parameters = calls.get(number, 0), len(family.fit.parameters)
        given = sum(one.default is None for one in family.fit.parameters) + 0.5 * sum(
            one.default is not None for one in family.fit.parameters
        )
        key = tuple(sorted(one.path for one in family.members))
        costs[key] = size + 1 + 0.5 * parameters + count * (1 + 0.15 * given) - count * size
        if count < 2:
            single.add(key)
    if single:
        return single
    # One at a time: what it contains may be worth more without it.
    worst = max(costs, key=lambda key: costs[key], default=())
    return {worst} if worst and costs[worst] >= 0 else set()


def _moves(item: Item, caller: Family) -> bool:
    """Whether a call has another number in some instances of a block, so that only its place can name it."""
    found = (binding.items.get(id(item)) for binding in caller.bindings)
    return len({one.path.rpartition(".")[2] for one in found if isinstance(one, Group)}) > 1


def _written(body: Sequence, families: Mapping[int, Family]) -> list[Item]:
    """The items that stand in a body as it is written, without those in the blocks that it calls."""
    found: list[Item] = []
    stack = [body]
    while stack:
        for item in stack.pop().items:
            found.append(item)
            if isinstance(item, Group):
                if id(item) not in families:
                    stack.append(item.body)
            elif isinstance(item, Residual):
                stack += [item.main] if item.zeros else [item.main, item.shortcut]
            elif not isinstance(item, Op):
                stack += item.branches
    return found
