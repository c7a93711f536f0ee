"""The language server, driven by pytest-lsp's client through the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from resdsl.diagnostics import Source
from resdsl.tools.check.fix import fix
from resdsl.tools.lsp.documents import Documents, Superseded
from resdsl.tools.lsp.server import server
from tests.lsp.conftest import Editor

pytestmark = pytest.mark.asyncio(loop_scope="module")

BLOCKS = """\
# A layer with its norm.
# The activation is left out before an addition.
block unit(width: int, stride = 1, act = true) {
  conv(width, 3x3, stride = stride, pad = half); bn
  if act { relu }
}
"""
NET = """\
use "blocks.res" (unit)

model net(classes = 10) {
  input image: f32[N, 3, 32, 32]
  const width = 16
  stem: conv(width, 3x3, pad = half);  bn1: bn;  relu
  stage layer1 { 2 x unit(width) }
  stage layer2 { down: unit(2 * width, stride = 2); residual { a: unit(2 * width, act = false) } }
  tap features
  avgpool(global); flatten
  fc: linear(classes)
  output logits
}
"""


async def test_errors_come_with_their_fix_and_go_when_it_is_applied(editor: Editor) -> None:
    await editor.open("net.res", "model net {\n  input x: f32[N, 3, 8, 8]\n  c: conv(4, 3x3)\n  rleu\n  output y\n}\n")
    (found,) = await editor.diagnostics("net.res")
    assert found.code == "E0202" and found.range.start == types.Position(3, 2)
    assert found.severity is types.DiagnosticSeverity.Error
    actions = await editor.client.text_document_code_action_async(
        types.CodeActionParams(editor.document("net.res"), found.range, types.CodeActionContext([found]))
    )
    action = next(one for one in actions or () if isinstance(one, types.CodeAction))
    assert action.edit is not None and action.edit.changes is not None
    fixed = editor.applied("net.res", action.edit.changes[editor.uri("net.res")])
    assert "  relu\n" in fixed
    editor.replace("net.res", fixed)
    assert await editor.diagnostics("net.res", wanted=lambda found: not found) == []


async def test_an_error_in_a_block_names_the_call(editor: Editor) -> None:
    await editor.open("blocks.res", BLOCKS)
    await editor.open("net.res", NET.replace("2 * width, stride = 2", "2 * width, stride = 64"))
    found = await editor.diagnostics("net.res", wanted=bool)
    assert any(one.related_information for one in found)


def errors(found: list[types.Diagnostic]) -> list[types.Diagnostic]:
    return [one for one in found if one.severity is types.DiagnosticSeverity.Error]


async def test_every_fix_at_once(editor: Editor) -> None:
    await editor.open("net.res", "model net {\n  input x: f32[N, 3, 8, 8]\n  c: cnov(4, 3x3)\n  rleu\n  output y\n}\n")
    only = types.CodeActionContext([], only=["source.fixAll.resdsl"])
    actions = await editor.client.text_document_code_action_async(
        types.CodeActionParams(editor.document("net.res"), editor.whole("net.res"), only)
    )
    (action,) = actions or ()
    assert isinstance(action, types.CodeAction) and action.edit is not None and action.edit.changes is not None
    fixed = editor.applied("net.res", action.edit.changes[editor.uri("net.res")])
    assert "conv(4, 3x3)" in fixed and "relu" in fixed


async def quick_fixes(editor: Editor, name: str, found: types.Diagnostic) -> dict[str, str]:
    """The text after each quick fix of a diagnostic, by the fix's title."""
    actions = await editor.client.text_document_code_action_async(
        types.CodeActionParams(editor.document(name), found.range, types.CodeActionContext([found]))
    )
    fixed = {}
    for action in actions or ():
        assert isinstance(action, types.CodeAction) and action.edit is not None and action.edit.changes is not None
        fixed[action.title] = editor.applied(name, action.edit.changes[editor.uri(name)])
    return fixed


STATED = """\
model net {
  input image: f32[N, 3, 16, 16]
  c: conv(8, 3x3)  -> [N, 4, 16, _]
  for i in 1..2 { p{i}: conv(8, 3x3, stride = 2) -> [N, 8, 9, _] }
  output y
  expect parameters == 0.5k
  expect depth <= 2 * 1
  expect macs >= 1M
}
"""


