"""Fold repeats: equal consecutive elements become one with a count, dense layers become a ``Dense``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from resdsl.picture.diagram import Block, Box, Branch, Branches, Dense, Element, Kind, Offshoot, Series, Skip, walk

_FEWEST_BOXES = 4
"""Minimum number of equal boxes to fold; fewer take no more room than a frame with a count."""

_FEWEST_DENSE = 3
"""Minimum number of consecutive dense layers that are drawn as a dense block."""

_SHOWN_DENSE = 4
"""Maximum number of layers shown of a folded dense block; of more, the first two and the last are shown."""

_MOST_ARCS = 12
"""Maximum number of dense layers with all arcs; beyond that, each layer only has the arc around itself."""


def boxes(series: Series) -> int:
    """The number of boxes to draw."""
    return sum(isinstance(item, Box) for item in walk(series))


def folded(series: Series) -> Series:
    """The series with equal neighbours folded."""
    items = [_inside(item, folded) for item in _dense(series.items, fold=True)]
    return Series(tuple(_repeats(items)))


def expanded(series: Series) -> Series:
    """The series with all repeats expanded; dense layers become blocks if their arcs remain distinguishable."""
    return Series(tuple(_inside(item, expanded) for item in _dense(series.items, fold=False)))


def _inside(item: Element, change: Callable[[Series], Series]) -> Element:
    if isinstance(item, Branches):
        return replace(item, branches=tuple(Branch(change(branch.body), branch.source) for branch in item.branches))
    if isinstance(item, Skip):
        shortcut = None if item.shortcut is None else change(item.shortcut)
        # `start` counts items of the main path: if the shortcut starts inside, they are not folded.
        return replace(item, main=change(item.main) if not item.start else item.main, shortcut=shortcut)
    if isinstance(item, Block | Offshoot):
        return replace(item, body=change(item.body))
    if isinstance(item, Dense):
        return replace(item, layers=tuple(change(layer) for layer in item.layers))
    return item


def _repeats(items: Sequence[Element]) -> Iterator[Element]:
    for item, group in groupby(items):
        members = list(group)
        closed = isinstance(item, Box) and bool(item.notes)
        fewest = _FEWEST_BOXES if isinstance(item, Box) and not closed else 2
        if len(members) < fewest or not isinstance(item, Box | Block | Branches | Skip):
            yield from members
            continue
        nodes = tuple(node for member in members if not isinstance(member, Offshoot) for node in _nodes(member))
        last = members[-1].value
        if isinstance(item, Box) and closed:
            end = members[-1]
            assert isinstance(end, Box)
            yield replace(item, text=f"{len(members)} x {item.text}", notes=end.notes, nodes=nodes, value=last)
        elif isinstance(item, Block):
            yield replace(item, count=len(members), nodes=nodes, value=last)
        else:
            yield Block("", Series((item,)), len(members), nodes=nodes, value=last)


def _nodes(item: Element) -> tuple[int, ...]:
    return item.nodes if isinstance(item, Box | Block | Branches | Skip | Dense) else ()


def _dense(items: Sequence[Element], *, fold: bool) -> Iterator[Element]:
    for dense, group in groupby(items, _is_dense):
        members = list(group)
        if not dense or len(members) < _FEWEST_DENSE or (not fold and len(members) > _MOST_ARCS):
            yield from members
        else:
            yield _block(members, fold=fold)


def _block(members: Sequence[Element], *, fold: bool) -> Dense:
    blocks = [member for member in members if isinstance(member, Block)]
    layers = [skip.main for block in blocks for skip in block.body.items if isinstance(skip, Skip)]
    omitted = len(layers) - 3 if fold and len(layers) > _SHOWN_DENSE and _alike(layers) else 0
    shown = layers if not omitted else [*layers[:2], layers[-1]]
    nodes = tuple(node for block in blocks for node in block.nodes)
    return Dense(blocks[0].name, tuple(shown), omitted, nodes, blocks[-1].value)


def _alike(layers: Iterable[Series]) -> bool:
    return len(list(groupby(layers))) == 1


def _is_dense(item: Element) -> bool:
    """Whether an element concatenates its input with the output of its layers."""
    if not isinstance(item, Block) or len(item.body.items) != 1:
        return False
    (skip,) = item.body.items
    return isinstance(skip, Skip) and skip.sign == "concat" and skip.kind is Kind.IDENTITY and skip.start == 0
