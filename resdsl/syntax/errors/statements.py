"""Errors in labels, separators and bodies."""

from __future__ import annotations

from resdsl.diagnostics import catalogue
from resdsl.syntax.errors.context import ErrorContext
from resdsl.syntax.errors.describe import shortened
from resdsl.syntax.errors.explanation import Explanation, Recognizer, Repair, explanation
from resdsl.syntax.errors.keywords import outside_of_a_body
from resdsl.syntax.grammar import END
from resdsl.syntax.lexing import LOST_CLOSER, inserted, join_stage_names, make_token, retyped

_WITHOUT_LABEL = {
    "STAGE": "a stage is named by what follows `stage`",
    "AUX": "a training head is named by what follows `aux`",
    "FOR": "put the loop into a group: `name: { for ... }`",
    "IF": "put the choice into a group: `name: { if ... }`",
}
_NOT_A_VALUE = frozenset({"INPUT", "TAP", "OUTPUT", "CONST", "DEFAULT", "PREPROCESS", "LABELS", "EXPECT"})


def _assignment(context: ErrorContext) -> Explanation | None:
    """``width = 64`` or ``x = conv(64)`` as a statement."""
    if (
        context.at_top
        or context.kind != "EQUAL"
        or context.position != context.head + 1
        or context.head != context.start
    ):
        return None
    name = context.tokens[context.start]
    if name.kind != "NAME":
        return None
    start = context.span(name)
    if context.after().isidentifier() and context.after(2).kind in {"LPAR", "NEWLINE", "SEMICOLON", "RBRACE"}:
        between = context.source.span(start.end, context.here.end)
        return explanation(
            "there are no variables for tensors",
            context.here,
            "every layer works on the current value",
            helps=(
                f"write `{name}: {shortened(context.after())}...` to name the layer",
                f"to use its result later, write `tap {name}` after it and `from {name} {{ ... }}` there",
            ),
            fix=("make it a label", [(between, ":")]),
            repair=Repair(
                context.start,
                context.position + 1,
                (retyped(name, "LABEL"), make_token("COLON", ":", start.end, context.token)),
            ),
        )
    return explanation(
        "a value is given with `const`",
        start,
        helps=(f"write `const {name} = ...`",),
        fix=("make it a `const`", [(context.source.span(start.start, start.start), "const ")]),
        repair=Repair(context.start, context.start, (inserted("CONST", "const", name),)),
    )


def _label_of_what_has_none(context: ErrorContext) -> Explanation | None:
    """``a: stage b {``, ``a: for ...``, ``a: output b``, ``a: b: conv``."""
    if context.position < 2 or context.position != context.head or context.head == context.start:
        return None
    label = context.tokens[context.start]
    if context.kind in {"NEWLINE", "SEMICOLON", "RBRACE", END}:
        return explanation(
            f"the label `{shortened(label)}` names nothing",
            context.here,
            "expected what it names",
            helps=("write a layer, a block or `{ ... }` after the colon, on the same line",),
        )
    # In this state the keyword was not accepted, and was taken for a name if it can be one.
    kind = context.keywords.get(str(context.token), context.kind)
    if kind not in _WITHOUT_LABEL.keys() | _NOT_A_VALUE:
        return None
    return _unlabelable(context, context.position)


def _second_label(context: ErrorContext) -> Explanation | None:
    """``a: b: conv``."""
    if context.kind != "COLON" or context.position != context.head + 1 or context.head == context.start:
        return None
    label, colon, second = context.tokens[context.start : context.start + 3]
    between = context.source.span(colon.start, second.start)
    return explanation(
        "a statement has one label",
        context.span(second),
        "the second label",
        secondary=[(context.span(label), "the first label")],
        helps=(f"one name with two parts is `{shortened(label)}.{shortened(second)}: ...`",),
        fix=("join the labels with a point", [(between, ".")]),
        repair=Repair(context.start, context.start + 3, (retyped(second, "LABEL"),)),
    )


def _labelled_keyword(context: ErrorContext) -> Explanation | None:
    """The same if the keyword was read as a call: ``a: output b`` fails at ``b``."""
    if context.position != context.head + 1 or context.head == context.start:
        return None
    kind = context.keywords.get(str(context.tokens[context.head]), "")
    if kind not in (_WITHOUT_LABEL.keys() - {"IF"}) | _NOT_A_VALUE:
        return None
    return _unlabelable(context, context.head)


def _unlabelable(context: ErrorContext, position: int) -> Explanation:
    label, keyword = context.tokens[context.start], context.tokens[position]
    kind = context.keywords.get(str(keyword), keyword.kind)
    remove = context.source.span(label.start, keyword.start)
    helps = (_WITHOUT_LABEL.get(kind, "only what makes a value has a label: a layer, a block, a group, a join"),)
    rest = [retyped(keyword, kind), *context.tokens[position + 1 : context.end]]
    if kind in {"STAGE", "AUX"}:
        rest = join_stage_names(rest, context.source.text)
    return explanation(
        f"`{keyword}` cannot have a label",
        context.span(label),
        secondary=[(context.span(keyword), "this has no name of that kind")],
        helps=helps,
        fix=("remove the label", [(remove, "")]),
        repair=Repair(context.start, max(context.end, position + 1), tuple(rest)),
    )


