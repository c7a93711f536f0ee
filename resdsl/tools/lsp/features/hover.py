"""What stands at a place: documentation, shapes, values, tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lsprotocol import types

from resdsl.analysis.quantities import short
from resdsl.elaborate.context import Variable
from resdsl.elaborate.trace import Visit
from resdsl.elaborate.values import UNKNOWN
from resdsl.ir.values import format_value
from resdsl.syntax import tree
from resdsl.tools.lsp.analysis import Analysis
from resdsl.tools.lsp.features.documentation import KEYWORDS, definition_markdown, entries, entry_markdown
from resdsl.tools.lsp.features.hints import Picked, chosen
from resdsl.tools.lsp.names import Kind, Occurrence

_MOST_TENSORS = 8
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def hover(analysis: Analysis, position: types.Position, picked: Picked) -> types.Hover | None:
    """Documentation of the name at a place, and what became of its statement."""
    offset = analysis.positions.offset(position)
    named = analysis.names.at(offset)
    if named is None:
        return _keyword(analysis, offset)
    text = _described(analysis, named, offset, picked)
    if not text:
        return None
    return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text), analysis.positions.of(named.span))


def _keyword(analysis: Analysis, offset: int) -> types.Hover | None:
    for found in _WORD.finditer(analysis.source.text, max(0, offset - 30), offset + 30):
        if found.start() <= offset <= found.end():
            text = KEYWORDS.get(found.group()) or _step(found.group())
            if text:
                where = analysis.positions.range(found.start(), found.end())
                return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text), where)
    return None


def _step(name: str) -> str:
    entry = entries().get(name)
    return entry_markdown(entry) if entry is not None and entry.kind == "step" else ""


def _described(analysis: Analysis, named: Occurrence, offset: int, picked: Picked) -> str:
    symbol = named.symbol
    step = analysis.step_at(offset)
    visit = chosen(analysis.visits(step[0].span), picked) if step else None
    match symbol.kind:
        case Kind.OPERATOR:
            parts = [entry_markdown(entries()[symbol.name])] if symbol.name in entries() else []
            return "\n\n".join([*_flow(visit), *parts])
        case Kind.BLOCK | Kind.MODEL:
            defined = next((one for unit in analysis.units for one in unit.definitions.values()
                            if one.tree.name.span == symbol.span), None)  # fmt: skip
            head = definition_markdown(defined) if defined is not None else symbol.name
            return "\n\n".join([*([] if named.defines else _flow(visit)), head])
        case Kind.ARGUMENT:
            entry = entries().get(symbol.owner)
            found = next((one for one in entry.arguments if one.name == symbol.name), None) if entry else None
            default = f" (default `{found.default}`)" if found and found.default is not None else ""
            return f"`{symbol.owner}`: **{symbol.name}**: {found.kind}; {found.doc}{default}" if found else ""
        case Kind.PARAMETER | Kind.CONST | Kind.VARIABLE:
            return _value(analysis, named, visit)
        case Kind.LABEL:
            return "\n\n".join(_flow(visit)) if visit is not None else f"the label `{symbol.name}`"
        case Kind.SIZE:
            text = KEYWORDS.get(symbol.name, f"`{symbol.name}`: a size that each input chooses")
            if symbol.name == "channels" and visit is not None and visit.before is not None:
                text += f"\n\nhere: `{visit.before.channels}`"
            return text
        case Kind.TAP:
            return f"the tap `{symbol.name}`"
        case Kind.WORD:
            return f"`{symbol.name}`, one of the words that `{symbol.owner}` takes"
        case _:
            return f"{symbol.kind} `{symbol.name}`"


def _value(analysis: Analysis, named: Occurrence, visit: Visit | None) -> str:
    symbol = named.symbol
    written = symbol.tree.span.text if isinstance(symbol.tree, tree.Parameter | tree.Const) else symbol.name
    text = f"```res\n{written}\n```"
    variables = visit.variables if visit is not None else _variables(analysis, named)
    variable = variables.get(symbol.name) if variables is not None else None
    if variable is not None and variable.value is not UNKNOWN:
        where = f" in `{visit.chain[0].path}`" if visit is not None and visit.chain else ""
        text += f"\n\n{symbol.kind} `{symbol.name}` = `{format_value(variable.value)}`{where}"
    else:
        text = f"{text}\n\n{symbol.kind} of `{symbol.owner}`" if symbol.owner else text
    return text


def _variables(analysis: Analysis, named: Occurrence) -> Mapping[str, Variable] | None:
    """The variables at the definition of a parameter or const, from the first statement behind it."""
    scope = named.symbol.scope
    if scope is None:
        return None
    for step in analysis.steps:
        if scope.start <= step.span.start <= scope.end:
            kept = analysis.visits(step.span).kept
            if kept and named.symbol.name in kept[0].variables:
                return kept[0].variables
    return None


def _flow(visit: Visit | None) -> list[str]:
    """The shapes before and after a statement, its tensors, and how many elements they have."""
    if visit is None:
        return []
    parts = [f"`{visit.before or '?'} -> {visit.after or '?'}`"]
    tensors = visit.parameters
    if tensors:
        total = sum(one.count for one in tensors if one.trainable)
        names = [f"- `{one.name}` {list(one.shape)}" for one in tensors[:_MOST_TENSORS]]
        more = len(tensors) - len(names)
        parts.append(f"{short(total)} parameters")
        parts.append("\n".join([*names, f"- and {more:,} more"] if more else names))
    return parts
