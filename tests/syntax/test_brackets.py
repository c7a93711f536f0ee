"""Brackets that do not match: which one is blamed, where that was noticed, and that nothing else is reported."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from resdsl.diagnostics import Diagnostic, Diagnostics, Source
from resdsl.syntax import parse, tree


def errors(text: str) -> list[Diagnostic]:
    diagnostics = Diagnostics()
    parse(Source("test.res", text), diagnostics)
    return diagnostics.errors


@dataclass(frozen=True)
class Unclosed:
    """``opened`` and ``noticed`` are (line, column); ``fixed`` is the text with the fix applied."""

    text: str
    bracket: str
    opened: tuple[int, int]
    noticed: tuple[int, int]
    message: str
    fixed: str | None = None


UNCLOSED = {
    "arguments": Unclosed(
        "block b {\n  conv(64, 3x3\n  relu\n}\n", "(", (2, 7), (2, 15), "expected `)` by here",
        "block b {\n  conv(64, 3x3)\n  relu\n}\n",
    ),
    "arguments before a label": Unclosed(
        "block b {\n  conv(64,\n  bn1: bn\n}\n", "(", (2, 7), (2, 11), "expected `)` by here",
        "block b {\n  conv(64,)\n  bn1: bn\n}\n",
    ),
    "arguments before a statement": Unclosed(
        "block b {\n  conv(64\n  tap c2\n}\n", "(", (2, 7), (2, 10), "expected `)` by here",
        "block b {\n  conv(64)\n  tap c2\n}\n",
    ),
    "arguments in a one-line body": Unclosed(
        "block b { conv(64; relu }\n", "(", (1, 15), (1, 18), "expected `)` by here",
        "block b { conv(64); relu }\n",
    ),
    "arguments on several lines": Unclosed(
        "block b {\n  conv(\n    64,\n    3x3,\n  relu\n}\n", "(", (2, 7), (5, 7), "expected `)` by here",
        "block b {\n  conv(\n    64,\n    3x3,\n  relu)\n}\n",
    ),
    "parameters": Unclosed(
        "model m(classes = 10 {\n  relu\n}\n", "(", (1, 8), (1, 21), "expected `)` by here",
        "model m(classes = 10) {\n  relu\n}\n",
    ),
    "inner parentheses": Unclosed(
        "block b {\n  conv(min(64, n, 3x3)\n  relu\n}\n", "(", (2, 7), (2, 23), "expected `)` by here",
        "block b {\n  conv(min(64, n, 3x3))\n  relu\n}\n",
    ),
    "list in parentheses": Unclosed(
        "block b {\n  conv(64, pad = [0, 0, 1, 1)\n  relu\n}\n", "[", (2, 18), (2, 29), "expected `]` by here",
        "block b {\n  conv(64, pad = [0, 0, 1, 1])\n  relu\n}\n",
    ),
    "shape": Unclosed(
        "block b {\n  relu -> [N, 3\n  bn\n}\n", "[", (2, 11), (2, 16), "expected `]` by here",
        "block b {\n  relu -> [N, 3]\n  bn\n}\n",
    ),
    "enumeration": Unclosed(
        "block b(kind: {a, c = a) {\n  relu\n}\n", "{", (1, 15), (1, 20), "expected `}` by here",
        "block b(kind: {a, c} = a) {\n  relu\n}\n",
    ),
    "stage, by indentation": Unclosed(
        "model m {\n  stage a {\n    relu\n  output x\n}\nblock b { relu }\n", "{", (2, 11), (5, 1),
        "this closes a bracket further out, by its indentation",
        "model m {\n  stage a {\n    relu\n  }\n  output x\n}\nblock b { relu }\n",
    ),
    "inner body, by indentation": Unclosed(
        "model m {\n  concat {\n    {\n      relu\n    identity\n  }\n}\n", "{", (3, 5), (6, 3),
        "this closes a bracket further out, by its indentation",
        "model m {\n  concat {\n    {\n      relu\n    }\n    identity\n  }\n}\n",
    ),
    "definition before another": Unclosed(
        "block b {\n  relu\n\nblock c {\n  bn\n}\n", "{", (1, 9), (4, 1), "the next definition begins while it is open",
    ),
    "last definition": Unclosed("model m {\n  relu\n", "{", (1, 9), (2, 7), "the file ends here"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNCLOSED.values(), ids=UNCLOSED.keys())
def test_an_unclosed_bracket_is_reported_with_where_it_was_noticed(case: Unclosed) -> None:
    (error,) = errors(case.text)
    assert (error.code.id, error.message) == ("E0102", f"this `{case.bracket}` is never closed")
    assert error.primary is not None
    assert (error.primary.span.text, tuple(error.primary.span.position)) == (case.bracket, case.opened)
    (noticed,) = error.secondary
    assert (tuple(noticed.span.position), noticed.text) == (case.noticed, case.message)
    if case.fixed is not None:
        assert error.fix is not None
        (edit,) = error.fix.edits
        repaired = case.text[: edit.span.start] + edit.replacement + case.text[edit.span.end :]
        assert repaired == case.fixed
        assert errors(repaired) == []


@pytest.mark.parametrize(
    ("text", "message", "underlined", "fixed"),
    [
        ("block b {\n  conv(64]\n}\n", "`(` is closed by `]`", "]", "block b {\n  conv(64)\n}\n"),
        ("block b {\n  relu -> [N, 3)\n}\n", "`[` is closed by `)`", ")", "block b {\n  relu -> [N, 3]\n}\n"),
        ("block b {\n  conv{64, 3x3)\n}\n", "`{` is closed by `)`", "{", "block b {\n  conv(64, 3x3)\n}\n"),
        ("block b {\n  conv(64, 3x3}\n}\n", "`(` is closed by `}`", "}", "block b {\n  conv(64, 3x3)\n}\n"),
        ("block b {\n  conv(64))\n}\n", "this `)` closes nothing", ")", "block b {\n  conv(64)\n}\n"),
        ("block b {\n  relu ]\n}\n", "this `]` closes nothing", "]", "block b {\n  relu \n}\n"),
        ("block b {\n  relu\n}\n}\n", "this `}` closes nothing", "}", "block b {\n  relu\n}\n\n"),
        ("}\n", "this `}` closes nothing", "}", "\n"),
    ],
)
def test_a_wrong_bracket_is_reported_once_and_can_be_fixed(
    text: str, message: str, underlined: str, fixed: str
) -> None:
    (error,) = errors(text)
    assert error.message == message
    assert error.primary is not None
    assert error.primary.span.text == underlined
    assert error.fix is not None
    (edit,) = error.fix.edits
    repaired = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    assert repaired == fixed
    assert errors(repaired) == []


def test_a_brace_too_many_is_found_by_its_indentation() -> None:
    (error,) = errors("model m {\n  stage a {\n    relu\n  }\n  }\n  output x\n}\n")
    assert error.message == "this `}` closes nothing"
    assert error.primary is not None
    assert error.primary.span.position.line == 5


def test_an_unclosed_body_keeps_what_follows_it_in_its_place() -> None:
    module = parse(Source("", "model m {\n  stage a {\n    relu\n  output x\n}\nblock b { relu }\n"), Diagnostics())
    assert module == parse(
        Source("", "model m {\n  stage a {\n    relu\n  }\n  output x\n}\nblock b { relu }\n"), Diagnostics()
    )


def test_an_error_after_an_unclosed_definition_is_still_reported() -> None:
    found = errors("block b {\n  relu\n\nblock c {\n  conv(64 3x3)\n}\n")
    assert [error.code.id for error in found] == ["E0102", "E0106"]


def test_brackets_in_strings_and_comments_do_not_count() -> None:
    assert errors('block b {  # ) ] }\n  labels "( [ {"\n}\n') == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("const a = " + "(" * 10_000, "100 levels"),
        ("const a = " + "[" * 10_000 + "]" * 10_000, "100 levels"),
        ("const a = " + "f(" * 10_000, "100 levels"),
        ("block b " + "{" * 10_000, "50 levels"),
        ("block b " + "{ " * 10_000 + "}" * 10_000, "50 levels"),
        ("block b { a: " + "stage s { " * 10_000, "50 levels"),
        ("const a = " + "not " * 10_000 + "b", "100 levels"),
        ("const a = " + "- " * 10_000 + "b", "100 levels"),
        ("const a = " + "b if c else " * 10_000 + "d", "100 levels"),
        ("const a = " + "1 + " * 10_000 + "1", "100 levels"),
        ("const a = b" + "[0]" * 10_000, "100 levels"),
        ("block b { if a { relu }" + " else if a { relu }" * 10_000 + " }", "100 levels"),
    ],
    ids=lambda text: text[:24],
)
def test_deep_nesting_is_refused_with_one_error(text: str, message: str) -> None:
    (error,) = errors(text)
    assert error.code.id == "E0901"
    assert message in error.message


def test_nesting_up_to_the_limit_is_read() -> None:
    assert errors("const a = " + "(" * 100 + "1" + ")" * 100) == []
    assert errors("const a = " + "-" * 100 + "1") == []
    assert errors("block b " + "{" * 50 + "}" * 50) == []


@pytest.mark.parametrize(
    "piece",
    ["(", ")", "{", "}", "[", "]", "a ", "1 ", ".", "{}", "a.", "'", '"', "\\", "é", "}a", "..1", ":", "\n}", "\na b{"],
)
def test_long_runs_of_anything_end_in_errors_or_a_tree(piece: str) -> None:
    module = parse(Source("", piece * 3_000), Diagnostics())
    assert isinstance(module, tree.Module)
    assert len(errors(piece * 3_000)) in range(1, 51)


@pytest.mark.parametrize(
    ("text", "message", "position", "fixed"),
    [
        (
            "block b {\n  concat\n    relu\n    identity\n  }\n}\n",
            "expected `{` at the end of this line",
            (2, 9),
            "block b {\n  concat {\n    relu\n    identity\n  }\n}\n",
        ),
        (
            "model m(n = 1)\n\n  relu\n  bn\n}\n",
            "expected `{` at the end of this line",
            (1, 15),
            "model m(n = 1) {\n\n  relu\n  bn\n}\n",
        ),
        ("block b {\n  stage a  relu }\n  bn\n}\n", "expected `(` or `{` after `a`, found `relu`", (2, 12), None),
        (
            "block b {\n  conv64, 7x7)\n  bn\n}\n",
            "expected the end of the statement after `conv64`, found `,`",
            (2, 9),
            None,
        ),
        ("block b {\n  relu -> N, 3]\n}\n", "a shape is written in square brackets", (2, 11), None),
        ("block b {\n  n(mean = 1, 2], std = 3)\n}\n", "this `]` closes nothing", (2, 16), None),
    ],
)
def test_a_bracket_that_was_never_opened_is_reported_once(
    text: str, message: str, position: tuple[int, int], fixed: str | None
) -> None:
    (error,) = errors(text)
    assert error.message == message
    assert error.primary is not None
    assert tuple(error.primary.span.position) == position
    if fixed is not None:
        assert error.fix is not None
        (edit,) = error.fix.edits
        assert text[: edit.span.start] + edit.replacement + text[edit.span.end :] == fixed
        assert errors(fixed) == []


SAMPLE = """\
use "std/residual.res" (bottleneck, basic)

block squeeze(width, stride = 1, kind: {a, b} = a) {
  residual(scale = max(0.1, width[0])) {
    conv1: conv(width, 3x3, stride = stride if kind == a else 1);  bn1: bn;  relu
  } shortcut projection {
    downsample: { conv(4 * (width + 1), 1x1, pad = [0, 0, 1, 1]); bn }
  }
}

model m(classes = 10) {
  input image: f32[N, 3, H, W]
  if classes > 10 {
    stage layer1(stride = 2) { 3 x bottleneck(64) } -> [N, 256, H // 4, W // 4]
  } else {
    concat {
      identity
      { relu; bn }
    }
  }
  preprocess { resize(256); normalize(mean = [0.485, 0.456], std = [0.229, 0.224]) }
}

model n {
  relu
}
"""


@pytest.mark.parametrize("position", [place for place, character in enumerate(SAMPLE) if character in "()[]{}"])
def test_a_bracket_that_is_left_out_is_one_error(position: int) -> None:
    assert errors(SAMPLE) == []
    assert len(errors(SAMPLE[:position] + SAMPLE[position + 1 :])) == 1
