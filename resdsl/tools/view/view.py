"""Interactive pages of one network, or of two side by side."""

from __future__ import annotations

from collections.abc import Mapping

from resdsl.diagnostics import Source
from resdsl.ir.graph import Graph
from resdsl.page.comparison import ChangeCard, Comparison
from resdsl.page.network import network_data
from resdsl.page.page import Colours, Data, page_data, render_page
from resdsl.picture.labels import layer_label
from resdsl.picture.theme import DARK, LIGHT, Theme
from resdsl.review.marks import Mark
from resdsl.review.review import Review
from resdsl.review.sentences import ChangeText, describe_change, totals_table, verdict_line
from resdsl.specification.load import Network, load
from resdsl.specification.specification import Specification
from resdsl.tools.diff.diff import diff


def view(spec: Network, other: Network | None = None) -> str:
    """An interactive HTML page of a network, or of two side by side with their differences.

    The networks are given as for ``resdsl.diff``. The page is self-contained and makes no requests. Raises
    ``CompileError`` if a specification has errors.
    """
    return page_of(view_data(load(spec), None if other is None else load(other)))


def view_data(specification: Specification, other: Specification | None = None) -> Data:
    """The data of a page. Raises ``CompileError`` like ``view``."""
    if other is None:
        return page_data([_network(specification, specification.graph)])
    review = diff(specification, other)
    # The networks as they are compared: in one form, if one is an ONNX file.
    networks = [_network(one, graph) for one, graph in zip((specification, other), review.graphs, strict=True)]
    return page_data(networks, _comparison(review))


def _network(specification: Specification, graph: Graph) -> Data:
    return network_data(graph, _texts(specification), name=specification.source.name, title=layer_label)


def _texts(specification: Specification) -> tuple[Source, ...]:
    """The texts beside the network: none for an ONNX file that the language cannot express."""
    return tuple(specification.program.sources) if specification.source.text else ()


def page_of(data: Data, *, version: str = "") -> str:
    """The page of these data, in the colours of pictures; with a ``version``, it polls its server for updates."""
    return render_page(data, colours=Colours(_colours(LIGHT), _colours(DARK)), version=version)


def _colours(theme: Theme) -> dict[str, str]:
    colours = {name: getattr(theme, name) for name in ("background", "ink", "muted", "line", "hairline", "panel")}
    paints = {"plain": theme.plain}
    paints |= {f"stage-{level}": paint for level, paint in enumerate(theme.stages)}
    paints |= {f"mark-{name}": paint for name, paint in theme.marks.items()}
    for name, paint in paints.items():
        colours |= {f"{name}-fill": paint.fill, f"{name}-stroke": paint.stroke, f"{name}-text": paint.text}
    return colours


def _comparison(review: Review) -> Comparison:
    return Comparison(
        verdict=verdict_line(review),
        forms=review.forms,
        loud=bool(review.checkpoint.silent or review.checkpoint.misplaced),
        totals=tuple((row.name, row.old, row.new, row.difference) for row in totals_table(review)),
        changes=tuple(
            _card(
                describe_change(change, review.old.totals),
                tuple(place.old for place in change.places if place.old is not None),
                tuple(place.new for place in change.places if place.new is not None),
            )
            for change in review.changes
        ),
        marks=_marks(review),
        pairs=_leaf_pairs(review.alignment.pairs, review.graphs),
    )


def _card(change: ChangeText, old: tuple[str, ...], new: tuple[str, ...]) -> ChangeCard:
    details = (f"{sign} {text}" for sign, text in change.details)
    lines = tuple(line for line in (change.where, *details, change.follows, change.cost) if line)
    return ChangeCard(change.sign, change.headline, lines, old, new, change.is_silent)


def _leaf_pairs(pairs: dict[int, int], graphs: tuple[Graph, Graph]) -> dict[int, int]:
    old, new = (_order(graph) for graph in graphs)
    return {old[one]: new[other] for one, other in pairs.items()}


def _order(graph: Graph) -> dict[int, int]:
    return {index: place for place, index in enumerate(graph.root.nodes())}


def _marks(review: Review) -> tuple[dict[int, str], dict[int, str]]:
    """The marks of the leaves that differ, by index in the old and the new network."""
    sides = zip(review.graphs, (review.marks.old, review.marks.new), strict=True)
    old, new = (_leaf_marks(graph, marks) for graph, marks in sides)
    return old, new


def _leaf_marks(graph: Graph, marks: Mapping[int, Mark]) -> dict[int, str]:
    order = _order(graph)
    return {order[index]: str(mark) for index, mark in marks.items() if mark is not Mark.SAME and index in order}
