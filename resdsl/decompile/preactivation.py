"""Residual blocks that start with a norm, of which one projects from behind it.

In a pre-activation network the first block of a stage has its shortcut after the first norm and activation, the others
around them. Both are one block: the value is tapped, and the projection starts from it.
"""

from __future__ import annotations

from resdsl.decompile.tree import Group, Item, Op, Residual, Sequence, all_sequences


def unify(top: Sequence) -> set[int]:
    """Draw the items before a projection into the residual, where another block has them there.

    Gives the nodes that are tapped.
    """
    groups = [item for sequence in all_sequences(top) for item in sequence.items if isinstance(item, Group)]
    starts = {_names(item.main.items) for group in groups if (item := _only(group, 0)) is not None}
    tapped: set[int] = set()
    for group in groups:
        for count in (2, 1):
            residual = _only(group, count)
            before = group.body.items[:count]
            if residual is None or not residual.shortcut.items or residual.shortcut.source is not None:
                continue
            if not all(isinstance(item, Op) for item in before):
                continue
            if _names([*before, *residual.main.items]) not in starts:
                continue
            fork = before[-1].node.index  # type: ignore[union-attr]
            residual.main.items[:0] = before
            residual.main.start = group.body.start
            residual.shortcut.source = residual.shortcut.start = fork
            del group.body.items[:count]
            tapped.add(fork)
            break
    return tapped


def _only(group: Group, place: int) -> Residual | None:
    """The residual that a group has after ``place`` operators, if these are all that stand before it."""
    items = group.body.items
    item = items[place] if len(items) > place else None
    return item if isinstance(item, Residual) else None


def _names(items: list[Item]) -> tuple[str, ...]:
    return tuple(
        f"{type(item.node.operator).__name__} {item.path.rpartition('.')[2]}"
        if isinstance(item, Op)
        else type(item).__name__
        for item in items
    )