async def test_a_quick_fix_states_what_the_network_has(editor: Editor) -> None:
    await editor.open("net.res", STATED)
    found = {one.range.start.line: one for one in await editor.diagnostics("net.res", wanted=bool)}
    # 8 * 3 * 9 and twice 8 * 8 * 9 weights; at 16 * 16, 8 * 8 and 4 * 4 places.
    (title, fixed), *more = (await quick_fixes(editor, "net.res", found[5])).items()
    assert "1.4k" in title and fixed == STATED.replace("0.5k", "1.4k") and not more
    (fixed,) = (await quick_fixes(editor, "net.res", found[2])).values()
    assert fixed == STATED.replace("[N, 4, 16, _]", "[N, 8, 16, _]")
    (fixed,) = (await quick_fixes(editor, "net.res", found[7])).values()
    assert fixed == STATED.replace(">= 1M", ">= 0M")
    # The passes of a loop have different shapes, and an expression is right for other arguments, too.
    assert not await quick_fixes(editor, "net.res", found[3]) and not await quick_fixes(editor, "net.res", found[6])


async def test_all_that_a_text_states_is_updated_at_once_but_not_by_fix_all(editor: Editor) -> None:
    text = "\n".join(line for number, line in enumerate(STATED.splitlines()) if number not in (3, 6))
    await editor.open("net.res", text)
    found = await editor.diagnostics("net.res", wanted=lambda found: len(found) == 3)
    _, fixed = (await quick_fixes(editor, "net.res", found[0])).values()
    editor.replace("net.res", fixed)
    assert await editor.diagnostics("net.res", wanted=lambda found: not found) == []
    assert not fix(Source("net.res", text)).applied


async def hints(editor: Editor, name: str) -> dict[int, str]:
    found = await editor.client.text_document_inlay_hint_async(
        types.InlayHintParams(editor.document(name), editor.whole(name))
    )
    return {hint.position.line: str(hint.label) for hint in found or ()}


async def test_shapes_stand_after_statements(editor: Editor) -> None:
    await editor.open("blocks.res", BLOCKS)
    await editor.open("net.res", NET)
    shown = await hints(editor, "net.res")
    assert shown[5] == "-> [N, 16, 32, 32]" and shown[6] == "-> [N, 16, 32, 32]"
    assert shown[7] == "-> [N, 32, 16, 16]" and shown[9] == "-> [N, 32]" and shown[10] == "-> [N, 10]"


async def test_shapes_stand_before_and_behind_an_error(editor: Editor) -> None:
    head = "model net {\n  input x: f32[N, 3, 8, 8]\n  a: conv(4, 3x3)\n"
    text = f"{head}  b: cnov(5)\n  relu -> [N, 5, 4, 4]\n  c: conv(6, 3x3)"
    await editor.open("net.res", text)
    shown = await hints(editor, "net.res")
    assert shown[2] == "-> [N, 4, 8, 8]" and shown[5] == "-> [N, 6, 4, 4]"


async def test_what_was_asked_before_a_setting_arrived_is_answered() -> None:
    # Neovim asks for shapes when it opens a file, and not again until it is edited.
    documents = Documents(lambda _uri: None)
    documents.set_text("untitled:net", BLOCKS + NET.replace('use "blocks.res" (unit)\n', ""))
    asked = asyncio.ensure_future(documents.analysed("untitled:net"))
    await asyncio.sleep(0)
    documents.analyse_all()
    analysis = await asked
    assert analysis is not None and not analysis.diagnostics.errors and analysis.visits(analysis.steps[-1].span).kept
    asked = asyncio.ensure_future(documents.analysed("untitled:net"))
    documents.analyse_all()
    await asyncio.sleep(0)
    documents.set_text("untitled:net", "model other {")
    with pytest.raises(Superseded):
        await asked
    documents.shut_down()


async def test_another_call_of_a_block_can_be_picked(editor: Editor) -> None:
    await editor.open("net.res", BLOCKS + NET.replace('use "blocks.res" (unit)\n', ""))
    assert (await hints(editor, "net.res"))[3] == "-> [N, 16, 32, 32]"
    await editor.client.workspace_execute_command_async(
        types.ExecuteCommandParams("resdsl.setCall", [editor.uri("net.res"), "unit", "layer2.down"])
    )
    assert (await hints(editor, "net.res"))[3] == "-> [N, 32, 16, 16]"
    lenses = await editor.client.text_document_code_lens_async(types.CodeLensParams(editor.document("net.res")))
    titles = [lens.command.title for lens in lenses or () if lens.command]
    assert "4 calls · shapes of layer2.down" in titles


