"""A language server in a process of its own, and a client of another project that drives it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient

_SECONDS = 60.0


class Editor:
    """An editor with open files. Marks ``|`` in a text are places of the cursor, and no part of it."""

    def __init__(self, client: LanguageClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.versions: dict[str, int] = {}
        self.texts: dict[str, str] = {}

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    async def open(self, name: str, text: str) -> types.Position:
        """Open a file; gives the place of its mark."""
        before, mark, after = text.partition("|")
        content = before + after if mark else text
        (self.folder / name).write_text(content)
        self.texts[name] = content
        self.versions[name] = 0
        self.client.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(self.uri(name), "res", 0, content))
        )
        return self.place(before) if mark else types.Position(0, 0)

    @staticmethod
    def place(before: str) -> types.Position:
        line = before.rpartition("\n")[2]
        return types.Position(before.count("\n"), len(line.encode("utf-16-le")) // 2)

    def change(self, name: str, changes: list[types.TextDocumentContentChangeEvent]) -> None:
        self.versions[name] += 1
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self.versions[name], self.uri(name)), changes
            )
        )

    def replace(self, name: str, text: str) -> None:
        self.texts[name] = text
        self.change(name, [types.TextDocumentContentChangeWholeDocument(text)])

    async def diagnostics(self, name: str, *, wanted: Any = None) -> list[types.Diagnostic]:
        """The diagnostics of a file, when they fit; by default the next ones."""
        deadline = asyncio.get_running_loop().time() + _SECONDS
        while True:
            found = self.client.diagnostics.get(self.uri(name))
            if found is not None and (wanted is None or wanted(found)):
                return list(found)
            assert asyncio.get_running_loop().time() < deadline, found
            await asyncio.sleep(0.01)

    def document(self, name: str) -> types.TextDocumentIdentifier:
        return types.TextDocumentIdentifier(self.uri(name))

    def whole(self, name: str) -> types.Range:
        return types.Range(types.Position(0, 0), types.Position(self.texts[name].count("\n") + 1, 0))

    def applied(self, name: str, edits: Any) -> str:
        """The text after edits, as an editor applies them."""
        text = self.texts[name]
        starts = [0]
        for line in text.split("\n"):
            starts.append(starts[-1] + len(line) + 1)

        def offset(position: types.Position) -> int:
            line = text.split("\n")[position.line] if position.line < len(starts) - 1 else ""
            units = line.encode("utf-16-le")[: 2 * position.character].decode("utf-16-le")
            return min(starts[min(position.line, len(starts) - 1)] + len(units), len(text))

        for edit in sorted(edits, key=lambda one: offset(one.range.start), reverse=True):
            text = text[: offset(edit.range.start)] + edit.new_text + text[offset(edit.range.end) :]
        return text


@pytest_lsp.fixture(config=ClientServerConfig(server_command=[sys.executable, "-m", "resdsl", "lsp"]), scope="module")
async def client(lsp_client: LanguageClient, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    """One server for the tests of a file; each test has a folder of its own in its workspace."""
    capabilities = types.ClientCapabilities(
        workspace=types.WorkspaceClientCapabilities(
            workspace_edit=types.WorkspaceEditClientCapabilities(
                document_changes=True,
                change_annotation_support=types.ChangeAnnotationsSupportOptions(),
            ),
        ),
        text_document=types.TextDocumentClientCapabilities(
            completion=types.CompletionClientCapabilities(
                completion_item=types.ClientCompletionItemOptions(
                    snippet_support=True, documentation_format=[types.MarkupKind.Markdown]
                )
            ),
            hover=types.HoverClientCapabilities(content_format=[types.MarkupKind.Markdown]),
            signature_help=types.SignatureHelpClientCapabilities(
                signature_information=types.ClientSignatureInformationOptions(
                    documentation_format=[types.MarkupKind.Markdown]
                )
            ),
        ),
        general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf16]),
    )
    root = tmp_path_factory.mktemp("work")
    lsp_client.root = root
    await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=capabilities,
            root_uri=root.as_uri(),
            workspace_folders=[types.WorkspaceFolder(root.as_uri(), "work")],
        )
    )
    yield
    await lsp_client.shutdown_session()


@pytest_asyncio.fixture(loop_scope="module")
async def editor(client: LanguageClient) -> AsyncIterator[Editor]:
    folder = client.root / f"test{len(list(client.root.iterdir()))}"  # type: ignore[attr-defined]
    folder.mkdir()
    one = Editor(client, folder)
    yield one
    for name in one.texts:
        client.text_document_did_close(types.DidCloseTextDocumentParams(one.document(name)))
