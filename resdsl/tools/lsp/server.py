"""The language server: requests of the protocol, answered from the newest analysis of a text."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls import uris
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol

from resdsl.diagnostics import ResdslError
from resdsl.tools.check.fix import fix
from resdsl.tools.lsp import picture, programs
from resdsl.tools.lsp.analysis import Analysis, Settings
from resdsl.tools.lsp.documents import Documents, Superseded
from resdsl.tools.lsp.features import (
    actions,
    completion,
    diagnostics,
    formatting,
    hierarchy,
    hints,
    hover,
    navigation,
    outline,
    semantic_tokens,
)
from resdsl.tools.lsp.settings import BadSetting, settings_of
from resdsl.version import __version__

_CONTENT_MODIFIED = -32801
_REQUEST_FAILED = -32803
"""Error codes of the protocol, for what lsprotocol has no name."""

_ASYNC_SECONDS = 5.0

Answer = TypeVar("Answer")


class _Protocol(LanguageServerProtocol):
    """pygls keeps what became of each notification for ever, some 2 kB for an edit; this one forgets it at its end."""

    def _execute_handler(self, msg_id: str | int, *arguments: Any, **options: Any) -> None:
        super()._execute_handler(msg_id, *arguments, **options)
        future = self._request_futures.get(msg_id)
        if future is not None:
            future.add_done_callback(lambda _: self._request_futures.pop(msg_id, None))


class Server(LanguageServer):
    """The state of one connection."""

    def __init__(self) -> None:
        super().__init__(
            "resdsl",
            __version__,
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
            protocol_cls=_Protocol,
        )
        self.documents = Documents(self._publish)
        self.picked: dict[str, dict[str, str]] = {}
        """For each document, the call whose shapes are shown in a block."""
        self.configuration: object = {}
        self._told: set[str] = set()

    def _publish(self, uri: str) -> None:
        analysis = self.documents.parsed(uri)
        if analysis is not None:
            self.text_document_publish_diagnostics(
                types.PublishDiagnosticsParams(uri, diagnostics.diagnostics(analysis))
            )

    def settings(self, path: Path | None) -> Settings:
        """The settings for a file; an invalid one is reported once, and ignored."""
        try:
            return settings_of(self.configuration, path)
        except BadSetting as problem:
            self.tell(str(problem), types.MessageType.Warning, once=True)
            return Settings()

    def tell(self, message: str, kind: types.MessageType = types.MessageType.Info, *, once: bool = False) -> None:
        if once and message in self._told:
            return
        self._told.add(message)
        self.window_show_message(types.ShowMessageParams(kind, message))

    @property
    def folders(self) -> list[Path]:
        paths = [uris.to_fs_path(uri) for uri in self.workspace.folders]
        return [Path(path) for path in paths if path]

    async def analysed(self, uri: str) -> Analysis | None:
        """The newest analysis. The request fails as outdated if the text changes meanwhile."""
        try:
            return await self.documents.analysed(uri)
        except Superseded:
            raise JsonRpcException("the text has changed", _CONTENT_MODIFIED) from None


def server() -> Server:
    """A server with every feature, that has not started."""
    # That a text has changed is an answer, and no failure of the server whose traceback editors should log.
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_failure)
    one = Server()
    one.documents.settings = one.settings
    _register_life(one)
    _register_reading(one)
    _register_names(one)
    _register_text(one)
    _register_commands(one)
    _register_picture(one)
    return one


def _is_failure(record: logging.LogRecord) -> bool:
    return record.exc_info is None or not isinstance(record.exc_info[1], JsonRpcException)


def _register_life(one: Server) -> None:
    @one.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        options = params.initialization_options
        one.configuration = options.get("resdsl", options) if isinstance(options, dict) else {}

    @one.feature(types.INITIALIZED)
    async def initialized(_params: types.InitializedParams) -> None:
        one.documents.encoding = str(
            getattr(one.server_capabilities.position_encoding, "value", one.server_capabilities.position_encoding)
            or "utf-16"
        )
        await configure()

    @one.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def configuration_changed(params: types.DidChangeConfigurationParams) -> None:
        if isinstance(params.settings, dict) and params.settings.get("resdsl"):
            one.configuration = params.settings["resdsl"]
        await configure()

    async def configure() -> None:
        workspace = one.client_capabilities.workspace
        if workspace is not None and workspace.configuration:
            items = [types.ConfigurationItem(section="resdsl")]
            try:
                answer = await asyncio.wait_for(
                    one.workspace_configuration_async(types.ConfigurationParams(items)), _ASYNC_SECONDS
                )
            except (TimeoutError, JsonRpcException):
                answer = []
            if answer and answer[0]:
                one.configuration = answer[0]
        one.documents.analyse_all()

    @one.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        one.documents.set_text(params.text_document.uri, params.text_document.text)

    @one.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        one.documents.change(params.text_document.uri, params.content_changes)

    @one.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        one.documents.close(uri)
        one.picked.pop(uri, None)
        one.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    @one.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def files_changed(_params: types.DidChangeWatchedFilesParams) -> None:
        one.documents.analyse_all()

    @one.feature(types.SHUTDOWN)
    def shut_down(_params: None) -> None:
        one.documents.shut_down()


def _register_reading(one: Server) -> None:
    """What is shown beside a text."""

    @one.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    async def inlay_hints(params: types.InlayHintParams) -> list[types.InlayHint] | None:
        uri = params.text_document.uri
        analysis = await one.analysed(uri)
        return None if analysis is None else hints.inlay_hints(analysis, params.range, one.picked.get(uri, {}))

    @one.feature(types.TEXT_DOCUMENT_CODE_LENS)
    async def code_lenses(params: types.CodeLensParams) -> list[types.CodeLens] | None:
        uri = params.text_document.uri
        analysis = await one.analysed(uri)
        return None if analysis is None else hints.code_lenses(analysis, one.picked.get(uri, {}))

    @one.feature(types.TEXT_DOCUMENT_HOVER)
    async def hovered(params: types.HoverParams) -> types.Hover | None:
        uri = params.text_document.uri
        analysis = await one.analysed(uri)
        return None if analysis is None else hover.hover(analysis, params.position, one.picked.get(uri, {}))

    @one.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol] | None:
        analysis = await one.analysed(params.text_document.uri)
        return None if analysis is None else outline.document_symbols(analysis)

    @one.feature(
        types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL,
        semantic_tokens.LEGEND,
    )
    def tokens(params: types.SemanticTokensParams) -> types.SemanticTokens | None:
        analysis = one.documents.parsed(params.text_document.uri)
        return None if analysis is None else semantic_tokens.semantic_tokens(analysis)

    @one.feature(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_RANGE, semantic_tokens.LEGEND)
    def tokens_of_range(params: types.SemanticTokensRangeParams) -> types.SemanticTokens | None:
        analysis = one.documents.parsed(params.text_document.uri)
        return None if analysis is None else semantic_tokens.semantic_tokens(analysis, params.range)

    @one.feature(types.TEXT_DOCUMENT_FOLDING_RANGE)
    def folding(params: types.FoldingRangeParams) -> list[types.FoldingRange] | None:
        analysis = one.documents.parsed(params.text_document.uri)
        return None if analysis is None else outline.folding_ranges(analysis)

    @one.feature(types.TEXT_DOCUMENT_SELECTION_RANGE)
    def selections(params: types.SelectionRangeParams) -> list[types.SelectionRange] | None:
        analysis = one.documents.parsed(params.text_document.uri)
        return None if analysis is None else outline.selection_ranges(analysis, params.positions)

    @one.feature(types.TEXT_DOCUMENT_DOCUMENT_LINK)
    def document_links(params: types.DocumentLinkParams) -> list[types.DocumentLink] | None:
        analysis = one.documents.parsed(params.text_document.uri)
        return None if analysis is None else outline.links(analysis)


def _register_names(one: Server) -> None:
    """Names: where they are defined and used."""

    def others() -> list[Analysis]:
        return one.documents.workspace(one.folders)

    @one.feature(types.TEXT_DOCUMENT_DEFINITION)
    def definition(params: types.DefinitionParams) -> types.Location | None:
        analysis = one.documents.parsed(params.text_document.uri)
        return None if analysis is None else navigation.definition(analysis, params.position)

    @one.feature(types.TEXT_DOCUMENT_REFERENCES)
    def references(params: types.ReferenceParams) -> list[types.Location] | None:
        analysis = one.documents.parsed(params.text_document.uri)
        if analysis is None:
            return None
        wanted = params.context.include_declaration
        return navigation.references(analysis, others(), params.position, with_definition=wanted)

    @one.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    def highlights(params: types.DocumentHighlightParams) -> list[types.DocumentHighlight] | None:
        analysis = one.documents.parsed(params.text_document.uri)
        return None if analysis is None else navigation.highlights(analysis, params.position)

    @one.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def prepare_rename(params: types.PrepareRenameParams) -> types.Range | None:
        analysis = one.documents.parsed(params.text_document.uri)
        return None if analysis is None else navigation.prepare_rename(analysis, params.position)

    @one.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    async def rename(params: types.RenameParams) -> types.WorkspaceEdit | None:
        analysis = await one.analysed(params.text_document.uri)
        if analysis is None:
            return None
        workspace = one.client_capabilities.workspace
        annotated = bool(workspace and workspace.workspace_edit and workspace.workspace_edit.change_annotation_support)
        try:
            edit = navigation.rename(analysis, others(), params.position, params.new_name, annotated=annotated)
        except navigation.CannotRename as reason:
            raise JsonRpcException(str(reason), _REQUEST_FAILED) from None
        named = analysis.names.at(analysis.positions.offset(params.position))
        if not annotated and named is not None:
            warning = navigation.changed_tensors(analysis, named, params.new_name)
            if warning:
                one.tell(warning, types.MessageType.Warning)
        return edit

    @one.feature(types.TEXT_DOCUMENT_PREPARE_CALL_HIERARCHY)
    def prepare_calls(params: types.CallHierarchyPrepareParams) -> list[types.CallHierarchyItem] | None:
        analysis = one.documents.parsed(params.text_document.uri)
        return None if analysis is None else hierarchy.prepare(analysis, params.position)

    def analysis_of(uri: str) -> Analysis | None:
        known = one.documents.parsed(uri)
        path = uris.to_fs_path(uri)
        if known is not None or path is None:
            return known
        return next((analysis for analysis in others() if analysis.source.path == Path(path)), None)

    @one.feature(types.CALL_HIERARCHY_INCOMING_CALLS)
    def incoming(params: types.CallHierarchyIncomingCallsParams) -> list[types.CallHierarchyIncomingCall] | None:
        known = others()
        return hierarchy.incoming(known[0], known[1:], params.item) if known else None

    @one.feature(types.CALL_HIERARCHY_OUTGOING_CALLS)
    def outgoing(params: types.CallHierarchyOutgoingCallsParams) -> list[types.CallHierarchyOutgoingCall] | None:
        analysis = analysis_of(params.item.uri)
        return None if analysis is None else hierarchy.outgoing(analysis, params.item)

    @one.feature(types.WORKSPACE_SYMBOL)
    def workspace_symbols(params: types.WorkspaceSymbolParams) -> list[types.WorkspaceSymbol]:
        return navigation.workspace_symbols(others(), params.query)


def _register_text(one: Server) -> None:
    """What writes text."""

    @one.feature(
        types.TEXT_DOCUMENT_COMPLETION,
        types.CompletionOptions(trigger_characters=["(", ",", '"', "/", "=", " "]),
    )
    def complete(params: types.CompletionParams) -> list[types.CompletionItem] | None:
        analysis = one.documents.parsed(params.text_document.uri)
        if analysis is None:
            return None
        asked = one.client_capabilities.text_document
        options = asked.completion.completion_item if asked and asked.completion else None
        return completion.for_client(
            completion.completions(analysis, params.position),
            snippets=bool(options and options.snippet_support),
            markdown=types.MarkupKind.Markdown in ((options and options.documentation_format) or ()),
        )

    @one.feature(types.TEXT_DOCUMENT_SIGNATURE_HELP, types.SignatureHelpOptions(trigger_characters=["(", ","]))
    def signature(params: types.SignatureHelpParams) -> types.SignatureHelp | None:
        analysis = one.documents.parsed(params.text_document.uri)
        return None if analysis is None else completion.signature_help(analysis, params.position)

    @one.feature(types.TEXT_DOCUMENT_FORMATTING)
    def format_all(params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        analysis = one.documents.parsed(params.text_document.uri)
        return None if analysis is None else formatting.formatted(analysis)

    @one.feature(types.TEXT_DOCUMENT_RANGE_FORMATTING)
    def format_range(params: types.DocumentRangeFormattingParams) -> list[types.TextEdit] | None:
        analysis = one.documents.parsed(params.text_document.uri)
        return None if analysis is None else formatting.formatted(analysis, params.range)

    @one.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions([types.CodeActionKind.QuickFix, actions.FIX_ALL]),
    )
    async def code_actions(params: types.CodeActionParams) -> list[types.CodeAction] | None:
        uri = params.text_document.uri
        analysis = await one.analysed(uri)
        if analysis is None:
            return None
        wanted = params.context.only
        found = []
        if wanted is None or types.CodeActionKind.QuickFix in wanted:
            found += actions.quick_fixes(analysis, uri, params.range)
            found += actions.restatements(analysis, uri, params.range)
        # Looking for all fixes takes many checks, so only on request.
        if wanted is not None and any(actions.FIX_ALL.startswith(str(getattr(one, "value", one))) for one in wanted):
            fixed = fix(analysis.source)
            if fixed.applied:
                found.append(actions.fix_all(analysis, uri, fixed.after.text))
        return found


def _register_commands(one: Server) -> None:
    @one.command(hints.PICK_CALL)
    async def pick_call(uri: str, block: str) -> None:
        analysis = await one.analysed(uri)
        definition = analysis.module.definitions.get(block) if analysis is not None else None
        if analysis is None or definition is None:
            return
        titles = {f"{path}: {text}": path for path, text in hints.calls_of(analysis, definition).items()}
        items = [types.MessageActionItem(title) for title in titles]
        question = f"Show the shapes of which call of {block}?"
        answer = await one.window_show_message_request_async(
            types.ShowMessageRequestParams(types.MessageType.Info, question, items)
        )
        if answer is not None and answer.title in titles:
            one.picked.setdefault(uri, {})[block] = titles[answer.title]
            await _refresh(one)

    @one.command("resdsl.setCall")
    async def set_call(uri: str, block: str, path: str) -> None:
        one.picked.setdefault(uri, {})[block] = path
        await _refresh(one)

    def program(name: str, run: Callable[..., Awaitable[programs.Done]]) -> None:
        @one.command(f"resdsl.{name}")
        async def command(uri: str, *arguments: str) -> dict[str, object]:
            path = uris.to_fs_path(uri)
            if path is None:
                raise JsonRpcException("only files can be compiled, drawn and compared", _REQUEST_FAILED)
            done = await run(Path(path), *arguments)
            kind = types.MessageType.Info if done.succeeded else types.MessageType.Error
            one.tell(done.message.splitlines()[-1] if done.message else f"resdsl {name}: done", kind)
            return {"succeeded": done.succeeded, "message": done.message, "output": str(done.output or "")}

    program("compile", programs.compile_file)
    program("draw", programs.draw_file)
    program("compare", programs.compare_file)


def _register_picture(one: Server) -> None:
    """Requests that are not of the protocol, for editors that show the picture beside the text."""

    @one.feature("resdsl/picture")
    async def draw(params: Any) -> dict[str, object]:
        """``{uri, theme, compare}`` -> ``{svg, unexpected}`` or ``{problem}``; ``compare`` is a revision of git.

        ``unexpected`` has a sentence for each shape and total that is not as the text states it.
        """
        uri = params.uri
        analysis = await one.analysed(uri)
        if analysis is None:
            return {"problem": "the file is not open"}
        revision = getattr(params, "compare", None) or ""
        theme = getattr(params, "theme", "light")
        try:
            drawn = await one.documents.drawn(picture.svg, analysis, theme, revision)
        except (ResdslError, ValueError) as problem:
            return {"problem": str(problem)}
        if drawn is None:
            return {"problem": "the text has errors"}
        return {"svg": drawn, "unexpected": analysis.unexpected}

    @one.feature("resdsl/place")
    async def place(params: Any) -> types.Location | None:
        """``{uri, path}`` -> where the text makes the box with this path."""
        analysis = await one.analysed(params.uri)
        return None if analysis is None else picture.place_of(analysis, str(params.path))

    @one.feature("resdsl/paths")
    async def paths(params: Any) -> list[str]:
        """``{uri, line, character}`` -> the paths of the boxes that the statement there made."""
        analysis = await one.analysed(params.uri)
        if analysis is None:
            return []
        return picture.paths_at(analysis, types.Position(int(params.line), int(params.character)))


async def _refresh(one: Server) -> None:
    """Have the editor ask again for what depends on a choice."""
    workspace = one.client_capabilities.workspace
    requests: list[Callable[[None], Awaitable[Any]]] = []
    if workspace and workspace.inlay_hint and workspace.inlay_hint.refresh_support:
        requests.append(one.workspace_inlay_hint_refresh_async)
    if workspace and workspace.code_lens and workspace.code_lens.refresh_support:
        requests.append(one.workspace_code_lens_refresh_async)
    for request in requests:
        try:
            await asyncio.wait_for(request(None), _ASYNC_SECONDS)
        except (TimeoutError, JsonRpcException):
            logging.getLogger(__name__).info("the client does not refresh")
