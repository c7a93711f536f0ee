"""Rendering of diagnostics."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from resdsl.diagnostics import Call, Code, Diagnostic, Diagnostics, Edit, Fix, Label, Source, Span
from resdsl.diagnostics.render import render

Golden = Callable[[str], None]

SHAPES = Code("E0301", "the two paths of a residual have different shapes")
UNKNOWN = Code("E0203", "unknown argument")
UNUSED = Code("W0503", "a tap is never used")

SPEC = """\
model small(classes = 10) {
  input image: f32[N, 3, 224, 224]
  conv1: conv(64, 7x7, strde = 2);  bn1: bn;  relu
  stage layer1 {
    residual {
      conv(64, 3x3); bn
    } shortcut identity
  }
  avgpool(global)
}
"""


def source(text: str = SPEC, name: str = "specs/small.res") -> Source:
    return Source(name, text)


def at(where: Source, text: str, number: int = 0) -> Span:
    """The span of one occurrence of ``text``, the first by default."""
    start = -1
    for _ in range(number + 1):
        start = where.text.index(text, start + 1)
    return where.span(start, start + len(text))


def one(message: str, primary: Label | None, *secondary: Label, **rest: object) -> Diagnostic:
    return Diagnostic(UNKNOWN, message, primary, secondary, **rest)  # type: ignore[arg-type]


def test_the_example_of_the_language_page_is_drawn_to_the_letter() -> None:
    spec = source("#\n" * 8 + "  residual {\n#\n#\n#\n#\n  } shortcut identity\n", "specs/resnet50.res")
    caller = source("\n" * 30 + " " * 28 + "bottleneck(128)", "specs/resnet50.res")
    diagnostic = Diagnostic(
        SHAPES,
        "the two paths of this residual have different shapes",
        Label(at(spec, "residual"), "the main path gives [N, 512, 28, 28]"),
        (Label(at(spec, "shortcut identity"), "the shortcut gives [N, 256, 56, 56]"),),
        (Call("layer2.0", "bottleneck(width = 128, stride = 2)", at(caller, "bottleneck")),),
        helps=(
            "channels 256 -> 512, stride 2: write `shortcut projection { ... }` (option B) "
            "or `shortcut pad` (option A)",
        ),
    )
    assert (
        render([diagnostic])
        == """\
error[E0301]: the two paths of this residual have different shapes
  --> specs/resnet50.res:9:3
   |
 9 |   residual {
   |   ^^^^^^^^ the main path gives [N, 512, 28, 28]
   |
14 |   } shortcut identity
   |     ----------------- the shortcut gives [N, 256, 56, 56]
   |
   = in layer2.0: bottleneck(width = 128, stride = 2), specs/resnet50.res:31:29
   = help: channels 256 -> 512, stride 2: write `shortcut projection { ... }` (option B) or `shortcut pad` (option A)

