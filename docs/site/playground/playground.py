"""The Python side of the playground, in Pyodide: the language server, and what the panels show."""

from __future__ import annotations

import json
from collections.abc import Callable

from resdsl.analysis.smallest_input import smallest_input
from resdsl.diagnostics import CompileError, Source
from resdsl.specification.load import load
from resdsl.specification.specification import Specification
from resdsl.tools.draw.draw import compared, draw
from resdsl.tools.lsp.server import server
from resdsl.tools.summary import formats
from resdsl.tools.view.view import view

Send = Callable[[str], None]


class Playground:
    """One page. ``send`` takes the messages of the language server, as JSON."""

    def __init__(self, send: Send) -> None:
        self._protocol = server().protocol
        self._protocol.set_writer(_Writer(send), include_headers=False)

    def message(self, text: str) -> None:
        """A message of the editor to the language server."""
        self._protocol.handle_message(json.loads(text, object_hook=self._protocol.structure_message))

    def panel(self, request: str) -> str:
        """What a panel shows of a text, as JSON: ``{problem}``, or what its name says.

        The request is ``{panel, text, old, theme}``; with ``old`` the panel compares that text with ``text``.
        """
        asked = json.loads(request)
        try:
            return json.dumps(_PANELS[asked["panel"]](asked))
        except CompileError as error:
            return json.dumps({"problem": str(error)})
        except RecursionError:
            return json.dumps({"problem": "this text nests too deeply for a browser"})


class _Writer:
    """Where the language server writes, as pygls wants it."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def write(self, data: bytes | str) -> None:
        self._send(data if isinstance(data, str) else data.decode())

    def close(self) -> None:
        """Nothing to close."""


def _network(text: str, name: str = "network.res") -> Specification:
    """The only network of a text, or its first."""
    specification = load(Source(name, text))
    specification.check()
    models = list(specification.checked)
    return load(Source(name, text), model=models[0]) if len(models) > 1 else specification


def _picture(asked: dict[str, str]) -> dict[str, str]:
    network, theme = _network(asked["text"]), asked["theme"]
    picture = (
        compared(_network(asked["old"], "old.res"), network, theme=theme)
        if "old" in asked
        else draw(network, theme=theme)
    )
    return {"svg": picture.svg()}


def _explorer(asked: dict[str, str]) -> dict[str, str]:
    network = _network(asked["text"])
    return {"html": view(_network(asked["old"], "old.res"), network) if "old" in asked else view(network)}


def _summary(asked: dict[str, str]) -> dict[str, object]:
    network = _network(asked["text"])
    summary, smallest = network.summary(), smallest_input(network.graph)
    return {
        "heading": formats.heading(summary),
        "columns": formats.HEADINGS,
        "numbers": formats.NUMBERS_FROM,
        "rows": formats.cells(summary),
        "totals": formats.totals(summary, smallest),
    }


_PANELS: dict[str, Callable[[dict[str, str]], object]] = {
    "picture": _picture,
    "explorer": _explorer,
    "summary": _summary,
}
