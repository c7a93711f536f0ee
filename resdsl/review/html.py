"""A review as one HTML file that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from resdsl.review.checkpoint import Fit
from resdsl.review.compare import Review
from resdsl.review.side_by_side import side_by_side
from resdsl.review.told import rows, tell, verdict_line, weights_line, weights_notes

_TEMPLATE = Path(__file__).with_name("review.html.jinja")


def render_html(review: Review) -> str:
    """The page. Everything that comes from a specification is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    verdict = review.checkpoint
    loud = bool(verdict.silent or verdict.misplaced)
    return template.render(
        review=review,
        title=f"{review.old.name} → {review.new.name}" if review.old.name != review.new.name else review.new.name,
        verdict=verdict_line(review),
        rows=rows(review),
        changes=[tell(change) for change in review.changes],
        weights=weights_line(review),
        weights_class="loud" if loud else "good" if verdict.fit is Fit.FULLY else "fair",
        notes=list(weights_notes(review)),
        lines=side_by_side(review) if review.is_architectural else (),
        classes={"+": "added", "-": "removed", "~": "changed", ">": "moved", "=": "moved", " ": "same"},
        signs={
            "added": "+",
            "removed": "−",
            "changed": "~",
            "inside": "~",
            "moved": "→",
            "follows": "·",
            "same": "",
        },
    )
