"""What holds for every text: trees come back as they were written, layout changes no meaning, nothing raises."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from resdsl.diagnostics import Diagnostics, Source, Span
from resdsl.syntax import parse, tree
from resdsl.syntax.formatter import format_source

NOWHERE = Span(Source("nowhere", ""), 0, 0)
ROOT = Path(__file__).parents[2]
TEXTS = [
    path.read_text(encoding="utf-8") for path in sorted([*ROOT.glob("specs/*.res"), *ROOT.glob("resdsl/std/*.res")])
]

# In written text: where a line may be broken or a comment put inside of a statement, and where a statement ends.
INSIDE, END = "\ue000", "\ue001"

RESERVED = {"if", "else", "and", "or", "not", "true", "false"}
SHORT_NAMES = ["a", "conv1", "x", "input", "stage", "mean", "pad", "half", "N", "shortcut", "width_2", "in"]
WIDE = "wide_" * 25
"""Longer than a line: what holds it is split in every way that there is."""
# Few of them, so that most lines are filled by what they hold.
NAMES = st.sampled_from([*(SHORT_NAMES * 2), WIDE])
CALLEES = st.sampled_from(["conv", "bn", "identity", "pad", "bottleneck"])


def at(node: type, *values: object, **named: object) -> tree.Tree:
    made: tree.Tree = node(*values, **named, span=NOWHERE)
    return made


identifiers = NAMES.map(lambda name: at(tree.Identifier, name))
callees = CALLEES.map(lambda name: at(tree.Identifier, name))
numbers = st.sampled_from(
    [(0, "0"), (64, "64"), (1000, "1_000"), (0.17, "0.17"), (1e-3, "1e-3"), (11_510_000_000, "11.51G")]
).map(lambda pair: at(tree.Number, *pair))
leaves = st.one_of(
    numbers,
    st.builds(lambda h, w: at(tree.SizeLiteral, h, w), st.integers(0, 99), st.integers(0, 99)),
    (st.text(st.characters(codec="utf-8", exclude_characters="\r\n" + INSIDE + END), max_size=8) | st.just(WIDE)).map(
        lambda text: at(tree.String, text)
    ),
    st.booleans().map(lambda value: at(tree.Boolean, value)),
    NAMES.map(lambda name: at(tree.Name, name)),
    st.just(at(tree.Wildcard)),
)


def extend(inner: st.SearchStrategy[tree.Tree]) -> st.SearchStrategy[tree.Tree]:
    operators = st.sampled_from(["+", "-", "*", "/", "//", "%", "==", "!=", "<", "<=", ">", ">=", "and", "or"])
    arguments = st.lists(
        st.builds(lambda name, value: at(tree.Argument, name, value), st.none() | identifiers, inner), max_size=3
    )
    return st.one_of(
        st.builds(lambda operator, left, right: at(tree.Binary, operator, left, right), operators, inner, inner),
        st.builds(lambda operator, value: at(tree.Unary, operator, value), st.sampled_from(["-", "not"]), inner),
        st.builds(lambda a, b, c: at(tree.Conditional, a, b, c), inner, inner, inner),
        st.builds(lambda a, b: at(tree.Index, a, b), inner, inner),
        st.lists(inner, max_size=3).map(lambda items: at(tree.ListLiteral, tuple(items))),
        st.builds(lambda name, items: at(tree.FunctionCall, name, tuple(items)), identifiers, arguments),
    )


expressions = st.recursive(leaves, extend, max_leaves=6)
arguments = st.lists(
    st.builds(lambda name, value: at(tree.Argument, name, value), st.none() | identifiers, expressions), max_size=3
).map(tuple)
shapes = st.lists(expressions, min_size=1, max_size=4).map(lambda dims: at(tree.Shape, tuple(dims)))
calls = st.builds(lambda callee, items: at(tree.Call, callee, items), callees, arguments)
holes = st.sampled_from(["i", "i + 1", "n[i]"])
labels = st.sampled_from(
    [("a",), ("0",), ("a.b.0",), ("stage",), ("layer", at(tree.Name, "i")), (at(tree.Name, "i"), ".x")]
).map(lambda parts: at(tree.LabelTree, parts))
declarations = st.one_of(
    st.builds(lambda name, dtype, shape: at(tree.Input, name, dtype, shape), identifiers, identifiers, shapes),
    identifiers.map(lambda name: at(tree.Tap, name)),
    identifiers.map(lambda name: at(tree.Output, name)),
    st.builds(lambda name, value: at(tree.Const, name, value), identifiers, expressions),
    st.builds(lambda callee, items: at(tree.Default, callee, items), callees, arguments),
    st.lists(calls, max_size=3).map(lambda steps: at(tree.Preprocess, tuple(steps))),
    expressions.map(lambda value: at(tree.Labels, value)),
    st.builds(
        lambda name, relation, value: at(tree.Expect, name, relation, value),
        identifiers, st.sampled_from(["==", "<=", ">="]), expressions,
    ),
)  # fmt: skip
counts = st.one_of(numbers.filter(lambda number: isinstance(number.value, int)), expressions)


def flows(
    statements: st.SearchStrategy[tree.Tree],
) -> tuple[st.SearchStrategy[tree.Tree], st.SearchStrategy[tree.Tree]]:
    """What may have a label, and what may not."""
    bodies = st.lists(statements, max_size=3).map(lambda items: at(tree.Body, tuple(items)))
    kinds = st.one_of(NAMES.map(lambda name: at(tree.Name, name)), expressions)
    choices = st.builds(lambda c, then, other: at(tree.If, c, then, other), expressions, bodies, st.none() | bodies)
    else_if = choices.map(lambda choice: at(tree.Body, (at(tree.Step, None, choice, None),)))
    labelled = st.one_of(
        calls,
        bodies.map(lambda body: at(tree.Group, body)),
        st.builds(
            lambda count, repeated: at(tree.Repeat, count, repeated),
            counts, calls | bodies.map(lambda body: at(tree.Group, body)),
        ),
        st.builds(
            lambda items, main, kind, body: at(
                tree.Residual, items, main, kind, body, keyword_span=NOWHERE, shortcut_span=None
            ),
            arguments, bodies, st.none() | kinds, st.none() | bodies,
        ),
        st.builds(
            lambda kind, body: at(tree.Join, kind, body, keyword_span=NOWHERE),
            st.sampled_from(["concat", "add", "mul", "mean"]), bodies,
        ),
        st.builds(lambda tap, body: at(tree.From, tap, body), identifiers, bodies),
    )  # fmt: skip
    ranges = st.builds(lambda a, b: at(tree.Range, a, b), expressions, expressions)
    rows = st.lists(identifiers, min_size=1, max_size=3).map(lambda names: at(tree.Row, tuple(names)))
    loops = st.builds(
        lambda variable, values, body: at(tree.For, variable, values, body),
        identifiers | rows, ranges | expressions, bodies,
    )  # fmt: skip
    others = st.one_of(
        st.builds(lambda label, items, body: at(tree.Stage, label, items, body), labels, arguments, bodies),
        loops,
        choices,
        st.builds(lambda c, then, other: at(tree.If, c, then, other), expressions, bodies, else_if),
    )
    return labelled, others


def nest(statements: st.SearchStrategy[tree.Tree]) -> st.SearchStrategy[tree.Tree]:
    labelled, others = flows(statements)
    return st.one_of(
        st.builds(
            lambda label, flow, shape: at(tree.Step, label, flow, shape),
            st.none() | labels,
            labelled,
            st.none() | shapes,
        ),
        st.builds(lambda flow, shape: at(tree.Step, None, flow, shape), others, st.none() | shapes),
    )


simple = st.one_of(
    declarations,
    st.builds(
        lambda label, call, shape: at(tree.Step, label, call, shape), st.none() | labels, calls, st.none() | shapes
    ),
)
statements = st.recursive(simple, nest, max_leaves=6)
annotations = st.one_of(
    st.sampled_from(["int", "block", "shortcut"]).map(lambda name: at(tree.TypeAnnotation, name)),
    st.lists(identifiers, min_size=1, max_size=3).map(lambda members: at(tree.TypeAnnotation, "", tuple(members))),
)
parameters = st.builds(
    lambda name, annotation, default: at(tree.Parameter, name, annotation, default),
    identifiers, st.none() | annotations, st.none() | expressions,
)  # fmt: skip
items = st.one_of(
    st.lists(identifiers, min_size=1, max_size=3).map(
        lambda names: at(tree.Use, at(tree.String, "std/residual.res"), tuple(names))
    ),
    st.builds(lambda name, value: at(tree.Const, name, value), identifiers, expressions),
    st.builds(
        lambda kind, name, params, body: at(tree.Definition, kind, name, tuple(params), at(tree.Body, tuple(body))),
        st.sampled_from(["model", "block"]), identifiers,
        st.lists(parameters, max_size=3), st.lists(statements, max_size=4),
    ),
)  # fmt: skip
modules = st.lists(items, max_size=4).map(tuple)


# --- writing trees: every operand in parentheses, so that no knowledge of precedence is shared with the parser -------


def bracketed(opening: str, texts: list[str], closing: str) -> str:
    inner = f",{INSIDE}".join(texts)
    return f"{opening}{INSIDE}{inner}{INSIDE}{closing}"


def write(node: object) -> str:
    match node:
        case tree.Identifier(name) | tree.Name(name):
            return name
        case tree.Number(_, text):
            return text
        case tree.SizeLiteral(height, width):
            return f"{height}x{width}"
        case tree.String(value):
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case tree.Boolean(value):
            return "true" if value else "false"
        case tree.Wildcard():
            return "_"
        case tree.ListLiteral(values) | tree.Shape(values):
            return bracketed("[", [write(value) for value in values], "]")
        case tree.Range(first, last):
            return f"{write(first)}..{write(last)}"
        case tree.Row(names):
            return bracketed("(", [write(name) for name in names], ")")
        case tree.Unary(operator, operand):
            return f"({operator} {write(operand)})"
        case tree.Binary(operator, left, right):
            return f"({write(left)} {operator} {write(right)})"
        case tree.Conditional(value, condition, otherwise):
            return f"({write(value)} if {write(condition)} else {write(otherwise)})"
        case tree.Index(operand, index):
            return f"({write(operand)})[{INSIDE}{write(index)}{INSIDE}]"
        case tree.FunctionCall(function, values):
            return write(function) + written_arguments(values)
        case tree.Argument(None, value):
            return write(value)
        case tree.Argument(name, value) | tree.Const(name, value):
            prefix = "const " if isinstance(node, tree.Const) else ""
            return f"{prefix}{write(name)} = {write(value)}"
        case tree.LabelTree(parts):
            return "".join(part if isinstance(part, str) else f"{{{write(part)}}}" for part in parts)
        case tree.TypeAnnotation("", members):
            return bracketed("{", [write(member) for member in members], "}")
        case tree.TypeAnnotation(name, _):
            return name
        case tree.Parameter(name, annotation, default):
            return (
                write(name)
                + (f": {write(annotation)}" if annotation else "")
                + (f" = {write(default)}" if default else "")
            )
        case tree.Use(path, names):
            return f"use {write(path)} " + bracketed("(", [write(name) for name in names], ")")
        case tree.Definition(kind, name, params, body):
            return f"{kind} {write(name)}{bracketed('(', [write(p) for p in params], ')')} {write(body)}"
        case tree.Body(inner):
            return "{" + END + "".join(write(statement) + END for statement in inner) + "}"
        case _:
            return write_statement(node)


def written_arguments(values: tuple[tree.Argument, ...]) -> str:
    return bracketed("(", [write(value) for value in values], ")")


def write_statement(node: object) -> str:
    match node:
        case tree.Input(name, dtype, shape):
            return f"input {write(name)}: {write(dtype)}{write(shape)}"
        case tree.Tap(name):
            return f"tap {write(name)}"
        case tree.Output(name):
            return f"output {write(name)}"
        case tree.Default(callee, values):
            return f"default {write(callee)}{written_arguments(values)}"
        case tree.Preprocess(steps):
            return "preprocess " + write(at(tree.Body, steps))
        case tree.Labels(value):
            return f"labels {write(value)}"
        case tree.Expect(subject, relation, value):
            return f"expect {write(subject)} {relation} {write(value)}"
        case tree.Step(label, flow, shape):
            return (
                (f"{write(label)}: " if label else "") + write(flow) + (f"{INSIDE}-> {write(shape)}" if shape else "")
            )
        case tree.Call(callee, values):
            return write(callee) + written_arguments(values)
        case tree.Group(body):
            return write(body)
        case tree.Repeat(count, repeated):
            # `input x conv` is not the repeat that it would be with any other name.
            is_word = isinstance(count, tree.Name) and count.name not in {"input", "stage", "mean", "shortcut"}
            plain = is_word or (isinstance(count, tree.Number) and not str(write(count)).count("."))
            return (write(count) if plain else f"({write(count)})") + f" x {write(repeated)}"
        case tree.Stage(label, values, body):
            return f"stage {write(label)}{written_arguments(values)} {write(body)}"
        case tree.Residual(values, main, kind, body):
            text = f"residual{written_arguments(values)} {write(main)}"
            if kind is not None or body is not None:
                text += f"{INSIDE}shortcut" + (f" {write(kind)}" if kind else "") + (f" {write(body)}" if body else "")
            return text
        case tree.Join(kind, body):
            return f"{kind} {write(body)}"
        case tree.From(tap, body):
            return f"from {write(tap)} {write(body)}"
        case tree.For(variable, values, body):
            return f"for {write(variable)} in {write(values)} {write(body)}"
        case tree.If(condition, then, otherwise):
            text = f"if {write(condition)} {write(then)}"
            return text + (f"{INSIDE}else {write_else(otherwise)}" if otherwise else "")
        case _:
            raise AssertionError(node)


def write_else(body: tree.Body) -> str:
    match body.statements:
        case (tree.Step(None, tree.If() as choice, None),):
            return write(choice)
        case _:
            return write(body)


def write_module(module: tuple[tree.Tree, ...]) -> str:
    return "".join(write(item) + END for item in module)


@st.composite
def layouts(draw: st.DrawFn, text: str) -> str:
    """A text with lines broken and comments put wherever they may be."""
    inside = st.sampled_from([" ", " ", "", "\n", "  # c\n", "\n\n  # own (line\n", " # é {\r\n\t# d\n"])
    end = st.sampled_from(["\n", "\n", "; ", ";", "\n\n\n", "  # c }\n", "\n  # own\n", ";  # d\n\n# own\n"])
    pieces = re.split(f"([{INSIDE}{END}])", text)
    chosen = [draw(inside) if p == INSIDE else draw(end) if p == END else p for p in pieces]
    return "".join(chosen)


def parsed(text: str) -> tree.Module:
    diagnostics = Diagnostics()
    module = parse(Source("test.res", text), diagnostics)
    assert not diagnostics.errors, (text, [error.message for error in diagnostics.errors])
    return module


def comments(text: str) -> list[str]:
    return sorted(comment.text for comment in parsed(text).comments)


def formatted(text: str) -> str:
    diagnostics = Diagnostics()
    result = format_source(Source("test.res", text), diagnostics)
    assert result is not None, (text, [error.message for error in diagnostics.errors])
    return result


@settings(deadline=None)
@given(modules)
def test_a_tree_that_is_written_is_read_back(module: tuple[tree.Tree, ...]) -> None:
    text = write_module(module).replace(INSIDE, " ").replace(END, "\n")
    assert parsed(text).items == module


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_layout_changes_no_meaning_and_loses_no_comment(data: st.DataObject) -> None:
    module = data.draw(modules)
    text = data.draw(layouts(write_module(module)))
    assert parsed(text).items == module
    once = formatted(text)
    assert parsed(once).items == module
    assert comments(once) == comments(text)
    assert formatted(once) == once


@settings(deadline=None)
@given(st.data())
def test_formatted_text_is_tidy(data: st.DataObject) -> None:
    once = formatted(data.draw(layouts(write_module(data.draw(modules)))))
    assert once == "" or once.endswith("\n")
    lines = once.split("\n")
    assert all(line == line.rstrip() or "#" in line or '"' in line for line in lines)
    assert "\n\n\n" not in once
    assert not once.startswith("\n")
    assert "\r" not in once.replace("\\r", "") or '"' in once
    assert not once.endswith("\n\n")


GARBAGE = [
    "", "{", "}", "(", ")", "[", "]", ",", ":", ";", "\n", '"', "'", "#", "//", " if ", " else ", " shortcut ",
    " stage ", " x ", "3x3", "1__0", "->", "=", "..", ".", "@", "\0", "é", " block ", "a:", "{i}",
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A shipped file with a few characters deleted, inserted, doubled or exchanged."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 1, 1, 2, 8, 40])))
        garbage = draw(st.sampled_from([*GARBAGE, text[start:end] * 2]) | st.text(max_size=3))
        text = text[:start] + garbage + text[end:]
    return text


def broken(node: object) -> bool:
    """Whether there is a Broken node in a tree."""
    if isinstance(node, tree.Broken):
        return True
    if isinstance(node, tuple):
        return any(map(broken, node))
    if isinstance(node, tree.Tree):
        return any(broken(getattr(node, name)) for name in node.__dataclass_fields__ if name != "span")
    return False


@given(damaged())
@settings(max_examples=150, deadline=None)
def test_damaged_text_is_valid_or_has_an_error(text: str) -> None:
    diagnostics = Diagnostics()
    source = Source("test.res", text)
    module = parse(source, diagnostics)
    assert len(diagnostics.errors) <= 50
    for error in diagnostics.errors:
        assert error.primary is not None
        assert 0 <= error.primary.span.start <= error.primary.span.end <= len(text)
    if broken(module.items):
        assert diagnostics.errors
    result = format_source(source, Diagnostics())
    assert (result is None) == bool(diagnostics.errors)
    if result is not None:
        assert parsed(result).items == module.items
        assert formatted(result) == result


@settings(deadline=None)
@given(st.text())
def test_any_text_gives_a_tree_or_errors(text: str) -> None:
    diagnostics = Diagnostics()
    module = parse(Source("test.res", text), diagnostics)
    assert isinstance(module, tree.Module)
    assert bool(diagnostics.errors) == (format_source(Source("test.res", text), Diagnostics()) is None)