def _labelling_tap(context: ErrorContext) -> Explanation | None:
    """``tap early: conv(8, 3x3)``."""
    if context.kind != "COLON" or context.position != context.start + 2:
        return None
    tap, name = context.tokens[context.start : context.position]
    if tap.kind != "TAP":
        return None
    end = context.end
    has_body = context.tokens[end].kind == "LBRACE"
    last = context.tokens[end - 1]
    suggestion = f"write `{shortened(name)}: ...` for a label, and `tap {shortened(name)}` after it"
    keyword = context.source.span(tap.start, name.start)
    behind = context.source.span(last.end, last.end)
    return explanation(
        "a tap names the current value and takes no layer",
        context.source.span(tap.start, context.here.end),
        helps=(suggestion,),
        fix=None if has_body else (suggestion, [(keyword, ""), (behind, f"; tap {name}")]),
        repair=None
        if has_body
        else Repair(
            context.start,
            end,
            (
                retyped(name, "LABEL"),
                *context.tokens[context.position : end],
                make_token("SEMICOLON", "", last.end, last),
                make_token("TAP", "", last.end, last),
                make_token("NAME", str(name), last.end, last),
            ),
        ),
    )


def _name_in_parentheses(context: ErrorContext) -> Explanation | None:
    """``tap(early)``, ``output(logits)``."""
    previous, name = context.previous, context.after()
    if context.kind != "LPAR" or previous is None or previous.kind not in {"TAP", "OUTPUT"}:
        return None
    if not name.isidentifier() or context.after(2).kind != "RPAR":
        return None
    suggestion = f"write `{previous} {shortened(name)}`"
    written = context.source.span(previous.end, context.after(2).end)
    return explanation(
        f"`{previous}` takes a name without parentheses",
        context.source.span(context.token.start, written.end),
        helps=(suggestion,),
        fix=(suggestion, [(written, f" {name}")]),
        repair=Repair(context.position, context.position + 3, (retyped(name, "NAME"),)),
    )


def _join_as_call(context: ErrorContext) -> Explanation | None:
    """``add(a, b)``."""
    previous = context.previous
    if context.kind != "LPAR" or previous is None or previous.kind not in {"ADD", "CONCAT", "MUL", "MEAN"}:
        return None
    return explanation(
        f"the branches of `{previous}` are written in braces",
        context.here,
        "expected `{`",
        helps=(f"write `{previous} {{ ...; ... }}`: each branch starts from the current value, or `from` a tap",),
    )


def _arguments_without_parentheses(context: ErrorContext) -> Explanation | None:
    """``conv 64, 3x3``."""
    if context.at_top or context.position != context.head + 1 or context.tokens[context.head].kind != "NAME":
        return None
    if context.kind not in {"INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE", "LSQB", "MINUS"}:
        return None
    callee, last = context.tokens[context.head], context.tokens[context.end - 1]
    start, end = callee.end, last.end
    gap = context.source.span(start, context.token.start)
    arguments = context.source.text[gap.end : end]
    return explanation(
        f"the arguments of `{shortened(callee)}` need parentheses",
        context.source.span(gap.end, end),
        helps=(f"write `{shortened(callee)}({shortened(arguments)})`",),
        fix=("put them in parentheses", [(gap, "("), (context.source.span(end, end), ")")]),
        repair=Repair(
            context.position,
            context.end,
            (
                inserted("LPAR", "(", context.token),
                *(token for token in context.tokens[context.position : context.end] if token.kind != LOST_CLOSER),
                make_token("RPAR", "", end, last),
            ),
        ),
    )


def _two_statements(context: ErrorContext) -> Explanation | None:
    """``relu bn``, ``conv1 conv(64)``, ``conv(64) relu``: a separator or a colon is missing."""
    previous = context.previous
    if previous is None or not context.accepts("SEMICOLON") or context.bracket is not None:
        return None
    if not (context.token.isidentifier() or context.kind in {"LABEL", "LBRACE"}):
        return None
    behind = context.after_previous
    if not context.at_top and context.position == context.head + 1 == context.start + 1 and previous.kind == "NAME":
        label = f"write `{shortened(previous)}: {shortened(context.token)}` to label a layer"
        both = f"write `{shortened(previous)}; {shortened(context.token)}` for two layers"
        looks_like_a_label = previous[-1].isdigit() or "_" in previous
        return explanation(
            f"expected `:` or `;` between `{shortened(previous)}` and `{shortened(context.token)}`",
            context.here,
            code=catalogue.MISSING_SEPARATOR,
            secondary=[(context.span(previous), "a label, or a layer of its own?")],
            helps=(label, both),
            fix=("make it a label", [(behind, ":")]) if looks_like_a_label else None,
            repair=Repair(context.position, context.position, (inserted("SEMICOLON", ";", context.token),)),
            is_certain=False,
        )
    if context.at_top and context.keywords.get(str(context.token)) not in {"MODEL", "BLOCK", "USE", "CONST"}:
        return outside_of_a_body(context)
    if not context.at_top and not context.accepts("SEMICOLON", context.kind):
        return None
    return explanation(
        "two statements on one line need `;` between them",
        context.here,
        "the second statement begins here",
        code=catalogue.MISSING_SEPARATOR,
        helps=("write `;` before it, or begin a new line",),
        fix=("separate them", [(behind, ";")]),
        repair=Repair(context.position, context.position, (inserted("SEMICOLON", ";", context.token),)),
        is_certain=False,
    )


