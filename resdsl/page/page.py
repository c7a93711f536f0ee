"""The page itself: one HTML file that needs nothing else, neither a server nor the network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
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
"""In this order, each standing on those before it."""

_FOLLOWING = "live.js"
"""Only for pages from a server: the others have nothing in them that could reach one."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Names and values of CSS variables (``stage-0-fill``: ``#fff4c8``), for light and for dark."""

    light: Mapping[str, str]
    dark: Mapping[str, str]


def page_data(networks: Sequence[Data], comparison: Comparison | None = None) -> Data:
    """All that the page draws: one network, or two and what changed between them (``network_data`` makes them)."""
    return {
        "schema": 1,
        "networks": list(networks),
        "comparison": comparison_data(comparison) if comparison is not None else None,
    }


def render_page(data: Data, *, colours: Colours, version: str = "") -> str:
    """The HTML of a page. Whatever names a specification has, they are text in it and no markup.

    A page with a ``version`` asks the server that it came from for newer ones; others may reach nothing at all.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(asset("page.html.jinja"))
    style, script = _style(colours), _script(*([_FOLLOWING] if version else []))
    # What is marked as markup is ours, its digest stands in the policy, or it is escaped for where it stands.
    return template.render(
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
    """JSON that may stand inside ``<script>``: no character in it can end the element or open a comment."""
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
def asset(name: str) -> str:
    """The text of a file in ``assets``."""
    return (_ASSETS / name).read_text(encoding="utf-8")
