"""The diagnostic of each error: its code, the text it underlines, the message, and the fix if there is one."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from resdsl.diagnostics import Diagnostic, Diagnostics, Source
from resdsl.syntax import parse, tree
from resdsl.syntax.grammar import grammar

HEAD = "model m(classes = 10) {\n  input image: f32[N, 3, H, W]\n  "
TAIL = "\n  output y\n}\n"


def errors(text: str) -> list[Diagnostic]:
    diagnostics = Diagnostics()
    parse(Source("test.res", text), diagnostics)
    return diagnostics.errors


def fixed(text: str, error: Diagnostic) -> str:
    assert error.fix is not None
    for edit in sorted(error.fix.edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


@dataclass(frozen=True)
class Case:
    """``underlined`` is the primary span's text, or ``@N`` for the empty span N characters into the text."""

    text: str
    code: str
    message: str
    underlined: str
    help: str = ""
    fix: str | None = None


def check(case: Case, before: str, after: str) -> None:
    found = errors(before + case.text + after)
    assert [(error.code.id, error.message) for error in found] == [(case.code, found[0].message)]
    (error,) = found
    assert case.message in error.message
    assert error.primary is not None
    span = error.primary.span
    if re.fullmatch(r"@\d+", case.underlined):
        assert (span.start - len(before), span.text) == (int(case.underlined[1:]), "")
    else:
        assert span.text == case.underlined
        assert span.start >= len(before)
    assert case.help in "\n".join(error.helps)
    if case.fix is None:
        assert error.fix is None
    else:
        repaired = fixed(before + case.text + after, error)
        assert repaired == before + case.fix + after
        assert errors(repaired) == []


CHARACTERS = [
    Case("const a = 3 $ 4", "E0103", "`$` is not used in this language", "$"),
    Case("@jit", "E0103", "`@` is not used", "@", "names of tensors come from labels"),
    Case("const a = b ? 1 : 2", "E0103", "`?`", "?", "`a if condition else b`"),
    Case("relu \\", "E0103", "`\\`", "\\", "a statement is one line"),
    Case("relu\x00", "E0103", "the invisible character (U+0000)", "\x00", "is this a text file?"),
    Case("const a\u00a0= 3", "E0103", "(U+00A0)", "\u00a0", "an ordinary space", "const a = 3"),
    Case("const a = \u200b3", "E0103", "(U+200B)", "\u200b", "write nothing", "const a = 3"),
    Case("const a = 3 × 4", "E0103", "`×` (U+00D7)", "×", "write `*`", "const a = 3 * 4"),
    Case("conv(64, 3×3)", "E0103", "`×` (U+00D7)", "×", "write `x`", "conv(64, 3x3)"),
    Case("relu → [N]", "E0103", "`→`", "→", "write `->`", "relu -> [N]"),
    Case("const a = 3 – 2", "E0103", "`–`", "–", "write `-`", "const a = 3 - 2"),
    Case("const größe = 3", "E0103", "`größe` has letters that names cannot have", "ö", "ASCII"),
    Case("层: conv(64)", "E0103", "has letters that names cannot have", "层"),
    Case("const a = b && c", "E0101", "there is no operator `&&`", "&&", "write `and`", "const a = b and c"),
    Case("const a = b || c", "E0101", "`||`", "||", "write `or`", "const a = b or c"),
    Case("const a = !b", "E0101", "`!`", "!", "write `not`", "const a = not b"),
    Case("const a := 3", "E0101", "`:=`", ":=", "write `=`", "const a = 3"),
    Case("relu => [N]", "E0101", "`=>`", "=>", "write `->`", "relu -> [N]"),
    Case("for i in 1...3 { relu }", "E0101", "`...`", "...", "write `..`", "for i in 1..3 { relu }"),
    Case("const a = 2 ** 3", "E0101", "`**`", "**", "multiply"),
    Case("// the stem (first", "E0101", "a comment begins with `#`", "//", "`#`", "# the stem (first"),
    Case("relu  // it's {", "E0101", "a comment begins with `#`", "//", "`#`", "relu  # it's {"),
    Case("conv(64, // width\n 3x3)", "E0101", "a comment begins with `#`", "//", "`#`", "conv(64, # width\n 3x3)"),
]