async def test_lenses_show_what_models_and_stages_cost(editor: Editor) -> None:
    await editor.open("resnet.res", 'use "std/residual.res" (basic)\n\n' + RESNET)
    lenses = await editor.client.text_document_code_lens_async(types.CodeLensParams(editor.document("resnet.res")))
    titles = {lens.range.start.line: lens.command.title for lens in lenses or () if lens.command}
    # Torchvision's resnet18: 11,689,512 parameters, 1.814 G multiply-accumulates; its layer1 has 147,968 parameters.
    assert titles[2] == "11.7 M parameters · 1.81 G MACs · 18 layers deep"
    assert titles[6].startswith("148 k parameters")


RESNET = """\
model net {
  input image: f32[N, 3, 224, 224]
  conv1: conv(64, 7x7, stride = 2, pad = half);  bn1: bn;  relu
  maxpool(3x3, stride = 2, pad = half)
  stage layer1 { 2 x basic(64) }
  stage layer2 { basic(128, stride = 2); basic(128) }
  stage layer3 { basic(256, stride = 2); basic(256) }
  stage layer4 { basic(512, stride = 2); basic(512) }
  avgpool(global);  flatten
  fc: linear(1000)
  output logits
}
"""


async def hover(editor: Editor, name: str, text: str) -> str:
    position = await editor.open(name, text)
    found = await editor.client.text_document_hover_async(types.HoverParams(editor.document(name), position))
    assert found is not None and isinstance(found.contents, types.MarkupContent)
    return found.contents.value


@pytest.mark.parametrize(
    ("old", "marked", "expected"),
    [
        ("stem: conv", "stem: co|nv", ["[N, 3, 32, 32] -> [N, 16, 32, 32]", "`stem.weight` [16, 3, 3, 3]"]),
        ("conv(width", "conv(wi|dth", ["const width = 16", "= `16`"]),
        ("linear(classes)", "linear(cla|sses)", ["classes = 10", "parameter `classes` = `10`"]),
        ("2 x unit", "2 x un|it", ["block unit(width: int, stride = 1, act = true)", "A layer with its norm."]),
        ("stride = 2)", "str|ide = 2)", ["stride"]),
        ("stage layer1", "st|age layer1", ["A part of the network with a name"]),
        ("avgpool(global)", "avgpool(glo|bal)", ["global"]),
        ("f32[N, 3", "f32[N|, 3", ["a size that each input chooses"]),
    ],
)  # fmt: skip
async def test_hover(editor: Editor, old: str, marked: str, expected: list[str]) -> None:
    await editor.open("blocks.res", BLOCKS)
    shown = await hover(editor, "net.res", NET.replace(old, marked, 1))
    for part in expected:
        assert part in shown, shown


async def complete(editor: Editor, name: str, text: str) -> dict[str, types.CompletionItem]:
    position = await editor.open(name, text)
    found = await editor.client.text_document_completion_async(types.CompletionParams(editor.document(name), position))
    items = found.items if isinstance(found, types.CompletionList) else found or []
    return {item.label: item for item in items}


