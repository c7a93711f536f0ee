"""Statements that are put together wrongly: labels, separators, bodies."""

from __future__ import annotations

from resdsl.diagnostics import catalogue
from resdsl.syntax.lexing import LOST_CLOSER, inserted, join_stage_names, make_token, retyped
from resdsl.syntax.mistakes.explanation import Explanation, Recognizer, Repair, error
from resdsl.syntax.mistakes.keywords import outside_of_a_body
from resdsl.syntax.place import Place
from resdsl.syntax.tables import END
from resdsl.syntax.wording import shown

_WITHOUT_LABEL = {
    "STAGE": "a stage is named by what follows `stage`",
    "FOR": "put the loop into a group: `name: { for ... }`",
    "IF": "put the choice into a group: `name: { if ... }`",
}


def _assignment(place: Place) -> Explanation | None:
    """``width = 64`` or ``x = conv(64)`` as a statement."""
    if place.at_top or place.kind != "EQUAL" or place.position != place.head + 1 or place.head != place.start:
        return None
    name = place.tokens[place.start]
    if name.kind != "NAME":
        return None
    start = place.span(name)
    if place.after().isidentifier() and place.after(2).kind in {"LPAR", "NEWLINE", "SEMICOLON", "RBRACE"}:
        between = place.source.span(start.end, place.here.end)
        return Explanation(
            error(
                "there are no variables for tensors",
                place.here,
                "every layer works on the current value",
                helps=(
                    f"write `{name}: {shown(place.after())}...` to name the layer",
                    f"to come back to its result, there are `tap {name}` behind it and `from {name} {{ ... }}`",
                ),
                fix=("make it a label", [(between, ":")]),
            ),
            Repair(
                place.start,
                place.position + 1,
                (retyped(name, "LABEL"), make_token("COLON", ":", start.end, place.token)),
            ),
        )
    return Explanation(
        error(
            "a value is given with `const`",
            start,
            helps=(f"write `const {name} = ...`",),
            fix=("make it a `const`", [(place.source.span(start.start, start.start), "const ")]),
        ),
        Repair(place.start, place.start, (inserted("CONST", "const", name),)),
    )


def _label_of_what_has_none(place: Place) -> Explanation | None:
    """``a: stage b {``, ``a: for ...``, ``a: output b``, ``a: b: conv``."""
    if place.position < 2 or place.position != place.head or place.head == place.start:
        return None
    label = place.tokens[place.start]
    if place.kind in {"NEWLINE", "SEMICOLON", "RBRACE", END}:
        return Explanation(
            error(
                f"the label `{shown(label)}` names nothing",
                place.here,
                "expected what it names",
                helps=("write a layer, a block or `{ ... }` behind the colon, on the same line",),
            )
        )
    # In this state the keyword was not accepted, and was taken for a name if it can be one.
    kind = place.keywords.get(str(place.token), place.kind)
    if kind not in {
        "STAGE",
        "FOR",
        "IF",
        "INPUT",
        "TAP",
        "OUTPUT",
        "CONST",
        "DEFAULT",
        "PREPROCESS",
        "LABELS",
        "EXPECT",
    }:
        return None
    return _unlabelable(place, place.position)


def _second_label(place: Place) -> Explanation | None:
    """``a: b: conv``."""
    if place.kind != "COLON" or place.position != place.head + 1 or place.head == place.start:
        return None
    label, colon, second = place.tokens[place.start : place.start + 3]
    between = place.source.span(colon.start, second.start)
    return Explanation(
        error(
            "a statement has one label",
            place.span(second),
            "the second label",
            secondary=[(place.span(label), "the first label")],
            helps=(f"one name with two parts is `{shown(label)}.{shown(second)}: ...`",),
            fix=("join the labels with a point", [(between, ".")]),
        ),
        Repair(place.start, place.start + 3, (retyped(second, "LABEL"),)),
    )


