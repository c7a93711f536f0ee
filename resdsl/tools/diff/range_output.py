"""``resdsl diff A...B``: all networks that differ between two revisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from resdsl.analysis.quantities import short
from resdsl.diagnostics import Diagnostics
from resdsl.review.markdown import code_span, escape
from resdsl.review.review import Review
from resdsl.review.sentences import one_line
from resdsl.tools.diff.revision_range import Difference

LONGEST = 65_000
"""Characters of a comment, a little below what GitHub takes: whoever posts it may add a line."""


def told(found: Sequence[Difference], revisions: str, render: Callable[[Review], str]) -> str:
    """Every difference on a terminal."""
    if not found:
        return f"no architectural change in {revisions}\n"
    parts = [render(each.review) if each.review is not None else f"{one_line(_line(each))}\n" for each in found]
    return "\n".join(f"{one_line(each.path)}\n{part}" for each, part in zip(found, parts, strict=True))


def told_in_markdown(found: Sequence[Difference], revisions: str, render: Callable[[Review], str]) -> str:
    """Every difference as one comment; what there is no room for is counted."""
    if not found:
        return f"No architectural change in {code_span(revisions)}.\n"
    text = f"Networks that differ in {code_span(revisions)}: {len(found)}\n"
    for place, each in enumerate(found):
        part = render(each.review) if each.review is not None else f"**{escape(each.model)}**: {escape(_line(each))}\n"
        part = f"\n#### {code_span(each.path)}\n{part}"
        if len(text) + len(part) > LONGEST:
            return f"{text}\n{len(found) - place} more do not fit here.\n"
        text += part
    return text


def told_in_html(found: Sequence[Difference], revisions: str) -> str:
    """Every difference on one page."""
    # jinja2 takes a while to load, and only this needs it.
    from resdsl.review.html import render_html

    others = [f"{each.path}: {_line(each)}" for each in found if each.review is None]
    remarks = others if found else [f"No architectural change in {revisions}."]
    return render_html(*(each.review for each in found if each.review is not None), remarks=remarks)


def data(found: Sequence[Difference], of_review: Callable[[Review], dict[str, object]]) -> list[dict[str, object]]:
    return [
        {
            "path": each.path,
            "model": each.model,
            "kind": _kind(each),
            "review": None if each.review is None else of_review(each.review),
        }
        for each in found
    ]


def mistakes(found: Sequence[Difference]) -> Diagnostics:
    """Of all that cannot be built."""
    gathered = Diagnostics()
    for each in found:
        if each.mistakes is not None:
            gathered.extend(each.mistakes)
    return gathered


def _kind(difference: Difference) -> str:
    if difference.mistakes is not None:
        return "broken"
    if difference.review is not None:
        return "changed"
    return "new" if difference.new else "gone"


def _line(difference: Difference) -> str:
    if difference.mistakes is not None:
        return f"cannot be compared: {difference.mistakes.errors[0].message}"
    assert difference.network is not None
    graph = difference.network.graph
    # A symbolic count is too long for one line.
    macs = f"{short(graph.macs)} MACs" if isinstance(graph.macs, int) else "MACs by the size of the image"
    size = f"{short(graph.parameter_count)} parameters, {macs}, depth {graph.depth}"
    return f"+ new: {size}" if difference.new else f"- gone: {size}"
