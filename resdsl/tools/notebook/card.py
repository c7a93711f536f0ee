"""A specification as a notebook shows it."""

from __future__ import annotations

from html import escape

from resdsl.diagnostics import CompileError
from resdsl.diagnostics.render import render
from resdsl.page.card import render_card
from resdsl.specification.specification import Specification


def card(specification: Specification) -> str:
    """HTML for a cell of a notebook: the picture and the summary, or what is wrong with the text."""
    try:
        summary = specification.summary()
    except CompileError as error:
        # Notebooks give `pre` the letters of their prose.
        style = "font-family: monospace; line-height: 1.3; white-space: pre; overflow-x: auto"
        return f'<pre style="{style}">{escape(render(error.diagnostics, width=100))}</pre>'
    try:
        picture = specification.draw(direction="right").svg()
    except CompileError:
        # Too large to be drawn; the table is no larger than the text.
        picture = ""
    return render_card(summary, picture)