def _labelled_keyword(place: Place) -> Explanation | None:
    """The same where the keyword was read as a call: ``a: output b`` fails at ``b``."""
    if place.position != place.head + 1 or place.head == place.start:
        return None
    kind = place.keywords.get(str(place.tokens[place.head]), "")
    if kind not in {"STAGE", "FOR", "INPUT", "TAP", "OUTPUT", "CONST", "DEFAULT", "PREPROCESS", "LABELS", "EXPECT"}:
        return None
    return _unlabelable(place, place.head)


def _unlabelable(place: Place, position: int) -> Explanation:
    label, keyword = place.tokens[place.start], place.tokens[position]
    kind = place.keywords.get(str(keyword), keyword.kind)
    remove = place.source.span(label.start, keyword.start)
    helps = (_WITHOUT_LABEL.get(kind, "only what makes a value has a label: a layer, a block, a group, a join"),)
    rest = [retyped(keyword, kind), *place.tokens[position + 1 : place.end]]
    if kind == "STAGE":
        rest = join_stage_names(rest, place.source.text)
    return Explanation(
        error(
            f"`{keyword}` cannot have a label",
            place.span(label),
            secondary=[(place.span(keyword), "this has no name of that kind")],
            helps=helps,
            fix=("remove the label", [(remove, "")]),
        ),
        Repair(place.start, max(place.end, position + 1), tuple(rest)),
    )


def _arguments_without_parentheses(place: Place) -> Explanation | None:
    """``conv 64, 3x3``."""
    if place.at_top or place.position != place.head + 1 or place.tokens[place.head].kind != "NAME":
        return None
    if place.kind not in {"INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE", "LSQB", "MINUS"}:
        return None
    callee, last = place.tokens[place.head], place.tokens[place.end - 1]
    start, end = callee.end, last.end
    gap = place.source.span(start, place.token.start)
    arguments = place.source.text[gap.end : end]
    return Explanation(
        error(
            f"the arguments of `{shown(callee)}` stand without parentheses",
            place.source.span(gap.end, end),
            helps=(f"write `{shown(callee)}({shown(arguments)})`",),
            fix=("put them in parentheses", [(gap, "("), (place.source.span(end, end), ")")]),
        ),
        Repair(
            place.position,
            place.end,
            (
                inserted("LPAR", "(", place.token),
                *(token for token in place.tokens[place.position : place.end] if token.kind != LOST_CLOSER),
                make_token("RPAR", "", end, last),
            ),
        ),
    )


def _two_statements(place: Place) -> Explanation | None:
    """``relu bn``, ``conv1 conv(64)``, ``conv(64) relu``: a separator or a colon is missing."""
    previous = place.previous
    if previous is None or not place.accepts("SEMICOLON") or place.bracket is not None:
        return None
    if not (place.token.isidentifier() or place.kind in {"LABEL", "LBRACE"}):
        return None
    behind = place.behind
    if not place.at_top and place.position == place.head + 1 == place.start + 1 and previous.kind == "NAME":
        label = f"write `{shown(previous)}: {shown(place.token)}` to label a layer"
        both = f"write `{shown(previous)}; {shown(place.token)}` for two layers"
        looks_like_a_label = previous[-1].isdigit() or "_" in previous
        return Explanation(
            error(
                f"expected `:` or `;` between `{shown(previous)}` and `{shown(place.token)}`",
                place.here,
                code=catalogue.MISSING_SEPARATOR,
                secondary=[(place.span(previous), "a label, or a layer of its own?")],
                helps=(label, both),
                fix=("make it a label", [(behind, ":")]) if looks_like_a_label else None,
            ),
            Repair(place.position, place.position, (inserted("SEMICOLON", ";", place.token),)),
            is_certain=False,
        )
    if place.at_top and place.keywords.get(str(place.token)) not in {"MODEL", "BLOCK", "USE", "CONST"}:
        return outside_of_a_body(place)
    if not place.at_top and not place.accepts("SEMICOLON", place.kind):
        return None
    return Explanation(
        error(
            "two statements on one line need `;` between them",
            place.here,
            "the second statement begins here",
            code=catalogue.MISSING_SEPARATOR,
            helps=("write `;` before it, or begin a new line",),
            fix=("separate them", [(behind, ";")]),
        ),
        Repair(place.position, place.position, (inserted("SEMICOLON", ";", place.token),)),
        is_certain=False,
    )