NUMBERS = [
    Case("const a = 1__0", "E0104", "`1__0` is not a number", "1__0", "single underscores", "const a = 1_0"),
    Case("const a = 1_", "E0104", "`1_` is not a number", "1_", "single underscores", "const a = 1"),
    Case("const a = 12abc", "E0104", "`12abc` is not a number", "12abc", "a name begins with a letter"),
    Case("const a = .5", "E0104", "`.5`", ".5", "write `0.5`", "const a = 0.5"),
    Case("const a = 1.", "E0104", "`1.`", "1.", "write `1.0`", "const a = 1.0"),
    Case("const a = 1.2.3", "E0104", "`1.2.3`", "1.2.3", "one point"),
    Case("const a = 5m", "E0104", "`5m`", "5m", "write `5M`", "const a = 5M"),
    Case("const a = 1e", "E0104", "`1e`", "1e"),
    Case("conv(64, 3X3)", "E0104", "`3X3`", "3X3", "write `3x3`", "conv(64, 3x3)"),
    Case("conv(64, 3x)", "E0104", "`3x` is neither a number nor a size", "3x", "a size has two sides"),
    Case("conv(64, 3x3x3)", "E0104", "`3x3x3` has more than two sides", "3x3x3", "height x width"),
    Case("conv(64, 3 x 3)", "E0104", "a size is written without spaces", "3 x 3", "write `3x3`", "conv(64, 3x3)"),
    Case("3x bottleneck(64)", "E0104", "`3x`", "3x", "`3 x block(...)`"),
    Case("3xb(64)", "E0104", "`3xb`", "3xb", "`3 x b`", "3 x b(64)"),
    Case("const a = 1e999", "E0104", "too large", "1e999"),
    Case("const a = " + "9" * 5000, "E0104", "too large", "9" * 5000),
    Case("const a = " + "9" * 50 + "x1", "E0104", "too large", "9" * 50 + "x1"),
]

STRINGS = [
    Case('labels "imagenet1k', "E0105", "this string is never closed", '"imagenet1k', 'close it with `"`'),
    Case('labels "a b c', "E0105", "this string is never closed", '"a'),
    Case("labels 'imagenet1k'", "E0107", "strings are written in double quotes", "'imagenet1k'", '`"imagenet1k"`',
         'labels "imagenet1k"'),
    Case(r'labels "C:\nets"', "E0107", r"strings have no escape `\n`", r"\n", r"a backslash is written `\\`"),
]  # fmt: skip

KEYWORDS = [
    Case("let a = 1", "E0109", "`let` is not a keyword", "let", "write `const`", "const a = 1"),
    Case("let x = 1", "E0109", "`let` is not a keyword", "let", "write `const`", "const x = 1"),
    Case("stge layer1(stride = 2) { relu }", "E0109", "`stge`", "stge", "did you mean `stage`?",
         "stage layer1(stride = 2) { relu }"),
    Case("ouput logits", "E0109", "`ouput`", "ouput", "did you mean `output`?", "output logits"),
    Case("exepct macs == 3", "E0109", "`exepct`", "exepct", "did you mean `expect`?", "expect macs == 3"),
    Case("resdual(scale = 1) { relu }", "E0109", "`resdual`", "resdual", "`residual`", "residual(scale = 1) { relu }"),
    Case("cnocat { relu; bn }", "E0109", "`cnocat`", "cnocat", "did you mean `concat`?", "concat { relu; bn }"),
    Case("residual { relu } shotcut pad", "E0109", "`shotcut`", "shotcut", "`shortcut`",
         "residual { relu } shortcut pad"),
    Case("if a { relu } elif b { bn }", "E0109", "`elif`", "elif", "write `else if`", "if a { relu } else if b { bn }"),
    Case("shortcut identity { relu }", "E0101", "`shortcut` without a residual", "shortcut", "nothing in between"),
    Case("concat { relu } shortcut identity", "E0101", "`shortcut` without a residual", "shortcut"),
    Case("else { relu }", "E0101", "`else` without an `if`", "else", "nothing in between"),
    Case("elif a { relu }", "E0101", "`elif` without an `if`", "elif"),
    Case("block b { relu }", "E0101", "a `block` cannot be defined in a body", "block", "top of the file"),
    Case("model b(n = 1) { relu }", "E0101", "a `model` cannot be defined in a body", "model", "top of the file"),
    Case('use "a.res" (b)', "E0101", "`use` belongs at the top of a file", "use", "out of the body"),
    Case("const if = 3", "E0101", "`if` cannot be a name", "if", "another name"),
]  # fmt: skip