def _label_without_colon(context: ErrorContext) -> Explanation | None:
    """``denselayer{i} dense_layer(32)``."""
    name = context.previous
    if name is None or name.kind != "NAME" or context.kind != "LBRACE" or name.end != context.token.start:
        return None
    rest = [token.kind for token in context.tokens[context.position : context.end + 40]]
    end = context.position + rest.index("RBRACE") if "RBRACE" in rest else 0
    if end == 0 or context.position != context.start + 1 or not context.tokens[end + 1].isidentifier():
        return None
    label = context.source.span(name.start, context.tokens[end].end)
    behind = context.source.span(label.end, label.end)
    suggestion = f"write `{shortened(label.text)}: {shortened(context.tokens[end + 1])}`"
    return explanation(
        f"expected `:` after the label `{shortened(label.text)}`",
        context.span(context.tokens[end + 1]),
        code=catalogue.MISSING_SEPARATOR,
        helps=(suggestion,),
        fix=(suggestion, [(behind, ":")]),
        repair=Repair(
            context.start,
            end + 1,
            (make_token("LABEL", label.text, label.start, name), make_token("COLON", "", label.end, name)),
        ),
    )


def _colon_for_a_body(context: ErrorContext) -> Explanation | None:
    """``model resnet(classes = 10):``."""
    if context.kind != "COLON" or not context.accepts("LBRACE") or context.bracket is not None:
        return None
    brace_follows = context.after().kind == "LBRACE"
    return explanation(
        "a body needs braces",
        context.here,
        "expected `{`",
        helps=("remove the colon",) if brace_follows else ("write `{ ... }` in place of the colon and indentation",),
        fix=("remove the colon", [(context.here, "")]) if brace_follows else None,
        repair=Repair(context.position, context.position + 1) if brace_follows else None,
    )


def _dotted_name(context: ErrorContext) -> Explanation | None:
    if context.kind != "DOTTED_NAME":
        return None
    at_start = context.position == context.start and not context.at_top
    return explanation(
        f"`{shortened(context.token)}` can only be a label" if at_start else "a name has no points in it",
        context.here,
        "expected `:` after it" if at_start else "",
        helps=(f"write `{shortened(context.token)}: ...`",)
        if at_start
        else ("only labels and names of stages have points: `features.conv1: conv(64, 7x7)`",),
    )


def _use_of_nothing(context: ErrorContext) -> Explanation | None:
    """``use "std/residual.res"``, ``use std``."""
    head = context.tokens[context.start]
    if head.kind != "USE" or context.position > context.start + 2:
        return None
    return explanation(
        "`use` says from where, and what",
        context.here,
        helps=('write `use "std/residual.res" (bottleneck)`: a file in double quotes, names in parentheses',),
    )


def _shape_in_other_brackets(context: ErrorContext) -> Explanation | None:
    previous = context.previous
    if previous is None or previous.kind != "ARROW" or context.kind in {"NEWLINE", END}:
        return None
    return explanation(
        "a shape is written in square brackets",
        context.here,
        "expected `[`",
        helps=("write `-> [N, 512, 28, 28]`, with `_` for a size that is not known",),
    )


def _shape_of_nothing(context: ErrorContext) -> Explanation | None:
    if context.kind != "ARROW":
        return None
    return explanation(
        "a shape annotation must follow a statement that makes a value",
        context.here,
        "nothing that makes a value ends right before it",
        helps=("write `conv(64, 3x3) -> [N, 64, H, W]`",),
        is_certain=False,
    )


RECOGNIZERS: tuple[Recognizer, ...] = (
    _assignment,
    _label_of_what_has_none,
    _second_label,
    _labelled_keyword,
    _labelling_tap,
    _name_in_parentheses,
    _join_as_call,
    _arguments_without_parentheses,
    _label_without_colon,
    _two_statements,
    _colon_for_a_body,
    _dotted_name,
    _use_of_nothing,
    _shape_in_other_brackets,
    _shape_of_nothing,
)
"""In the order in which they are tried."""
