"""Render the page: one self-contained HTML file that makes no requests."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from resdsl.page.comparison import Comparison, comparison_data

Data = dict[str, Any]

_ASSETS = Path(__file__).with_name("assets")

_SCRIPTS = (
    "network.js",
    "folding.js",
    "flow.js",
    "layout.js",
    "wires.js",
    "words.js",
    "heat.js",
    "paint.js",
    "canvas.js",
    "camera.js",
    "details.js",
    "changes.js",
    "source.js",
    "search.js",
    "keyboard.js",
    "preferences.js",
    "app.js",
)
"""In the order of their dependencies."""

_FOLLOWING = "live.js"
"""Only in pages from a server; other pages contain no code that makes requests."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Names and values of CSS variables (``stage-0-fill``: ``#fff4c8``) for the light and the dark scheme."""

    light: Mapping[str, str]
    dark: Mapping[str, str]


def page_data(networks: Sequence[Data], comparison: Comparison | None = None) -> Data:
    """The data of a page: one network, or two with their comparison. ``network_data`` makes the networks."""
    return {
        "schema": 1,
        "networks": list(networks),
        "comparison": comparison_data(comparison) if comparison is not None else None,
    }


def render_page(data: Data, *, colours: Colours, version: str = "") -> str:
    """The HTML of a page. All names from specifications are escaped.

    A page with a ``version`` polls its server for newer versions; other pages cannot make requests.
    """
    style, script = _style(colours), _script(*([_FOLLOWING] if version else []))
    # `Markup` is used for our own assets, whose digests are in the policy, and for escaped JSON.
    return template("page.html.jinja").render(
        title=_title(data),
        style=Markup(style),
        script=Markup(script),
        style_digest=_digest(style),
        script_digest=_digest(script),
        data=Markup(_embedded(data)),
        version=version,
    )


def _title(data: Data) -> str:
    names = list(dict.fromkeys(network["name"] for network in data["networks"]))
    return " → ".join(names) or "resdsl"


def _embedded(data: Data) -> str:
    """JSON for a ``<script>`` element, without characters that could end the element or open a comment."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _style(colours: Colours) -> str:
    def declared(values: Mapping[str, str]) -> str:
        return "".join(f"--{name}: {value}; " for name, value in values.items())

    dark = declared(colours.dark)
    themes = (
        f":root {{ {declared(colours.light)}}}\n"
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ {dark}}} }}\n"
        f":root[data-theme=dark] {{ {dark}}}\n"
    )
    return f"\n{themes}{asset('page.css')}"


def _script(*more: str) -> str:
    return "\n" + "\n".join(asset(name) for name in (*more, *_SCRIPTS))


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def template(name: str) -> Template:
    """A template in ``assets``, with escaping."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(asset(name))


@cache
def asset(name: str) -> str:
    """The text of a file in ``assets``."""
    return (_ASSETS / name).read_text(encoding="utf-8")