STATEMENTS = [
    Case("a: stage b { relu }", "E0101", "`stage` cannot have a label", "a", "named by what follows",
         "stage b { relu }"),
    Case("a: for i in 1..3 { relu }", "E0101", "`for` cannot have a label", "a", "`name: { for ... }`",
         "for i in 1..3 { relu }"),
    Case("a: if n == 1 { relu }", "E0101", "`if` cannot have a label", "a", "`name: { if ... }`", "if n == 1 { relu }"),
    Case("a: output b", "E0101", "`output` cannot have a label", "a", "only what makes a value", "output b"),
    Case("a: const b = 1", "E0101", "`const` cannot have a label", "a", "only what makes a value", "const b = 1"),
    Case("a: b: conv(3)", "E0101", "a statement has one label", "b", "`a.b: ...`", "a.b: conv(3)"),
    Case("a:", "E0101", "the label `a` names nothing", "@2", "on the same line"),
    Case("a.b conv(64)", "E0101", "`a.b` can only be a label", "a.b", "write `a.b: ...`"),
    Case("conv1 conv(64)", "E0108", "expected `:` or `;` between `conv1` and `conv`", "conv", "`conv1: conv`",
         "conv1: conv(64)"),
    Case("relu bn", "E0108", "expected `:` or `;` between `relu` and `bn`", "bn", "`relu; bn` for two layers"),
    Case("conv(64) relu", "E0108", "need `;` between them", "relu", "begin a new line", "conv(64); relu"),
    Case("concat { relu } bn1: bn", "E0108", "need `;` between them", "bn1", "", "concat { relu }; bn1: bn"),
    Case("conv 64, 3x3", "E0101", "the arguments of `conv` need parentheses", "64, 3x3",
         "`conv(64, 3x3)`", "conv(64, 3x3)"),
    Case("c: conv 64, stride = 2", "E0101", "need parentheses", "64, stride = 2", "", "c: conv(64, stride = 2)"),
    Case("width = 64", "E0101", "a value is given with `const`", "width", "`const width = ...`", "const width = 64"),
    Case("y = conv(64)", "E0101", "there are no variables for tensors", "=", "to name the layer", "y: conv(64)"),
    Case("a: aux b { relu }", "E0101", "`aux` cannot have a label", "a", "named by what follows", "aux b { relu }"),
    Case("aux { relu }", "E0101", "expected a name after `aux`, found `{`", "{"),
    Case("stage layer1: { relu }", "E0101", "a body needs braces", ":", "remove",
         "stage layer1 { relu }"),
    Case("stage layer1", "E0101", "expected `(` or `{` after `layer1`, found the end of the line", "@12"),
    Case("stage { relu }", "E0101", "expected a name after `stage`, found `{`", "{"),
    Case("tap", "E0101", "expected a name after `tap`, found the end of the line", "@3"),
    Case("if a relu", "E0101", "expected `{` after `a`, found `relu`", "relu"),
    Case("for i 1..3 { relu }", "E0101", "expected `in` after `i`, found `1`", "1"),
    Case("fro i in 1..3 { relu }", "E0109", "`fro` is not a keyword", "fro", "`for`", "for i in 1..3 { relu }"),
    Case("for a, b in c { relu }", "E0101", "the variables of a loop over rows need parentheses", "a, b",
         "`for (a, b) in ...`", "for (a, b) in c { relu }"),
    Case("for [a, x] in c { relu }", "E0101", "the variables of a loop over rows need parentheses", "[a, x]",
         "`for (a, x) in ...`", "for (a, x) in c { relu }"),
    Case('labels "a", "b"', "E0101", "several labels are a list", '"a", "b"', "`labels [", 'labels ["a", "b"]'),
    Case('labels ("a", "b")', "E0101", "several labels are a list", '("a", "b")', "`labels [", 'labels ["a", "b"]'),
    Case("from a", "E0101", "`from a` needs a body", "from a", "`from a { identity }` for the value itself",
         "from a { identity }"),
    Case("add { identity; from a }", "E0101", "`from a` needs a body", "from a", "the layers that continue from it",
         "add { identity; from a { identity } }"),
    Case("relu -> (N, 3)", "E0101", "a shape is written in square brackets", "(", "`-> [N, 512, 28, 28]`"),
    Case("tap a -> [N]", "E0101", "a shape annotation must follow a statement that makes a value", "->"),
    Case("64", "E0101", "the number `64` is no statement", "64", "`64 x block(...)`"),
    Case('"a"', "E0101", 'expected a statement, found `"a"`', '"a"'),
    Case("default bn", "E0101", "expected `(` after `bn`, found the end of the line", "@10"),
    Case("input image f32[N]", "E0101", "expected `:` after `image`, found `f32`", "f32"),
    Case("preprocess { a: resize(2) }", "E0101", "this is not a step of preprocessing", "a: resize(2)",
         "`resize(256)`"),
]  # fmt: skip

