"""A review as a self-contained HTML file without scripts, fonts or requests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from resdsl.review.checkpoint import Fit
from resdsl.review.review import Review
from resdsl.review.sentences import describe_change, totals_table, verdict_line, weights_line, weights_notes
from resdsl.review.side_by_side import side_by_side

_TEMPLATE = Path(__file__).with_name("review.html.jinja")


def render_html(*reviews: Review, remarks: Sequence[str] = ()) -> str:
    """A page with one or more reviews. All text from specifications is escaped.

    ``remarks`` are shown at the top, for networks without a review.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    titles = [_title(review) for review in reviews]
    return template.render(
        title=titles[0] if len(titles) == 1 else f"{len(titles)} networks changed",
        remarks=remarks,
        pages=[_page(review) for review in reviews],
        classes={"+": "added", "-": "removed", "~": "changed", ">": "moved", "=": "renamed", " ": "same"},
        signs={
            "added": "+",
            "removed": "−",
            "changed": "~",
            "inside": "~",
            "moved": "→",
            "renamed": "=",
            "follows": "·",
            "same": "",
        },
    )


def _title(review: Review) -> str:
    return f"{review.old.name} → {review.new.name}" if review.old.name != review.new.name else review.new.name


def _page(review: Review) -> dict[str, object]:
    verdict = review.checkpoint
    loud = bool(verdict.silent or verdict.misplaced)
    return {
        "title": _title(review),
        "review": review,
        "verdict": verdict_line(review),
        "rows": totals_table(review),
        "changes": [describe_change(change, review.old.totals) for change in review.changes],
        "weights": weights_line(review),
        "weights_class": "loud" if loud else "good" if verdict.fit is Fit.FULLY else "fair",
        "notes": list(weights_notes(review)),
        "lines": side_by_side(review) if review.is_architectural else (),
    }
