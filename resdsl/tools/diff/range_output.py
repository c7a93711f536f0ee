"""Output of ``resdsl diff A...B``: all networks that differ between two revisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from resdsl.analysis.quantities import short
from resdsl.diagnostics import Diagnostics
from resdsl.review.markdown import code_span, escape
from resdsl.review.review import Review
from resdsl.review.sentences import one_line
from resdsl.tools.diff.revision_range import Difference

LONGEST = 65_000
"""Maximum number of characters of a comment. GitHub accepts 65,536; the action adds a line."""


def text(differences: Sequence[Difference], revisions: str, render: Callable[[Review], str]) -> str:
    """Every difference, for a terminal."""
    if not differences:
        return f"no architectural change in {revisions}\n"
    parts = [render(each.review) if each.review is not None else f"{one_line(_line(each))}\n" for each in differences]
    return "\n".join(f"{one_line(each.path)}\n{part}" for each, part in zip(differences, parts, strict=True))


def markdown(differences: Sequence[Difference], revisions: str, render: Callable[[Review], str]) -> str:
    """Every difference in one comment of at most ``LONGEST`` characters; the rest are counted."""
    if not differences:
        return f"No architectural change in {code_span(revisions)}.\n"
    text = f"Networks that differ in {code_span(revisions)}: {len(differences)}\n"
    for index, each in enumerate(differences):
        part = render(each.review) if each.review is not None else f"**{escape(each.model)}**: {escape(_line(each))}\n"
        part = f"\n#### {code_span(each.path)}\n{part}"
        if len(text) + len(part) > LONGEST:
            return f"{text}\n{len(differences) - index} more do not fit here.\n"
        text += part
    return text


def html(differences: Sequence[Difference], revisions: str) -> str:
    """Every difference on one page."""
    # jinja2 is slow to import, and only needed here.
    from resdsl.review.html import render_html

    others = [f"{each.path}: {_line(each)}" for each in differences if each.review is None]
    remarks = others if differences else [f"No architectural change in {revisions}."]
    return render_html(*(each.review for each in differences if each.review is not None), remarks=remarks)


def data(
    differences: Sequence[Difference], of_review: Callable[[Review], dict[str, object]]
) -> list[dict[str, object]]:
    """Every difference as JSON data."""
    return [
        {
            "path": each.path,
            "model": each.model,
            "kind": _kind(each),
            "review": None if each.review is None else of_review(each.review),
        }
        for each in differences
    ]


def diagnostics(differences: Sequence[Difference]) -> Diagnostics:
    """The diagnostics of all networks that cannot be built."""
    collected = Diagnostics()
    for each in differences:
        if each.diagnostics is not None:
            collected.extend(each.diagnostics)
    return collected


def _kind(difference: Difference) -> str:
    if difference.diagnostics is not None:
        return "broken"
    if difference.review is not None:
        return "changed"
    return "new" if difference.new else "gone"


def _line(difference: Difference) -> str:
    if difference.diagnostics is not None:
        first = difference.diagnostics.errors[0]
        return "; ".join((f"cannot be compared: {first.message}", *map(str, first.helps)))
    assert difference.network is not None
    graph = difference.network.graph
    # A symbolic count is too long for one line.
    macs = f"{short(graph.macs)} MACs" if isinstance(graph.macs, int) else "MACs by the size of the image"
    size = f"{short(graph.parameter_count)} parameters, {macs}, depth {graph.depth}"
    return f"+ new: {size}" if difference.new else f"- gone: {size}"