VALUES = [
    Case("conv(64 3x3)", "E0106", "expected `,` between `64` and `3x3`", "3x3", "", "conv(64, 3x3)"),
    Case("conv(64, [1 2])", "E0106", "expected `,` between `1` and `2`", "2", "", "conv(64, [1, 2])"),
    Case("relu -> [N 3]", "E0106", "expected `,` between `N` and `3`", "3", "", "relu -> [N, 3]"),
    Case("conv(64\n  stride = 2)", "E0106", "expected `,` between `64` and `stride`", "stride", "",
         "conv(64,\n  stride = 2)"),
    Case("conv(64, stride 2)", "E0106", "expected `=` or `,` between `stride` and `2`", "2", "`stride = 2`"),
    Case("conv(64, stride: 2)", "E0101", "the value of `stride` is given with `=`", ":", "`stride = 2`",
         "conv(64, stride = 2)"),
    Case("const a: 3", "E0101", "the value of `a` is given with `=`", ":", "`a = 3`", "const a = 3"),
    Case("const a: int = 3", "E0101", "only the parameters of a block or model have types", ": int", "`a = ...`",
         "const a = 3"),
    Case("conv(64,, 3x3)", "E0101", "a value is missing before this comma", ",", "remove the comma", "conv(64, 3x3)"),
    Case("conv(, 64)", "E0101", "a value is missing before this comma", ",", "remove the comma", "conv( 64)"),
    Case("conv(64 +)", "E0101", "expected a value after `+`, found `)`", ")"),
    Case("conv(stride =)", "E0101", "expected a value after `=`, found `)`", ")"),
    Case("const a =", "E0101", "expected a value after `=`, found the end of the line", "@9"),
    Case("const a = 1 +", "E0101", "expected a value after `+`, found the end of the line", "@13"),
    Case("const a = b if c", "E0101", "expected `else` after `c`, found the end of the line", "@16"),
    Case("const a = b.c", "E0101", "a name has no points in it", "b.c", "only labels"),
    Case("const a == 3", "E0101", "a value is given with `=`", "==", "write `=`", "const a = 3"),
    Case("expect macs = 3", "E0101", "values are compared with `==`", "=", "write `==`", "expect macs == 3"),
    Case("if a = 3 { relu }", "E0101", "values are compared with `==`", "=", "write `==`", "if a == 3 { relu }"),
    Case("expect macs < 3", "E0101", "a claim cannot be made with `<`", "<", "`==`, `<=` and `>=`", "expect macs <= 3"),
    Case("const a = 1 < 2 < 3", "E0101", "comparisons do not chain", "<", "`1 < 2 and 2 < 3`"),
    Case("expect macs == 1 == 2", "E0101", "expected the end of the statement after `1`, found `==`", "=="),
    Case("a{i +}: relu", "E0101", "expected a value after `+`, found the end of the label's braces", "@5"),
    Case("a{}: relu", "E0101", "expected a value, found the end of the label's braces", "@2"),
    Case("a{1 2}: relu", "E0101", "found `2`", "2"),
]  # fmt: skip

