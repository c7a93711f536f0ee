"""A network in a page of documentation: its picture, and what else a page may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from resdsl.diagnostics import CompileError, Diagnostics, Source
from resdsl.diagnostics.render import render
from resdsl.picture.canvas import Direction
from resdsl.picture.diagram import Detail
from resdsl.picture.theme import THEMES
from resdsl.specification.load import NetworkOptions, load
from resdsl.specification.specification import Specification
from resdsl.tools.draw.draw import draw
from resdsl.untrusted import printable


@dataclass(frozen=True, slots=True)
class Drawing:
    """What to show of a network, in the words of ``resdsl draw``. Raises ``ValueError`` for others."""

    detail: str = Detail.LAYER
    direction: str = Direction.DOWN
    theme: str = "light"
    model: str | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)
    summary: bool = False

    def __post_init__(self) -> None:
        for value, known in ((self.detail, Detail), (self.direction, Direction), (self.theme, THEMES)):
            if value not in list(known):
                raise ValueError(f"'{printable(value, most=80)}' is not one of {', '.join(map(str, known))}")


class DrawingError(Exception):
    """The network has errors. ``text`` has them as the command line shows them, ``line`` is the first's.

    ``html`` is the picture, if shapes and totals alone are not as the text states them; otherwise empty.
    """

    def __init__(self, text: str, line: int | None, html: str = "") -> None:
        super().__init__(text.partition("\n")[0])
        self.text = text
        self.line = line
        self.html = html


def html_of(network: str | Path, drawing: Drawing, *, name: str = "") -> str:
    """A figure with the picture as SVG. ``network`` is a text in the language, the name of a built-in one, or a file.

    ``name`` is that of a text in messages. Raises ``DrawingError``.
    """
    options = NetworkOptions(model=drawing.model, set=drawing.arguments)
    try:
        specification = load(Source(name or "<text>", network) if _is_text(network) else network, **options)  # type: ignore[arg-type]
        html = _figure(specification.as_built(), drawing)
    except CompileError as error:
        raise _error(error.diagnostics) from None
    if specification.unexpected_graph is not None:
        raise _error(specification.diagnostics, html)
    return html


def _figure(specification: Specification, drawing: Drawing) -> str:
    picture = draw(specification, detail=drawing.detail, direction=drawing.direction, theme=drawing.theme).svg()
    summary = f"<pre>{escape(str(specification.summary()))}</pre>" if drawing.summary else ""
    return f'<figure class="resdsl">{picture}{summary}</figure>'


def _error(diagnostics: Diagnostics, html: str = "") -> DrawingError:
    first = next((one.primary.span.position.line for one in diagnostics.errors if one.primary), None)
    return DrawingError(render(diagnostics), first, html)


def _is_text(network: str | Path) -> bool:
    """Whether a text is one in the language: a name or a path has no braces."""
    return isinstance(network, str) and "{" in network


def parse_arguments(text: str) -> dict[str, object]:
    """``classes=10, width=2`` as it is written in an option. Raises ``ValueError``."""
    arguments: dict[str, object] = {}
    for one in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        name, equals, value = one.partition("=")
        if not equals:
            raise ValueError(f"'{printable(one, most=80)}' is not of the form NAME=VALUE")
        arguments[name.strip()] = value.strip()
    return arguments
