"""A network as a card for notebooks: its picture, and below it what it is made of, stage by stage."""

from __future__ import annotations

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from resdsl.analysis.quantities import exact, short, size
from resdsl.analysis.summary import Row, Summary, folded
from resdsl.ir.dims import Dim
from resdsl.page.page import asset

_LONGEST = 24
"""Characters of a symbolic count; a longer one says less than that it varies."""


def render_card(summary: Summary, picture: str) -> str:
    """HTML that needs nothing else. The card brings its own light ground along, for notebooks in dark.

    ``picture`` is the text of an SVG file, in light colours.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(asset("card.html.jinja")).render(
        name=summary.name,
        # Drawn by this package, which writes names as text.
        picture=Markup(picture),
        ends=[(summary.input_name, str(summary.input)), *((name, str(type_)) for name, type_ in summary.outputs)],
        totals=[
            ("parameters", exact(summary.cost.parameters)),
            ("MACs", _count(summary.cost.macs)),
            ("activations", _memory(summary.cost.activation_bytes)),
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
        _count(cost.macs) if cost.macs != 0 else "",
    )


def _count(count: Dim) -> str:
    text = short(count)
    return text if len(text) <= _LONGEST else "varies"


def _memory(count: Dim) -> str:
    text = size(count)
    return text if len(text) <= _LONGEST else "varies"