def _label_without_colon(place: Place) -> Explanation | None:
    """``denselayer{i} dense_layer(32)``."""
    name = place.previous
    if name is None or name.kind != "NAME" or place.kind != "LBRACE" or name.end != place.token.start:
        return None
    rest = [token.kind for token in place.tokens[place.position : place.end + 40]]
    end = place.position + rest.index("RBRACE") if "RBRACE" in rest else 0
    if end == 0 or place.position != place.start + 1 or not place.tokens[end + 1].isidentifier():
        return None
    label = place.source.span(name.start, place.tokens[end].end)
    behind = place.source.span(label.end, label.end)
    way_out = f"write `{shown(label.text)}: {shown(place.tokens[end + 1])}`"
    return Explanation(
        error(
            f"expected `:` behind the label `{shown(label.text)}`",
            place.span(place.tokens[end + 1]),
            code=catalogue.MISSING_SEPARATOR,
            helps=(way_out,),
            fix=(way_out, [(behind, ":")]),
        ),
        Repair(
            place.start,
            end + 1,
            (make_token("LABEL", label.text, label.start, name), make_token("COLON", "", label.end, name)),
        ),
    )


def _colon_for_a_body(place: Place) -> Explanation | None:
    """``model resnet(classes = 10):``."""
    if place.kind != "COLON" or not place.accepts("LBRACE") or place.bracket is not None:
        return None
    brace_follows = place.after().kind == "LBRACE"
    return Explanation(
        error(
            "a body stands in braces",
            place.here,
            "expected `{`",
            helps=("remove the colon",)
            if brace_follows
            else ("write `{ ... }` in place of the colon and indentation",),
            fix=("remove the colon", [(place.here, "")]) if brace_follows else None,
        ),
        Repair(place.position, place.position + 1) if brace_follows else None,
    )


def _dotted_name(place: Place) -> Explanation | None:
    if place.kind != "DOTTED_NAME":
        return None
    at_start = place.position == place.start and not place.at_top
    return Explanation(
        error(
            f"`{shown(place.token)}` can only be a label" if at_start else "a name has no points in it",
            place.here,
            "expected `:` behind it" if at_start else "",
            helps=(
                (f"write `{shown(place.token)}: ...`",)
                if at_start
                else ("only labels and names of stages have points: `features.conv1: conv(64, 7x7)`",)
            ),
        )
    )


def _use_of_nothing(place: Place) -> Explanation | None:
    """``use "std/residual.res"``, ``use std``."""
    head = place.tokens[place.start]
    if head.kind != "USE" or place.position > place.start + 2:
        return None
    return Explanation(
        error(
            "`use` says from where, and what",
            place.here,
            helps=('write `use "std/residual.res" (bottleneck)`: a file in double quotes, names in parentheses',),
        )
    )


def _shape_in_other_brackets(place: Place) -> Explanation | None:
    previous = place.previous
    if previous is None or previous.kind != "ARROW" or place.kind in {"NEWLINE", END}:
        return None
    return Explanation(
        error(
            "a shape stands in square brackets",
            place.here,
            "expected `[`",
            helps=("write `-> [N, 512, 28, 28]`, with `_` for a size that is not known",),
        )
    )


def _shape_of_nothing(place: Place) -> Explanation | None:
    if place.kind != "ARROW":
        return None
    return Explanation(
        error(
            "a shape is promised behind what makes a value",
            place.here,
            "nothing that makes a value ends right before it",
            helps=("write `conv(64, 3x3) -> [N, 64, H, W]`",),
        ),
        is_certain=False,
    )


RECOGNIZERS: tuple[Recognizer, ...] = (
    _assignment,
    _label_of_what_has_none,
    _second_label,
    _labelled_keyword,
    _arguments_without_parentheses,
    _label_without_colon,
    _two_statements,
    _colon_for_a_body,
    _dotted_name,
    _use_of_nothing,
    _shape_in_other_brackets,
    _shape_of_nothing,
)
"""In the order in which they are asked."""