error: 1 error
"""
    )


def test_nothing_is_drawn_of_nothing() -> None:
    assert render([]) == ""


def test_a_diagnostic_without_a_place_has_no_excerpt(golden: Golden) -> None:
    golden(render([one("`cat.jpg` cannot be read", None, notes=("it is a folder",), helps=("name a file",))]))


def test_several_labels_on_one_line_hang_from_right_to_left(golden: Golden) -> None:
    spec = source()
    golden(
        render(
            [
                one(
                    "unknown argument `strde`",
                    Label(at(spec, "strde"), "no such argument"),
                    Label(at(spec, "conv", 1), "of this op"),
                    Label(at(spec, "7x7"), "the kernel"),
                    Label(at(spec, "relu"), "the last op"),
                )
            ]
        )
    )


def test_overlapping_labels_keep_the_primary_one_visible(golden: Golden) -> None:
    spec = source()
    call = at(spec, "conv(64, 7x7, strde = 2)")
    golden(
        render(
            [
                one(
                    "unknown argument `strde`",
                    Label(at(spec, "strde"), "no such argument"),
                    Label(call, "in this call"),
                    Label(at(spec, "strde"), "the same place"),
                )
            ]
        )
    )


def test_a_place_over_several_lines_has_a_bracket_in_the_margin(golden: Golden) -> None:
    spec = source()
    body = at(spec, "stage layer1").to(at(spec, "  }\n"))
    shortcut = at(spec, "{\n      conv").to(at(spec, "} shortcut"))
    golden(render([one("two places over several lines", Label(body, "this stage"), Label(shortcut, "this residual"))]))


def test_a_place_over_many_lines_is_drawn_by_its_ends(golden: Golden) -> None:
    spec = source("model m {\n" + "  relu\n" * 40 + "}\n")
    golden(render([one("a model without an output", Label(spec.span(0, len(spec.text) - 1), "no `output` in it"))]))


def test_distant_lines_are_separated_from_near_ones(golden: Golden) -> None:
    spec = source("\n".join(f"line{number}" for number in range(1, 41)))
    golden(
        render(
            [
                one(
                    "gaps",
                    Label(at(spec, "line2"), "second"),
                    Label(at(spec, "line4"), "the line between is shown"),
                    Label(at(spec, "line9"), "four lines are not"),
                    Label(at(spec, "line31"), "many lines are not"),
                )
            ]
        )
    )


def test_places_in_other_files_follow(golden: Golden) -> None:
    spec = source()
    library = source("# blocks\n\nblock conv_bn(width) {\n  conv(width, 3x3); bn\n}\n", "std/residual.res")
    golden(
        render(
            [
                one(
                    "unknown argument `strde`",
                    Label(at(spec, "strde"), "not a parameter"),
                    Label(at(library, "conv_bn(width)"), "defined here"),
                    helps=("its parameter is `width`",),
                )
            ]
        )
    )


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("\tconv(64,\tstrde)", "strde", id="tabs"),
        pytest.param('labels "猫と犬"; strde', "strde", id="wide"),
        pytest.param('labels "cafe\u0301 n\u0303"; strde', "strde", id="combining"),
        pytest.param(
            'labels "\U0001f469\u200d\U0001f52c \U0001f1eb\U0001f1f7 \u2764\ufe0f \U0001f44d\U0001f3fd"; strde',
            "strde",
            id="emoji",
        ),
        pytest.param('labels "\x1b[31m\x00\x85"; strde', "strde", id="control"),
        pytest.param('labels "\u202estrid\u202c\u200b"; strde', "strde", id="bidirectional"),
        pytest.param("conv(64)\r\nstrde\r\n", "strde", id="crlf"),
        pytest.param("conv(64); strde", "strde", id="no line end"),
        pytest.param('labels "猫と犬"', "と", id="wide word"),
        pytest.param("a \x1b b", "\x1b", id="control word"),
    ],
)
def test_the_underline_stands_under_the_word(text: str, word: str, golden: Golden) -> None:
    spec = source(text)
    golden(render([one("here", Label(at(spec, word), "this"))]))


@pytest.mark.parametrize(
    ("text", "start"),
    [
        pytest.param("", 0, id="empty file"),
        pytest.param("model m {", 9, id="end without line end"),
        pytest.param("model m {\n", 10, id="end after line end"),
        pytest.param("model m {\r\n}", 9, id="before a line end"),
        pytest.param("model m {", 0, id="start"),
    ],
)
def test_an_empty_place_is_one_mark(text: str, start: int, golden: Golden) -> None:
    spec = source(text)
    golden(render([one("something is missing", Label(spec.span(start, start), "here"))]))


@pytest.mark.parametrize("offset", [0, 300, 594])
def test_a_long_line_is_cut_around_the_place(offset: int, golden: Golden) -> None:
    spec = source("".join(chr(ord("a") + at % 26) for at in range(600)))
    golden(render([one("here", Label(spec.span(offset, offset + 6), "six letters"))], width=60))


def test_a_long_line_with_places_far_apart_shows_the_primary_one(golden: Golden) -> None:
    spec = source("model" + " " * 300 + "strde" + " " * 300 + "end")
    golden(
        render(
            [
                one(
                    "here",
                    Label(at(spec, "strde"), "this"),
                    Label(at(spec, "model"), "far left"),
                    Label(at(spec, "end"), "far right"),
                )
            ],
            width=60,
        )
    )


@pytest.mark.parametrize("length", [6, 7, 12])
def test_a_long_chain_is_shortened_in_the_middle(length: int, golden: Golden) -> None:
    spec = source()
    chain = tuple(Call(f"level{n}", f"block{n}(64)", at(spec, "residual")) for n in range(length))
    golden(render([one("deep", Label(at(spec, "strde")), chain=chain)]))


def test_a_call_of_the_model_itself_has_no_path() -> None:
    spec = source()
    drawn = render([one("here", None, chain=(Call("", "small(classes = 10)", at(spec, "small")),))])
    assert "  = in small(classes = 10), specs/small.res:1:7\n" in drawn


@pytest.mark.parametrize(("calls", "expected"), [(2, "... and in 1 more call\n"), (36, "... and in 35 more calls\n")])
def test_further_calls_with_the_same_error_are_counted(calls: int, expected: str) -> None:
    spec = source()
    found = Diagnostics()
    for _ in range(calls):
        found.report(one("here", Label(at(spec, "strde"))))
    drawn = render(found)
    assert f"  = {expected}" in drawn
    assert drawn.endswith("\nerror: 1 error\n")


def test_a_fix_shows_the_line_as_it_will_be(golden: Golden) -> None:
    spec = source()
    fix = Fix("write `stride`", (Edit(at(spec, "strde"), "stride"),))
    golden(render([one("unknown argument `strde`", Label(at(spec, "strde"), "no such argument"), fix=fix)]))


def test_a_fix_with_several_edits_shows_every_changed_line(golden: Golden) -> None:
    spec = source()
    output = at(spec, "avgpool(global)\n")
    fix = Fix(
        "end the model",
        (
            Edit(spec.span(output.end, output.end), "  flatten\n  output features\n"),
            Edit(at(spec, "strde = 2"), ""),
            Edit(at(spec, "bn1: bn"), "bn1: bn(eps = 1e-3)"),
        ),
    )
    golden(render([one("several", Label(at(spec, "strde")), fix=fix)]))


def test_a_fix_that_takes_lines_away_shows_them(golden: Golden) -> None:
    spec = source()
    gone = at(spec, "    residual {").to(at(spec, "identity\n"))
    golden(
        render([one("nothing but a residual", Label(at(spec, "residual")), fix=Fix("take it away", (Edit(gone, ""),)))])
    )


def test_a_fix_in_another_file_names_it(golden: Golden) -> None:
    spec = source()
    library = source("block conv_bn(widht) { conv(widht, 3x3); bn }\n", "std/residual.res")
    fix = Fix("write `width`", (Edit(at(library, "widht"), "width"), Edit(at(library, "widht", 1), "width")))
    golden(render([one("here", Label(at(spec, "strde")), fix=fix)]))


def test_a_fix_that_a_help_already_has_is_not_repeated() -> None:
    spec = source()
    fix = Fix("write `stride`", (Edit(at(spec, "strde"), "stride"),))
    drawn = render([one("here", Label(at(spec, "strde")), helps=("write `stride`",), fix=fix)])
    assert drawn.count("help: write `stride`") == 1


def test_color_adds_styles_and_nothing_else(golden: Golden) -> None:
    import re

    spec = source()
    diagnostic = one(
        "unknown argument `strde`",
        Label(at(spec, "strde"), "no such argument"),
        Label(at(spec, "conv", 1), "of this op"),
        notes=("a fact",),
        helps=("a suggestion",),
    )
    drawn = render([diagnostic, Diagnostic(UNUSED, "a tap is never used")], color=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", drawn) == render([diagnostic, Diagnostic(UNUSED, "a tap is never used")])
    golden(drawn)


@pytest.mark.parametrize(
    ("errors", "warnings", "expected"),
    [
        (1, 0, "error: 1 error"),
        (2, 1, "error: 2 errors, 1 warning"),
        (0, 1, "warning: 1 warning"),
        (1, 2, "error: 1 error, 2 warnings"),
    ],
)
def test_the_tally_counts(errors: int, warnings: int, expected: str) -> None:
    found = [Diagnostic(UNKNOWN, f"e{n}") for n in range(errors)] + [
        Diagnostic(UNUSED, f"w{n}") for n in range(warnings)
    ]
    assert render(found).splitlines()[-1] == expected


def test_a_message_of_several_lines_is_indented(golden: Golden) -> None:
    golden(render([one("first\nsecond", None, notes=("a\nb",), helps=("c\nd",), chain=())]))


def test_drawing_starts_without_rich() -> None:
    import subprocess
    import sys

    program = (
        "import sys, resdsl.diagnostics.render, resdsl.diagnostics.sarif, resdsl.diagnostics.json; "
        "print(sorted({'rich', 'numpy', 'lark', 'click', 'json'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_a_line_without_end_is_cut_around_the_mark_whatever_the_width() -> None:
    spec = source("\t" + "relu; " * 50_000 + "rellu; " + "é中; " * 50_000, "one_line.res")
    span = at(spec, "rellu")
    fix = Fix("did you mean `relu`?", (Edit(span, "relu"),))
    for width in (None, 80, 1_000_000):
        text = render([one("there is no op `rellu`", Label(span, "here"), fix=fix)], width=width)
        lines = text.splitlines()
        assert max(map(len, lines)) < 5_000
        shown, marks = lines[3:5]
        assert shown[marks.index("^") :].startswith("rellu; ")
        assert shown.startswith("1 | …") and shown.endswith("…")
        assert lines[1] == f" --> one_line.res:1:{span.start + 1}"
        patched = next(number for number, line in enumerate(lines) if "~" in line)
        assert lines[patched - 1][lines[patched].index("~") :].startswith("relu; ")
