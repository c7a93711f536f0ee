"""A network as a card for notebooks: its picture, and a summary by stage below it."""

from __future__ import annotations

from markupsafe import Markup

from resdsl.analysis.quantities import exact, short, size
from resdsl.analysis.summary import Row, Summary, folded
from resdsl.page.page import template

_LONGEST = 24
"""Maximum length of a symbolic count; longer ones are shown as `varies`."""


def render_card(summary: Summary, picture: str) -> str:
    """Self-contained HTML. The card has a light background of its own, for dark notebooks.

    ``picture`` is the text of an SVG file in light colours.
    """
    return template("card.html.jinja").render(
        name=summary.name,
        # Written by `resdsl.picture`, which escapes names.
        picture=Markup(picture),
        ends=[(summary.input_name, str(summary.input)), *((name, str(type_)) for name, type_ in summary.outputs)],
        totals=[
            ("parameters", exact(summary.cost.parameters)),
            ("MACs", _bounded(short(summary.cost.macs))),
            ("activations", _bounded(size(summary.cost.activation_bytes))),
            ("depth", str(summary.depth)),
        ],
        rows=[_cells(row) for row in folded(summary.rows)],
    )


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    cost = row.cost
    path = f"{row.path} … {row.last}" if row.count > 1 else row.path
    return (
        path,
        row.text,
        str(row.output),
        short(cost.parameters) if cost.parameters else "",
        _bounded(short(cost.macs)) if cost.macs != 0 else "",
    )


def _bounded(text: str) -> str:
    return text if len(text) <= _LONGEST else "varies"