@pytest.mark.parametrize(
    ("text", "there", "not_there"),
    [
        ("model m {\n  input x: f32[N, 3, 8, 8]\n  co|", {"conv", "unit", "residual", "concat", "tap"}, {"use"}),
        ("model m {\n  input x: f32[N, 3, 8, 8]\n  c: conv(4, |)", {"kernel = ", "stride = ", "channels"}, {"conv"}),
        ("model m {\n  input x: f32[N, 3, 8, 8]\n  c: conv(4, 3x3, pad = |", {"half"}, {"stride = "}),
        ("model m {\n  input x: f32[N, 3, 8, 8]\n  unit(|", {"width = ", "stride = ", "act = "}, {"relu"}),
        ("model m {\n  input x: f32[N, 3, 8, 8]\n  tap early\n  relu\n  from |", {"early"}, {"conv"}),
        ("model m {\n  input x: f32[N, 3, 8, 8]\n  residual { relu } shortcut |", {"projection", "pad"}, {"conv"}),
        ("model m(depth = 3) {\n  const wide = 4\n  input x: f32[N, 3, 8, 8]\n  c: conv(|", {"depth", "wide"}, set()),
        ("mo|", {"model", "block", "use", "const"}, {"conv"}),
        ('use "|"', {"std/residual.res", "blocks.res"}, {"net.res"}),
        ('use "blocks.res" (|', {"unit"}, {"conv"}),
        ("model m {\n  labels \"|\"\n}", {"imagenet1k"}, {"conv"}),
        ("# a comment |", set(), {"conv", "model"}),
    ],
)  # fmt: skip
async def test_completion(editor: Editor, text: str, there: set[str], not_there: set[str]) -> None:
    await editor.open("blocks.res", BLOCKS)
    prefix = "" if text.startswith(("use", "#", "mo|")) else 'use "blocks.res" (unit)\n'
    items = await complete(editor, "net.res", prefix + text)
    assert there <= set(items), sorted(items)
    assert not not_there & set(items)


async def test_the_arguments_of_a_call(editor: Editor) -> None:
    position = await editor.open("net.res", "model m {\n  input x: f32[N, 3, 8, 8]\n  conv(4, 3x3, stride = |\n}\n")
    found = await editor.client.text_document_signature_help_async(
        types.SignatureHelpParams(editor.document("net.res"), position)
    )
    assert found is not None
    (signature,) = found.signatures
    assert signature.parameters is not None and found.active_parameter is not None
    assert str(signature.parameters[found.active_parameter].label).startswith("stride")


async def test_from_a_name_to_its_definition(editor: Editor) -> None:
    await editor.open("blocks.res", BLOCKS)
    position = await editor.open("net.res", NET.replace("2 x unit", "2 x un|it"))
    found = await editor.client.text_document_definition_async(
        types.DefinitionParams(editor.document("net.res"), position)
    )
    assert isinstance(found, types.Location) and found.uri == editor.uri("blocks.res")
    assert found.range.start == types.Position(2, 6)
    for source, target in (("2 * wi|dth, stride", (4, 8)), ("linear(cla|sses", (2, 10)), ('"bl|ocks', (0, 0))):
        marked = NET.replace(source.replace("|", ""), source, 1)
        position = await editor.open("net.res", marked)
        found = await editor.client.text_document_definition_async(
            types.DefinitionParams(editor.document("net.res"), position)
        )
        assert isinstance(found, types.Location)
        assert (found.range.start.line, found.range.start.character) == target


async def test_uses_of_a_block_in_all_files(editor: Editor) -> None:
    (editor.folder / "net.res").write_text(NET)
    position = await editor.open("blocks.res", BLOCKS.replace("block un", "block un|"))
    found = await editor.client.text_document_references_async(
        types.ReferenceParams(types.ReferenceContext(True), editor.document("blocks.res"), position)
    )
    places = sorted((Path(one.uri).name, one.range.start.line) for one in found or ())
    assert places == [("blocks.res", 2), ("net.res", 0), ("net.res", 6), ("net.res", 7), ("net.res", 7)]


async def renamed(editor: Editor, name: str, text: str, new: str) -> dict[str, str]:
    position = await editor.open(name, text)
    edit = await editor.client.text_document_rename_async(
        types.RenameParams(new_name=new, text_document=editor.document(name), position=position)
    )
    assert edit is not None
    changes: dict[str, Any] = {}
    for one in edit.document_changes or ():
        assert isinstance(one, types.TextDocumentEdit)
        changes[Path(one.text_document.uri).name] = one.edits
    return {file: editor.applied(file, edits) for file, edits in changes.items()}


async def test_a_block_gets_another_name_in_all_files(editor: Editor) -> None:
    await editor.open("net.res", NET)
    texts = await renamed(editor, "blocks.res", BLOCKS.replace("block un", "block un|"), "layer")
    assert texts == {"blocks.res": BLOCKS.replace("unit", "layer"), "net.res": NET.replace("unit", "layer")}


