"""A Sphinx extension: ``extensions = ["resdsl.tools.publish.sphinx_directive"]``, then ``.. res::``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from resdsl.tools.publish.drawing import Drawing, DrawingError, html_of, parse_arguments
from resdsl.version import __version__

_LOG = logging.getLogger(__name__)


class ResDirective(SphinxDirective):
    """Draws a network: the text in the directive, a file relative to the page, or a built-in network.

    An error in the text is a warning of the build, at its line, and shown in the page: above the picture, if shapes
    and totals alone are not as the text states them.
    """

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = {
        "detail": directives.unchanged,
        "direction": directives.unchanged,
        "theme": directives.unchanged,
        "model": directives.unchanged,
        "set": directives.unchanged,
        "summary": directives.flag,
        "source": directives.flag,
        "alt": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        given = {name: self.options[name] for name in ("detail", "direction", "theme", "model") if name in self.options}
        text = "\n".join(self.content)
        try:
            arguments = parse_arguments(self.options.get("set", ""))
            drawing = Drawing(**given, arguments=arguments, summary="summary" in self.options)
        except ValueError as problem:
            raise self.error(str(problem)) from None
        if bool(text) == bool(self.arguments):
            raise self.error("`res` takes a text, or the name of a file or of a built-in network")
        network, source = (text, text) if text else self._named(self.arguments[0])
        shown: list[nodes.Node] = []
        if "source" in self.options:
            block = nodes.literal_block(source, source)
            block["language"] = "res"
            shown.append(block)
        try:
            html = html_of(network, drawing, name=self.env.docname)
        except DrawingError as error:
            line = self.content_offset + (error.line or 1) if text else self.lineno
            _LOG.warning("%s", error.text.rstrip(), location=(self.env.docname, line), type="resdsl")
            shown.append(nodes.literal_block(error.text, error.text))
            return [*shown, nodes.raw("", error.html, format="html")] if error.html else shown
        picture = nodes.raw("", html, format="html")
        # Builders that have no HTML show the text.
        return [*shown, picture] if "source" in self.options else [picture, nodes.raw("", source, format="text")]

    def _named(self, name: str) -> tuple[str | Path, str]:
        """A file beside the page, or a built-in network; and its text."""
        relative, absolute = self.env.relfn2path(name)
        if Path(absolute).is_file():
            self.env.note_dependency(relative)
            return Path(absolute), Path(absolute).read_text(encoding="utf-8", errors="replace")
        return name, name


def setup(app: Sphinx) -> dict[str, object]:
    """Called by Sphinx."""
    app.add_directive("res", ResDirective)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
