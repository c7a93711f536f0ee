"""The Python side of the playground, in Pyodide: the language server, and what the panels show."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

from resdsl.analysis.smallest_input import smallest_input
from resdsl.diagnostics import CompileError, Source
from resdsl.ops.opaque import opaque_text
from resdsl.specification.load import load
from resdsl.specification.specification import Specification
from resdsl.tools.draw.draw import compared, draw
from resdsl.tools.lsp.server import server
from resdsl.tools.summary import formats
from resdsl.tools.view.view import view
from resdsl.untrusted import printable

Send = Callable[[str], None]


class Playground:
    """One page. ``send`` takes the messages of the language server, as JSON."""

    def __init__(self, send: Send) -> None:
        self._protocol = server().protocol
        self._protocol.set_writer(_Writer(send), include_headers=False)

    def message(self, text: str) -> None:
        """A message of the editor to the language server."""
        self._protocol.handle_message(json.loads(text, object_hook=self._protocol.structure_message))

    def opened(self, path: str) -> str:
        """An ONNX file as JSON: ``{text}``, ``{text, file}`` where the text is but a comment, or ``{problem}``.

        The structure alone is read. Without the onnx library, what the language does not have may have no shapes.
        """
        name = Path(path).name
        try:
            network = load(Path(path))
            if network.source.text:
                return json.dumps({"text": network.source.text})
            unknown = opaque_text(network.graph.nodes)
        except CompileError as error:
            # The folder is the worker's own.
            return json.dumps({"problem": str(error).replace(printable(path), name)})
        reason = f"does not have {unknown}" if unknown else "cannot nest so deeply, or the network is too large"
        lines = textwrap.wrap(
            f"{name} is shown beside this text. It cannot be written as one: the language {reason}.", 90
        )
        return json.dumps({"text": "".join(f"# {line}\n" for line in lines), "file": path})

    def panel(self, request: str) -> str:
        """What a panel shows of a text, as JSON: ``{problem}``, or what its name says.

        The request is ``{panel, text, old, theme}``; with ``old`` the panel compares that text with ``text``. ``file``
        is the path of an ONNX file that is shown in place of ``text``.
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


def _new(asked: dict[str, str]) -> Specification:
    return load(Path(asked["file"])) if "file" in asked else _network(asked["text"])


def _old(asked: dict[str, str]) -> Specification:
    return _network(asked["old"], "old.res")


def _network(text: str, name: str = "network.res") -> Specification:
    """The only network of a text, or its first without errors.

    Shapes and totals follow a changed layer later, or not at all: they are no reason to show an earlier network.
    """
    models = load(Source(name, text)).models
    problem: CompileError | None = None
    for model in models if len(models) > 1 else (None,):
        network = load(Source(name, text), model=model)
        network.compares = False
        try:
            return network.as_built()
        except CompileError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _picture(asked: dict[str, str]) -> dict[str, str]:
    network, theme = _new(asked), asked["theme"]
    picture = compared(_old(asked), network, theme=theme) if "old" in asked else draw(network, theme=theme)
    return {"svg": picture.svg()}


def _explorer(asked: dict[str, str]) -> dict[str, str]:
    network = _new(asked)
    return {"html": view(_old(asked), network) if "old" in asked else view(network)}


def _summary(asked: dict[str, str]) -> dict[str, object]:
    network = _new(asked)
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