async def test_a_parameter_gets_another_name_also_where_it_is_given(editor: Editor) -> None:
    await editor.open("net.res", NET)
    texts = await renamed(editor, "blocks.res", BLOCKS.replace("stride = 1", "str|ide = 1"), "step")
    assert "block unit(width: int, step = 1, act = true)" in texts["blocks.res"]
    assert "conv(width, 3x3, stride = step, pad = half)" in texts["blocks.res"]
    assert "down: unit(2 * width, step = 2)" in texts["net.res"]


async def test_a_new_label_asks_first_since_tensors_are_named_by_it(editor: Editor) -> None:
    position = await editor.open("net.res", RESNET_WITH_USE.replace("conv1: conv", "con|v1: conv"))
    edit = await editor.client.text_document_rename_async(
        types.RenameParams(new_name="stem", text_document=editor.document("net.res"), position=position)
    )
    assert edit is not None and edit.change_annotations is not None
    (annotation,) = edit.change_annotations.values()
    assert annotation.needs_confirmation and "conv1.weight -> stem.weight" in str(annotation.description)


RESNET_WITH_USE = 'use "std/residual.res" (basic)\n\n' + RESNET


@pytest.mark.parametrize(("new", "reason"), [("a b", "is not a"), ("if", "is not a"), ("classes", "already")])
async def test_a_name_that_cannot_be_is_refused(editor: Editor, new: str, reason: str) -> None:
    await editor.open("blocks.res", BLOCKS)
    position = await editor.open("net.res", NET.replace("const wi", "const wi|"))
    with pytest.raises(JsonRpcException, match=reason):
        await editor.client.text_document_rename_async(
            types.RenameParams(new_name=new, text_document=editor.document("net.res"), position=position)
        )


async def test_symbols_folds_and_links(editor: Editor) -> None:
    await editor.open("blocks.res", BLOCKS)
    await editor.open("net.res", NET)
    symbols = await editor.client.text_document_document_symbol_async(
        types.DocumentSymbolParams(editor.document("net.res"))
    )
    (model,) = symbols or ()
    assert isinstance(model, types.DocumentSymbol) and model.name == "net"
    assert [child.name for child in model.children or ()] == [
        "image", "width", "stem", "bn1", "layer1", "layer2", "features", "fc", "logits",
    ]  # fmt: skip
    folds = await editor.client.text_document_folding_range_async(types.FoldingRangeParams(editor.document("net.res")))
    assert (2, 12) in [(fold.start_line, fold.end_line) for fold in folds or ()]
    links = await editor.client.text_document_document_link_async(types.DocumentLinkParams(editor.document("net.res")))
    assert [link.target for link in links or ()] == [editor.uri("blocks.res")]
    found = await editor.client.workspace_symbol_async(types.WorkspaceSymbolParams("nit"))
    assert [one.name for one in found or () if one.location.uri == editor.uri("blocks.res")] == ["unit"]


async def test_selection_grows_from_the_name_to_the_text(editor: Editor) -> None:
    await editor.open("blocks.res", BLOCKS)
    position = await editor.open("net.res", NET.replace("a: un", "a: un|"))
    found = await editor.client.text_document_selection_range_async(
        types.SelectionRangeParams(editor.document("net.res"), [position])
    )
    selection: types.SelectionRange | None = (found or [])[0]
    sizes = []
    while selection is not None:
        span = selection.range
        sizes.append((span.end.line - span.start.line, span.end.character - span.start.character))
        selection = selection.parent
    assert sizes == sorted(sizes) and len(sizes) >= 5


async def test_colours(editor: Editor) -> None:
    await editor.open("blocks.res", BLOCKS)
    await editor.open("net.res", NET)
    found = await editor.client.text_document_semantic_tokens_full_async(
        types.SemanticTokensParams(editor.document("net.res"))
    )
    assert found is not None
    legend = [
        "keyword", "class", "function", "parameter", "variable", "property", "enumMember", "type", "number", "string",
        "comment", "operator", "label",
    ]  # fmt: skip
    lines, line, column, words = NET.splitlines(), 0, 0, {}
    for start in range(0, len(found.data), 5):
        down, right, length, kind, _ = found.data[start : start + 5]
        line, column = line + down, right if down else column + right
        words[line, lines[line][column : column + length]] = legend[kind]
    assert words[0, "use"] == "keyword" and words[0, "unit"] == "class" and words[0, '"blocks.res"'] == "string"
    assert words[5, "stem"] == "property" and words[5, "conv"] == "function" and words[5, "width"] == "variable"
    assert words[5, "half"] == "enumMember" and words[5, "3x3"] == "number" and words[10, "classes"] == "parameter"


