"""Pictures in Markdown pages of MkDocs, Zensical and others that use the fences of PyMdown Extensions.

In ``mkdocs.yml``::

    markdown_extensions:
      - pymdownx.superfences:
          custom_fences:
            - name: res-draw
              class: resdsl
              format: !!python/name:resdsl.tools.publish.mkdocs_fence.fence
              validator: !!python/name:resdsl.tools.publish.mkdocs_fence.validate

A fence holds a text, or the name of a built-in network: ``{ .res-draw detail=stage set="classes=10" }``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from html import escape

from resdsl.tools.publish.drawing import Drawing, DrawingError, html_of, parse_arguments

_OPTIONS = ("detail", "direction", "theme", "model", "set", "summary")


def validate(
    _language: str, inputs: Mapping[str, str], options: dict[str, str], _attributes: object, _markdown: object
) -> bool:
    """Sort what a fence was given into options and attributes. Called by PyMdown Extensions."""
    for name, value in inputs.items():
        if name not in _OPTIONS:
            return False
        options[name] = value
    return True


def fence(
    source: str, _language: str, _css_class: str, options: Mapping[str, str], _markdown: object, **_others: object
) -> str:
    """The HTML of a fence. An error in the text is a warning of the build, and shown in the page.

    Above the picture, if shapes and totals alone are not as the text states them.
    """
    try:
        arguments = parse_arguments(options.get("set", ""))
        chosen = {name: options[name] for name in ("detail", "direction", "theme", "model") if name in options}
        drawing = Drawing(**chosen, arguments=arguments, summary="summary" in options)
        return html_of(source if "{" in source else source.strip(), drawing)
    except (DrawingError, ValueError) as error:
        text, html = (error.text, error.html) if isinstance(error, DrawingError) else (str(error), "")
        logging.getLogger("mkdocs.resdsl").warning("%s", text.rstrip())
        return f"<pre>{escape(text)}</pre>{html}"
