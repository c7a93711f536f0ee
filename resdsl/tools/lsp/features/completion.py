"""What can be written at a place: completion and the help for arguments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from lsprotocol import types

from resdsl.elaborate.program import Defined, standard_library
from resdsl.elaborate.values import SHORTCUT_KINDS
from resdsl.labels import label_sets
from resdsl.ops.reference import ArgumentEntry
from resdsl.tools.lsp.analysis import Analysis
from resdsl.tools.lsp.features.documentation import (
    KEYWORDS,
    definition_markdown,
    entries,
    entry_markdown,
    head_of,
)
from resdsl.tools.lsp.features.enclosing import Enclosing, enclosing_call
from resdsl.tools.lsp.names import Kind, Symbol

Item = types.CompletionItem
_Kinds = types.CompletionItemKind

_STRING = re.compile(r'"([^"\n]*)$')
_USED = re.compile(r'use\s+"([^"\n]+)"\s*\([^)\n]*$')
_TAPPED = re.compile(r"\bfrom\s+\w*$")
_SHORTCUT = re.compile(r"\bshortcut\s+\w*$")
_NEW_NAME = re.compile(r"\b(?:tap|output|const|for|block|model|stage|aux)\s+\w*$")
_MODULE_LEVEL = re.compile(r"^\w*$")
_STATEMENT = re.compile(r"(?:^|[{;:]|\bx)\s*\w*$")

_SNIPPETS = {
    "residual": "residual {\n\t$0\n}",
    "residual with a projection": "residual {\n\t$1\n} shortcut projection {\n\t$0\n}",
    "stage": "stage ${1:layer1} {\n\t$0\n}",
    "concat": "concat {\n\t$0\n}",
    "add": "add {\n\t$0\n}",
    "mul": "mul {\n\t$0\n}",
    "for": "for ${1:i} in ${2:1..4} {\n\t$0\n}",
    "if": "if ${1:condition} {\n\t$0\n}",
    "aux": "aux ${1:aux1} {\n\t$0\n}",
    "from": "from ${1:tap} {\n\t$0\n}",
    "preprocess": "preprocess { resize(${1:256}); crop(${2:224}); normalize(mean = [${3:0.485, 0.456, 0.406}], "
    "std = [${4:0.229, 0.224, 0.225}]) }",
    "input": "input ${1:image}: f32[N, ${2:3, 224, 224}]",
}
_TOP = {
    "model": "model ${1:net} {\n\tinput image: f32[N, 3, 224, 224]\n\t$0\n\toutput logits\n}",
    "block": "block ${1:unit}(${2:width}) {\n\t$0\n}",
    "use": 'use "${1:std/residual.res}" ($0)',
    "const": "const ${1:name} = $0",
}
_PLAIN = ("tap", "output", "labels", "expect", "default", "const", "mean")
_FUNCTIONS = ("min", "max", "len", "round")


def completions(analysis: Analysis, position: types.Position) -> list[Item]:
    """What can be written at a place. Editors filter by what is there already."""
    offset = analysis.positions.offset(position)
    line = analysis.source.text[analysis.positions.line_start(position.line) : offset]
    if "#" in _without_strings(line):
        return []
    if (found := _STRING.search(line)) and line.count('"') % 2:
        return list(_paths(analysis, line[: found.start()], found.group(1)))
    if found := _USED.search(line):
        return list(_exports(analysis, found.group(1)))
    if _TAPPED.search(line):
        return [_symbol(one) for one in _visible(analysis, offset) if one.kind is Kind.TAP]
    if _SHORTCUT.search(line):
        return [Item(kind, kind=_Kinds.Keyword, detail="shortcut") for kind in SHORTCUT_KINDS]
    if _NEW_NAME.search(line):
        return []
    call = enclosing_call(analysis, offset)
    if call is not None:
        return [*_arguments(analysis, call), *_values(analysis, offset)]
    if not _is_inside(analysis, offset):
        return [_snippet(word, text) for word, text in _TOP.items()] if _MODULE_LEVEL.match(line) else []
    if _STATEMENT.search(line):
        return list(_statements(analysis, offset))
    return list(_values(analysis, offset))


def _is_inside(analysis: Analysis, offset: int) -> bool:
    """Whether a place is in braces. Those that are still to be closed count, which are in no definition yet."""
    depth = 0
    for token in analysis.tokens:
        if token.end > offset:
            break
        depth += (token.kind == "LBRACE") - (token.kind == "RBRACE")
    return depth > 0


def _without_strings(line: str) -> str:
    return re.sub(r'"[^"\n]*"?', "", line)


def _visible(analysis: Analysis, offset: int) -> list[Symbol]:
    """What has a name at a place, the innermost of those with one name."""
    return list({one.name: one for one in analysis.names.visible(offset)}.values())


def _symbol(symbol: Symbol) -> Item:
    kinds = {Kind.PARAMETER: _Kinds.Variable, Kind.CONST: _Kinds.Constant, Kind.VARIABLE: _Kinds.Variable}
    return Item(symbol.name, kind=kinds.get(symbol.kind, _Kinds.Reference), detail=str(symbol.kind))


def _snippet(word: str, text: str) -> Item:
    keyword = word.partition(" ")[0]
    return Item(
        word,
        kind=_Kinds.Snippet,
        detail="keyword",
        filter_text=keyword,
        documentation=KEYWORDS.get(keyword),
        insert_text=text,
        insert_text_format=types.InsertTextFormat.Snippet,
    )


def _statements(analysis: Analysis, offset: int) -> Iterator[Item]:
    for entry in entries().values():
        if entry.kind == "operator":
            text, snippet = _call(entry.name, entry.arguments)
            yield Item(
                entry.name,
                kind=_Kinds.Function,
                detail=entry.call,
                documentation=types.MarkupContent(types.MarkupKind.Markdown, entry_markdown(entry)),
                insert_text=text,
                insert_text_format=snippet,
                sort_text=f"2{entry.name}",
            )
    for defined in analysis.unit.definitions.values():
        required = [one.name.name for one in defined.tree.parameters if one.default is None]
        places = ", ".join(f"${{{number}:{name}}}" for number, name in enumerate(required, 1))
        yield Item(
            defined.name,
            kind=_Kinds.Class,
            detail=head_of(defined.tree),
            documentation=types.MarkupContent(types.MarkupKind.Markdown, definition_markdown(defined)),
            insert_text=f"{defined.name}({places})" if places else defined.name,
            insert_text_format=types.InsertTextFormat.Snippet,
            sort_text=f"1{defined.name}",
        )
    for word, text in _SNIPPETS.items():
        yield _snippet(word, text)
    for word in _PLAIN:
        yield Item(word, kind=_Kinds.Keyword, documentation=KEYWORDS.get(word))
    for symbol in _visible(analysis, offset):
        if symbol.kind in {Kind.PARAMETER, Kind.CONST, Kind.VARIABLE}:
            yield _symbol(symbol)


def _call(name: str, arguments: tuple[ArgumentEntry, ...]) -> tuple[str, types.InsertTextFormat]:
    """A call with places for the arguments that it needs."""
    required = [one.name for one in arguments if one.default is None]
    if not required:
        return name, types.InsertTextFormat.PlainText
    places = ", ".join(f"${{{number}:{one}}}" for number, one in enumerate(required, 1))
    return f"{name}({places})", types.InsertTextFormat.Snippet


def _values(analysis: Analysis, offset: int) -> Iterator[Item]:
    for symbol in _visible(analysis, offset):
        if symbol.kind in {Kind.PARAMETER, Kind.CONST, Kind.VARIABLE, Kind.SIZE}:
            yield _symbol(symbol)
    for word in ("channels", "channels_in"):
        yield Item(word, kind=_Kinds.Variable, documentation=KEYWORDS[word])
    for function in _FUNCTIONS:
        yield Item(
            function,
            kind=_Kinds.Function,
            insert_text=f"{function}($0)",
            insert_text_format=types.InsertTextFormat.Snippet,
        )
    for word in ("true", "false", "if", "else", "and", "or", "not"):
        yield Item(word, kind=_Kinds.Keyword)


def _arguments(analysis: Analysis, call: Enclosing) -> Iterator[Item]:
    defined = called(analysis, call.callee)
    if defined is not None:
        for parameter in defined.tree.parameters:
            if parameter.name.name not in call.named and not call.name:
                yield _argument(parameter.name.name, parameter.span.text)
        yield from _words(_enumeration(defined, call))
        return
    entry = entries().get(call.callee)
    for position, one in enumerate(entry.arguments if entry else ()):
        if one.name not in call.named and not call.name:
            yield _argument(one.name, one.kind, one.doc)
        if one.name == call.name or (not call.name and position == call.position):
            yield from _words(one.words)


def _words(words: Iterable[str]) -> Iterator[Item]:
    for word in words:
        yield Item(word, kind=_Kinds.EnumMember, sort_text=f"0{word}")


def _enumeration(defined: Defined, call: Enclosing) -> list[str]:
    parameters = defined.tree.parameters
    if call.name:
        chosen = next((one for one in parameters if one.name.name == call.name), None)
    else:
        chosen = parameters[call.position] if call.position < len(parameters) else None
    if chosen is None or chosen.annotation is None:
        return []
    if chosen.annotation.name == "shortcut":
        return list(SHORTCUT_KINDS)
    return [member.name for member in chosen.annotation.members]


def _argument(name: str, detail: str, documentation: str | None = None) -> Item:
    return Item(
        f"{name} = ",
        kind=_Kinds.Field,
        detail=detail,
        documentation=documentation,
        filter_text=name,
        insert_text=f"{name} = ",
        sort_text=f"1{name}",
    )


def called(analysis: Analysis, callee: str) -> Defined | None:
    """The block of a name; for ``stage NAME`` none, since its first block is not known before it is written."""
    return analysis.unit.definitions.get(callee)


def _paths(analysis: Analysis, before: str, written: str) -> Iterator[Item]:
    """Files for ``use`` and ``labels``, from the folder of the text, and the library."""
    if before.rstrip().endswith("labels"):
        for name in label_sets():
            yield Item(name, kind=_Kinds.Value)
        suffixes: tuple[str, ...] = (".txt", ".json")
    elif before.rstrip().endswith("use"):
        suffixes = (".res",)
        for file in sorted(standard_library().glob("*.res")):
            yield Item(f"std/{file.name}", kind=_Kinds.File, detail="library")
    else:
        return
    if analysis.source.path is None or written.startswith("std/"):
        return
    folder = analysis.source.path.parent / written.rpartition("/")[0]
    for file in sorted(_entries(folder))[:200]:
        prefix = written.rpartition("/")[0]
        name = f"{prefix}/{file.name}" if prefix else file.name
        if file.is_dir():
            yield Item(f"{name}/", kind=_Kinds.Folder)
        elif file.suffix in suffixes and file != analysis.source.path:
            yield Item(name, kind=_Kinds.File)


def _entries(folder: Path) -> list[Path]:
    try:
        return [file for file in folder.iterdir() if not file.name.startswith(".")]
    except (OSError, ValueError):
        # Also a name that is too long, or has a null character.
        return []


def _exports(analysis: Analysis, path: str) -> Iterator[Item]:
    """What a used file defines."""
    module = analysis.module_of(path)
    for definition in module.definitions.values() if module is not None else ():
        yield Item(definition.name.name, kind=_Kinds.Class, detail=head_of(definition))


def for_client(items: list[Item], *, snippets: bool, markdown: bool) -> list[Item]:
    """The items without what an editor does not understand."""
    for item in items:
        if not snippets and item.insert_text_format is types.InsertTextFormat.Snippet:
            item.insert_text, item.insert_text_format = None, None
            if item.kind is _Kinds.Snippet:
                item.label = item.filter_text or item.label
                item.kind = _Kinds.Keyword
        if not markdown and isinstance(item.documentation, types.MarkupContent):
            item.documentation = None
    return list({item.label: item for item in items}.values())


def signature_help(analysis: Analysis, position: types.Position) -> types.SignatureHelp | None:
    """The arguments of the call around a place, and which one is being written."""
    offset = analysis.positions.offset(position)
    call = enclosing_call(analysis, offset)
    if call is None:
        return None
    defined = called(analysis, call.callee)
    entry = entries().get(call.callee)
    if defined is not None:
        names = [one.name.name for one in defined.tree.parameters]
        texts = [one.span.text for one in defined.tree.parameters]
        notes: list[str | None] = [None] * len(texts)
        label, documentation = f"{defined.name}({', '.join(texts)})", definition_markdown(defined)
    elif entry is not None:
        names = [one.name for one in entry.arguments]
        texts = [one.name if one.default is None else f"{one.name} = {one.default}" for one in entry.arguments]
        notes = [f"{one.kind}; {one.doc}" for one in entry.arguments]
        label, documentation = f"{entry.name}({', '.join(texts)})", entry.doc
    else:
        return None
    active = names.index(call.name) if call.name in names else min(call.position, max(0, len(names) - 1))
    parameters = [types.ParameterInformation(text, note) for text, note in zip(texts, notes, strict=True)]
    shown = types.SignatureInformation(
        label, types.MarkupContent(types.MarkupKind.Markdown, documentation), parameters, active
    )
    return types.SignatureHelp([shown], 0, active)
