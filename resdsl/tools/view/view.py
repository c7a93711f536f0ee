"""A specification as a page to explore, and two of them beside each other."""

from __future__ import annotations

from resdsl.ir.graph import Graph
from resdsl.ops.join import Join
from resdsl.page.comparison import Comparison, Told
from resdsl.page.network import network_data
from resdsl.page.page import Colours, Data, page_data, render_page
from resdsl.picture.labels import layer_label
from resdsl.picture.theme import DARK, LIGHT, Theme
from resdsl.review.compare import Review, compare
from resdsl.review.told import Told as ToldChange
from resdsl.review.told import rows, tell, verdict_line
from resdsl.specification.revision import Reviewed, reviewed
from resdsl.specification.specification import Specification


def view(spec: Reviewed, other: Reviewed | None = None) -> str:
    """An HTML page on which the network can be explored; with an ``other``, the two side by side and what changed.

    The two are as for ``resdsl.diff``. The page is whole in itself: it needs no server and reaches nothing. Raises
    ``CompileError`` where one of the two has mistakes.
    """
    return page_of(view_data(reviewed(spec), None if other is None else reviewed(other)))


def view_data(specification: Specification, other: Specification | None = None) -> Data:
    """What the page draws, as plain data. Raises ``CompileError`` as ``view`` does."""
    given = [specification] if other is None else [specification, other]
    networks = [network_data(one.graph, one.program.sources, name=one.source.name, title=layer_label) for one in given]
    return page_data(networks, _comparison(specification, other) if other is not None else None)


def page_of(data: Data, *, version: str = "") -> str:
    """The page of these data, in the colours of our pictures; a ``version`` makes it follow a server."""
    return render_page(data, colours=Colours(_colours(LIGHT), _colours(DARK)), version=version)


def _colours(theme: Theme) -> dict[str, str]:
    found = {name: getattr(theme, name) for name in ("background", "ink", "muted", "line", "hairline", "panel")}
    paints = {"plain": theme.plain}
    paints |= {f"stage-{level}": paint for level, paint in enumerate(theme.stages)}
    paints |= {f"mark-{name}": paint for name, paint in theme.marks.items()}
    for name, paint in paints.items():
        found |= {f"{name}-fill": paint.fill, f"{name}-stroke": paint.stroke, f"{name}-text": paint.text}
    return found


def _comparison(old: Specification, new: Specification) -> Comparison:
    review = compare(old.graph, new.graph, sources=(old.source.name, new.source.name))
    return Comparison(
        verdict=verdict_line(review),
        loud=bool(review.checkpoint.silent or review.checkpoint.misplaced),
        totals=tuple((row.name, row.old, row.new, row.difference) for row in rows(review)),
        changes=tuple(
            _told(
                tell(change, review.old.totals),
                tuple(place.old for place in change.places if place.old is not None),
                tuple(place.new for place in change.places if place.new is not None),
            )
            for change in review.changes
        ),
        marks=_marks(review),
        pairs=_places(review.alignment.pairs, review.graphs),
    )


def _told(told: ToldChange, old: tuple[str, ...], new: tuple[str, ...]) -> Told:
    details = (f"{sign} {text}" for sign, text in told.details)
    lines = tuple(line for line in (told.where, *details, told.follows, told.cost) if line)
    return Told(told.sign, told.headline, lines, old, new, told.is_silent)


def _places(pairs: dict[int, int], graphs: tuple[Graph, Graph]) -> dict[int, int]:
    old, new = (_order(graph) for graph in graphs)
    return {old[one]: new[other] for one, other in pairs.items()}


def _order(graph: Graph) -> dict[int, int]:
    return {index: place for place, index in enumerate(graph.root.nodes())}


def _marks(review: Review) -> tuple[dict[int, str], dict[int, str]]:
    """What became of each layer, by its place in the order of the old and of the new network."""
    old, new = review.graphs
    before, after = _order(old), _order(new)
    pairs, back, moved = review.alignment.pairs, review.alignment.back, review.alignment.moved
    marks: tuple[dict[int, str], dict[int, str]] = ({}, {})
    marks[0].update({before[node.index]: "removed" for node in old.nodes if node.index not in pairs})
    marks[1].update({after[node.index]: "added" for node in new.nodes if node.index not in back})
    weighted = {parameter.node for parameter in new.parameters.values()}
    for one, other in pairs.items():
        was, node = old.nodes[one], new.nodes[other]
        renamed = other in weighted and was.path != node.path
        # Whether a sum has two or three inputs is no other operator to the graph, and yet a change.
        joins_more = isinstance(node.operator, Join) and len(was.inputs) != len(node.inputs)
        if other in moved:
            mark = "moved"
        elif was.operator != node.operator or renamed or joins_more:
            mark = "changed"
        elif was.type != node.type:
            mark = "follows"
        else:
            continue
        marks[0][before[one]] = marks[1][after[other]] = mark
    return marks