REPEATS = [
    Case("3 * b(64)", "E0101", "a repeat is written with `x`", "*", "`3 x b`", "3 x b(64)"),
    Case("n * b(64)", "E0101", "a repeat is written with `x`", "*", "`n x b`", "n x b(64)"),
    Case("3 b(64)", "E0108", "expected `x` or `:` between `3` and `b`", "b", "`3: b` to label it"),
    Case("3 x", "E0101", "expected the call of a block or a body after `3 x`", "@3", "`3 x bottleneck(64)`"),
    Case("n[i] x b(64)", "E0101", "a computed count needs parentheses", "n[i]", "`(n[i]) x ...`", "(n[i]) x b(64)"),
    Case(
        "n - 1 x { relu }",
        "E0101",
        "a computed count needs parentheses",
        "n - 1",
        "`(n - 1) x ...`",
        "(n - 1) x { relu }",
    ),
    Case(
        "a: 2 * n x b(64)",
        "E0101",
        "a computed count needs parentheses",
        "2 * n",
        "`(2 * n) x ...`",
        "a: (2 * n) x b(64)",
    ),
    Case("b(64) * 3", "E0101", "the count of a repeat comes first", "* 3", "`3 x b(64)`", "3 x b(64)"),
    Case("b(64) x 3", "E0101", "the count of a repeat comes first", "x 3", "`3 x b(64)`", "3 x b(64)"),
]


@pytest.mark.parametrize(
    "case",
    [*CHARACTERS, *NUMBERS, *STRINGS, *KEYWORDS, *STATEMENTS, *VALUES, *REPEATS],
    ids=lambda case: case.text[:40].encode("unicode_escape").decode(),
)
def test_an_error_in_a_body_is_reported_once(case: Case) -> None:
    check(case, HEAD, TAIL)


@pytest.mark.parametrize(
    "case",
    [
        Case("modle m { relu }", "E0109", "`modle` is not a keyword", "modle", "did you mean `model`?",
             "model m { relu }"),
        Case("Block m { relu }", "E0109", "`Block` is not a keyword", "Block", "did you mean `block`?",
             "block m { relu }"),
        Case("def m(n) { relu }", "E0109", "`def` is not a keyword", "def", "write `block`", "block m(n) { relu }"),
        Case('import "a.res" (b)', "E0109", "`import` is not a keyword", "import", "write `use`", 'use "a.res" (b)'),
        Case("let a = 3", "E0109", "`let` is not a keyword", "let", "write `const`", "const a = 3"),
        Case("conv(64)", "E0101", "`conv` cannot stand outside a `model` or `block`", "conv",
             "layers are written in the braces"),
        Case("output y", "E0101", "`output` cannot stand outside a `model` or `block`", "output"),
        Case("model m { relu } bn", "E0101", "`bn` cannot stand outside a `model` or `block`", "bn"),
        Case("model m { relu } block b { bn }", "E0108", "need `;` between them", "block", "",
             "model m { relu }; block b { bn }"),
        Case('use "a.res"', "E0101", "`use` says from where, and what", "@11", "names in parentheses"),
        Case("use std (b)", "E0101", "`use` says from where, and what", "std", "a file in double quotes"),
        Case('use "a.res" ()', "E0101", "expected a name after `(`, found `)`", ")"),
        Case("block (a) { relu }", "E0101", "expected a name after `block`, found `(`", "("),
        Case("block b(a =) { relu }", "E0101", "expected a value after `=`, found `)`", ")"),
        Case("block b(a: 3) { relu }", "E0101", "expected a name or `{` after `:`, found `3`", "3"),
        Case("model m:\n  conv(64)\n  stage a {\n    relu\n  }\n  bn", "E0101", "a body needs braces", ":",
             "`{ ... }`"),
        Case("model m", "E0101", "expected `(` or `{` after `m`, found the end of the line", "@7"),
        Case("const a", "E0101", "expected `=` after `a`, found the end of the line", "@7"),
    ],
    ids=lambda case: case.text[:40],
)  # fmt: skip
def test_an_error_at_the_top_is_reported_once(case: Case) -> None:
    check(case, "const before = 1\n", "\nconst after = 1\n")


