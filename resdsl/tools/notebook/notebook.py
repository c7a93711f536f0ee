"""A specification as a notebook shows it."""

from __future__ import annotations

from html import escape

from resdsl.diagnostics import CompileError
from resdsl.diagnostics.render import render
from resdsl.page.card import render_card
from resdsl.specification.specification import Specification
from resdsl.tools.draw.draw import draw

# Without it, notebooks give `pre` the font of their prose.
_STYLE = "font-family: monospace; line-height: 1.3; white-space: pre; overflow-x: auto"


def display(specification: Specification) -> dict[str, str]:
    """Picture and summary as HTML, and the picture as SVG where HTML is not known; or the errors in the text."""
    try:
        summary = specification.summary()
    except CompileError as error:
        return {"text/html": f'<pre style="{_STYLE}">{escape(render(error.diagnostics, width=100))}</pre>'}
    try:
        # A notebook that knows no HTML has room downwards.
        shown = {"image/svg+xml": draw(specification).svg()}
        picture = draw(specification, direction="right").svg()
    except CompileError:
        # Too large to be drawn; the table is no larger than the text.
        shown, picture = {}, ""
    return {"text/html": render_card(summary, picture), **shown}