async def test_formatting_changes_what_has_to_change(editor: Editor) -> None:
    text = "model net {\n  input x: f32[N, 3, 8, 8]\n    c:conv( 4,3x3 )\n  relu\n  output   y\n}\n"
    await editor.open("net.res", text)
    options = types.FormattingOptions(2, True)
    edits = await editor.client.text_document_formatting_async(
        types.DocumentFormattingParams(editor.document("net.res"), options)
    )
    assert [edit.range.start.line for edit in edits or ()] == [2, 4]
    assert "  c: conv(4, 3x3)\n" in editor.applied("net.res", edits)
    part = types.Range(types.Position(4, 0), types.Position(4, 5))
    edits = await editor.client.text_document_range_formatting_async(
        types.DocumentRangeFormattingParams(editor.document("net.res"), part, options)
    )
    assert editor.applied("net.res", edits) == text.replace("output   y", "output y")


async def test_who_calls_whom(editor: Editor) -> None:
    await editor.open("net.res", NET)
    position = await editor.open("blocks.res", BLOCKS.replace("block un", "block un|"))
    (item,) = (
        await editor.client.text_document_prepare_call_hierarchy_async(
            types.CallHierarchyPrepareParams(editor.document("blocks.res"), position)
        )
        or ()
    )
    callers = await editor.client.call_hierarchy_incoming_calls_async(types.CallHierarchyIncomingCallsParams(item))
    assert [(call.from_.name, len(call.from_ranges)) for call in callers or ()] == [("net", 3)]
    called = await editor.client.call_hierarchy_outgoing_calls_async(
        types.CallHierarchyOutgoingCallsParams(callers[0].from_ if callers else item)
    )
    assert [call.to.name for call in called or ()] == ["unit"]


async def test_a_used_file_is_read_as_it_is_in_the_editor(editor: Editor) -> None:
    await editor.open("blocks.res", BLOCKS)
    await editor.open("net.res", NET)
    assert not errors(await editor.diagnostics("net.res"))
    editor.replace("blocks.res", BLOCKS.replace("block unit", "block other"))
    (found,) = errors(await editor.diagnostics("net.res", wanted=errors))
    assert "unit" in found.message and found.range.start.line == 0


async def test_incremental_changes_beyond_the_basic_plane(editor: Editor) -> None:
    text = "# 😋 and é\nmodel net {\n  input x: f32[N, 3, 8, 8]\n  rleu # 😋\n  output y\n}\n"
    await editor.open("net.res", text)
    await editor.diagnostics("net.res", wanted=bool)
    place = types.Range(types.Position(3, 2), types.Position(3, 6))
    editor.change("net.res", [types.TextDocumentContentChangePartial(place, "relu")])
    assert await editor.diagnostics("net.res", wanted=lambda found: not found) == []
    comment = types.Range(types.Position(0, 2), types.Position(0, 4))
    word = types.Range(types.Position(3, 2), types.Position(3, 6))
    changes = [(comment, ""), (word, "tanhh")]
    editor.change("net.res", [types.TextDocumentContentChangePartial(where, text) for where, text in changes])
    (found,) = await editor.diagnostics("net.res", wanted=bool)
    assert found.range == types.Range(types.Position(3, 2), types.Position(3, 7))


async def test_compile_beside_the_text(editor: Editor) -> None:
    await editor.open("blocks.res", BLOCKS)
    await editor.open("net.res", NET)
    answer = await editor.client.workspace_execute_command_async(
        types.ExecuteCommandParams("resdsl.compile", [editor.uri("net.res")])
    )
    done: Any = answer
    assert done["succeeded"], done
    assert (editor.folder / "net.onnx").is_file()


async def test_a_notification_leaves_nothing_behind() -> None:
    protocol = server().protocol
    ended: list[object] = []

    def handler() -> Iterator[tuple[Callable[[], None], None, None]]:
        yield (lambda: None), None, None

    protocol._execute_handler("an edit", handler, callback=ended.append)
    assert len(ended) == 1 and not protocol._request_futures
