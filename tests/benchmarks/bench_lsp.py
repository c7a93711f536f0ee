"""The language server: from a keystroke to diagnostics and shapes, through the protocol."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness import ROOT, Bench, Quantity, Row, Sample, Series
from texts import long_text

_EDITS = 10_000
_OPERATORS = 100_000
_HALF = "conv(8, "


def run(bench: Bench) -> Iterable[Row]:
    """Each edit inserts or removes a blank, or half a statement, in the middle, and waits for both answers."""
    resnet152 = (ROOT / "specs/resnet152.res").read_text(encoding="utf-8")
    for name, text, at_most in (
        ("ResNet-152", resnet152, 0.04),
        ("1,000 lines", long_text(1_000), 0.3),
        ("10,000 lines", long_text(10_000), 2.0),
        (f"{_OPERATORS:,} operators", _many_operators(), 2.0),
    ):
        with _Editor(bench, text) as editor:
            for what, edit in (("diagnostics and hints after a keystroke", " "), ("the same, half a statement", _HALF)):
                # An even number, so that the text is as before; the first ones find nothing kept.
                samples = tuple(editor.edit(edit) for _ in range(2 * (bench.rounds // 2 + 2)))[2:]
                yield Series(samples).row(f"{name}: {what}", by="wall", at_most=at_most)
            if text is resnet152:
                yield from _memory(editor, _EDITS if bench.large else _EDITS // 20)
            else:
                yield _responsive(editor, name)


def _memory(editor: _Editor, edits: int) -> Iterable[Row]:
    """The memory of the server before and after many edits, each answered."""
    before = editor.memory
    for _ in range(edits):
        editor.edit()
    after = editor.memory
    growth = after - before
    yield Row(
        f"memory after {edits:,} edits of ResNet-152",
        Quantity(after, "B"),
        Quantity(before, "B"),
        target="growth <= 10 MiB",
        reached=growth <= 10 * 2**20,
    )


def _responsive(editor: _Editor, name: str) -> Row:
    """How long folding ranges, which need the tree alone, take while an edit is being checked."""
    editor.change()
    start = time.perf_counter()
    editor.ask("textDocument/foldingRange", {"textDocument": {"uri": editor.uri}})
    taken = time.perf_counter() - start
    editor.settle()
    return Row(f"{name}: folding ranges while it is checked", Quantity(taken, "s"), note="parsing alone")


def _many_operators() -> str:
    calls = _OPERATORS // 2
    return (
        "block unit(width) { conv: conv(width, 1x1); relu }\n\nmodel deep {\n  input x: f32[N, 8, 4, 4]\n\n"
        f"  units: {calls} x unit(8)\n  output y\n}}\n"
    )


class _Editor:
    """A client: a server over a pipe, with one file open."""

    def __init__(self, bench: Bench, text: str) -> None:
        self._path = bench.folder / "edited.res"
        self._path.write_text(text, encoding="utf-8")
        self.uri = self._path.as_uri()
        self._process = subprocess.Popen(
            [bench.python, "-m", "resdsl", "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._arrived = threading.Condition()
        self._answers: dict[int, Any] = {}
        self._published = 0
        self._asked = 0
        self._version = 0
        self._line = text.count("\n") // 2
        self._is_longer = False
        threading.Thread(target=self._read, daemon=True).start()
        self.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        self._send("initialized", {})
        document = {"uri": self.uri, "languageId": "res", "version": 0, "text": text}
        self._send("textDocument/didOpen", {"textDocument": document})
        self.settle()

    def __enter__(self) -> _Editor:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def memory(self) -> int:
        """The bytes that the server has in memory now."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024

    def edit(self, text: str = " ") -> Sample:
        """A keystroke, and the wait for its diagnostics and the hints of the whole file."""
        start = time.perf_counter()
        published = self._published
        self.change(text)
        self.settle()
        with self._arrived:
            self._arrived.wait_for(lambda: self._published > published, 120)
        return Sample(time.perf_counter() - start, 0.0)

    def change(self, text: str = " ") -> None:
        """Insert a text at the begin of a line in the middle, or remove it."""
        self._version += 1
        place = {"line": self._line, "character": 0}
        end = {"line": self._line, "character": len(text) if self._is_longer else 0}
        change = {"range": {"start": place, "end": end}, "text": "" if self._is_longer else text}
        self._is_longer = not self._is_longer
        document = {"uri": self.uri, "version": self._version}
        self._send("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})

    def settle(self) -> None:
        """Wait for the hints of the text as it is."""
        whole = {"start": {"line": 0, "character": 0}, "end": {"line": 10**6, "character": 0}}
        self.ask("textDocument/inlayHint", {"textDocument": {"uri": self.uri}, "range": whole})

    def ask(self, method: str, params: object) -> Any:
        """A request, and the wait for its answer."""
        self._asked += 1
        number = self._asked
        self._send(method, params, number)
        with self._arrived:
            if not self._arrived.wait_for(lambda: number in self._answers, 120):
                raise TimeoutError(method)
            return self._answers.pop(number)

    def _send(self, method: str, params: object, number: int | None = None) -> None:
        identity = {} if number is None else {"id": number}
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **identity}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := stream.readline():
            length = 0
            while header.strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                header = stream.readline()
            message = json.loads(stream.read(length))
            with self._arrived:
                if message.get("method") == "textDocument/publishDiagnostics":
                    self._published += 1
                elif "id" in message and "method" not in message:
                    self._answers[message["id"]] = message.get("result")
                self._arrived.notify_all()