def test_every_independent_error_is_reported_in_order() -> None:
    text = (
        "modle a {\n  relu\n}\nblock b(n = ) {\n  conv(64 3x3)\n"
        "  stage s {\n    3 * c(1); tap\n    const x = 12ab\n  }\n}\n"
        "block c {\n  relu\n  else { bn }\n  x = \n}\n"
    )
    assert [error.primary.span.position.line for error in errors(text) if error.primary] == [1, 4, 5, 7, 7, 8, 13, 14]


@pytest.mark.parametrize("separator", ["\n  ", "; "])
@pytest.mark.parametrize(
    "first", ["const a = 3 $ 4", "@jit", "relu \\", "relu → [N]", "conv(64, 3×3)", "const a = 2 ** 3"]
)
@pytest.mark.parametrize("second", ["conv(64 3x3)", "const b = 3 @ 4", "from a", "tap", "a: b: relu", "12ab x relu"])
def test_an_error_hides_none_in_the_next_statement(first: str, separator: str, second: str) -> None:
    assert len(errors(HEAD + first + separator + second + TAIL)) == 2


def test_an_error_breaks_only_its_own_statement() -> None:
    diagnostics = Diagnostics()
    module = parse(Source("test.res", f"{HEAD}relu\n  conv(64 +)\n  bn{TAIL}"), diagnostics)
    (model,) = module.items
    assert isinstance(model, tree.Definition)
    kinds = [type(statement).__name__ for statement in model.body.statements]
    assert kinds == ["Input", "Step", "Broken", "Step", "Output"]
    assert model.body.statements[2].span.text == "conv(64 +)"


def test_errors_inside_a_skipped_statement_are_reported() -> None:
    found = errors(f"{HEAD}stage 3 + 4 {{\n    conv(64 3x3)\n  }} and {{ tap }} more{TAIL}")
    assert [error.code.id for error in found] == ["E0101", "E0106", "E0101"]


@pytest.mark.parametrize("value", ["conv(1e999)", "l{1 < 2 < 3}: conv(64)"])
def test_errors_in_the_values_of_a_skipped_statement_are_reported(value: str) -> None:
    found = errors(f"{HEAD}{value} + 3{TAIL}")
    assert len(found) == 2
    assert found[1].message == "expected the end of the statement after `)`, found `+`"


def test_a_repaired_error_leaves_a_complete_tree() -> None:
    wrong = parse(Source("", f"{HEAD}conv(64 3x3, stride: 2); 3 * b(1){TAIL}"), Diagnostics())
    right = parse(Source("", f"{HEAD}conv(64, 3x3, stride = 2); 3 x b(1){TAIL}"), Diagnostics())
    assert wrong == right


def test_no_more_than_fifty_syntax_errors_are_reported() -> None:
    found = errors(HEAD + "tap\n" * 500 + TAIL)
    assert len(found) == 50
    assert found[-1].notes == ("only the first 50 syntax errors are reported",)
    assert found[-2].notes == ()


def test_messages_never_name_tokens() -> None:
    kinds = set(grammar().kinds)
    cases = [*CHARACTERS, *NUMBERS, *STRINGS, *KEYWORDS, *STATEMENTS, *VALUES, *REPEATS]
    for case in cases:
        for error in errors(HEAD + case.text + TAIL):
            words = " ".join([error.message, *error.helps, *error.notes])
            assert kinds.isdisjoint(re.findall(r"\w+", words))
