"""Display a specification in a notebook."""

from __future__ import annotations

from html import escape

from resdsl.diagnostics import CompileError, Diagnostics
from resdsl.diagnostics.render import render
from resdsl.page.card import render_card
from resdsl.specification.specification import Specification
from resdsl.tools.draw.draw import draw

# Without it, notebooks use the text font for `pre`.
_STYLE = "font-family: monospace; line-height: 1.3; white-space: pre; overflow-x: auto"


def display(specification: Specification) -> dict[str, str]:
    """The picture and the summary as HTML, and the picture as SVG for other front ends; or the errors in the text.

    Both where shapes and totals alone are not as the text states them.
    """
    if specification.unexpected_graph is not None:
        shown = display(specification.as_built())
        return {**shown, "text/html": _card(specification.diagnostics) + shown["text/html"]}
    try:
        summary = specification.summary()
    except CompileError as error:
        return {"text/html": _card(error.diagnostics)}
    try:
        # Front ends without HTML show only this picture, so it runs downwards.
        shown = {"image/svg+xml": draw(specification).svg()}
        picture = draw(specification, direction="right").svg()
    except CompileError:
        # Too large to draw.
        shown, picture = {}, ""
    return {"text/html": render_card(summary, picture), **shown}


def error_card(diagnostics: Diagnostics) -> dict[str, str]:
    """Errors and warnings, for notebooks and for terminals."""
    return {"text/html": _card(diagnostics), "text/plain": render(diagnostics, width=100)}


def _card(diagnostics: Diagnostics) -> str:
    return f'<pre style="{_STYLE}">{escape(render(diagnostics, width=100))}</pre>'
