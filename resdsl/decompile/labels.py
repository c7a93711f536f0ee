"""Which operators need a label, and which are named by their place.

In a labelled group what has no label is named by its position, as in ``nn.Sequential``; in the body of a block or model
by its operator (``conv``, ``conv_2``). Operators without weights need no label, unless their name is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from resdsl.decompile.tree import Group, Item, Join, Op, Residual, Sequence, join_name


def assign(top: Sequence, prefix: str, *, numbered: bool, blocks: Set[int], weighted: Set[int]) -> Mapping[int, str]:
    """Set the label of every operator and group below, and give the path of each node as the elaborator names it.

    ``blocks`` are the groups (by identity) that are calls of blocks: their bodies name as a block does.
    """
    paths: dict[int, str] = {}
    _body(top, prefix, numbered, blocks, weighted, paths)
    return paths


class _Naming:
    """As ``elaborate.context.Naming``: what a child without a label is called."""

    def __init__(self, prefix: str, numbered: bool, labels: Set[str], joins: Set[str]) -> None:
        """``labels`` are those that tensors and groups ask for, ``joins`` the names that joins have without one."""
        self.prefix = prefix
        self._labels = labels
        self._numbered = numbered
        self._position = 0
        self._counts: dict[str, int] = {}
        self._taken = labels | joins
        self._used: set[str] = set()

    def labelled(self, label: str) -> str:
        self._position += 1
        self._used.add(label)
        return label

    def child(self, name: str, wanted: str, known: str = "") -> tuple[str, str]:
        """Label and name of a child: no label where it gets the name ``wanted``, or any that is free, by its place.

        ``known`` is what the file calls it, if it has to have a label.
        """
        if not self._numbered:
            count = self._counts.get(name, 0)
            free = self.named(name)
            if free not in self._labels:
                return "", free
            # Its name is the label of another: a norm that was split into two operators, of which one has its weights.
            self._counts[name] = count
            label = self._unused(name)
            return self.labelled(label), label
        free = str(self._position)
        if free == wanted or (not wanted and self._is_free(free)):
            self._position += 1
            self._used.add(free)
            return "", free
        label = wanted or (known if known and self._is_free(known) else self._unused(name))
        return self.labelled(label), label

    def named(self, name: str) -> str:
        count = self._counts[name] = self._counts.get(name, 0) + 1
        return name if count == 1 else f"{name}_{count}"

    def _is_free(self, label: str) -> bool:
        return label not in self._taken and label not in self._used

    def _unused(self, name: str) -> str:
        label, count = name, 1
        while not self._is_free(label):
            count += 1
            label = f"{name}_{count}"
        return label


def _body(
    body: Sequence, prefix: str, numbered: bool, blocks: Set[int], weighted: Set[int], paths: dict[int, str]
) -> None:
    here = _named_here(body)
    taken = {label for item in here if (label := _wanted(item, prefix, weighted))}
    _sequence(body, _Naming(prefix, numbered, taken, _names_of_joins(here)), numbered, blocks, weighted, paths)


def _names_of_joins(items: list[Item]) -> set[str]:
    """The names that joins and the scales of residuals get, which have no labels."""
    naming = _Naming("", False, frozenset(), frozenset())
    names: set[str] = set()
    for item in items:
        if isinstance(item, Join):
            names.add(naming.named(join_name(item.node)))
        elif isinstance(item, Residual):
            names |= {naming.named("add"), *([] if item.scale is None else [naming.named("scale")])}
    return names


def _named_here(sequence: Sequence) -> list[Item]:
    """The items whose names are in one namespace: those of a body, and of the joins in it."""
    found: list[Item] = []
    stack = [sequence]
    while stack:
        for item in stack.pop().items:
            found.append(item)
            if isinstance(item, Join):
                stack += item.branches
            elif isinstance(item, Residual):
                stack += [item.main, item.shortcut]
    return found


def _wanted(item: Item, prefix: str, weighted: Set[int]) -> str:
    """The label that the name of a tensor asks for; empty for what has none."""
    if isinstance(item, Group):
        return item.path.removeprefix(prefix)
    if isinstance(item, Op) and item.node.index in weighted:
        return item.path.removeprefix(prefix)
    return ""


def _sequence(
    sequence: Sequence, naming: _Naming, numbered: bool, blocks: Set[int], weighted: Set[int], paths: dict[int, str]
) -> None:
    for item in sequence.items:
        wanted = _wanted(item, naming.prefix, weighted)
        if isinstance(item, Op):
            name = item.node.operator.name or "value"
            if wanted and not numbered:
                item.label = naming.labelled(wanted)
                paths[item.node.index] = naming.prefix + wanted
            else:
                known = item.path.removeprefix(naming.prefix)
                item.label, own = naming.child(name, wanted, "" if "." in known else known)
                paths[item.node.index] = naming.prefix + own
        elif isinstance(item, Group):
            if numbered and id(item) in blocks:
                item.label, own = naming.child("group", wanted)
            else:
                item.label = own = naming.labelled(wanted)
            inner = f"{naming.prefix}{own}."
            _body(item.body, inner, id(item) not in blocks, blocks, weighted, paths)
        elif isinstance(item, Join):
            for branch in item.branches:
                _sequence(branch, naming, numbered, blocks, weighted, paths)
            paths[item.node.index] = naming.prefix + naming.named(join_name(item.node))
        else:
            _sequence(item.main, naming, numbered, blocks, weighted, paths)
            _sequence(item.shortcut, naming, numbered, blocks, weighted, paths)
            if item.scale is not None:
                paths[item.scale.index] = naming.prefix + naming.named("scale")
            paths[item.node.index] = naming.prefix + naming.named("add")
