# ruff: noqa: E501  the texts are about long lines
"""The one layout: what the formatter makes of a text, and that it leaves its own work alone."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from resdsl.diagnostics import Diagnostics, Source
from resdsl.syntax import parse
from resdsl.syntax.formatter import format_source

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")


def formatted(text: str) -> str:
    diagnostics = Diagnostics()
    result = format_source(Source("test.res", text), diagnostics)
    assert result is not None, [error.message for error in diagnostics.errors]
    return result


def check(before: str, after: str) -> None:
    before, after = dedent(before), dedent(after)
    assert formatted(before) == after
    assert formatted(after) == after
    assert parse(Source("", before), Diagnostics()) == parse(Source("", after), Diagnostics())


@pytest.mark.parametrize("defines", ["model resnet152(", "block bottleneck("])
def test_the_examples_of_the_language_are_formatted(defines: str) -> None:
    examples = [block for block in re.findall(r"```res\n(.*?)```", PAGE, re.DOTALL) if defines in block]
    assert examples
    assert formatted(examples[0]) == examples[0]


def test_blanks_in_and_around_expressions() -> None:
    check(
        """
        const a=1+2*-3// 4 % ( 5-6 )/n [ 0 ] [1]
        const b = [ 1,2 ,3, ]
        const c = not(a==b)and c<=d or-e!=f
        const d=min( a,b )if a<b else-c
        const e = "a  b"
        """,
        """\
        const a = 1 + 2 * -3 // 4 % (5 - 6) / n[0][1]
        const b = [1, 2, 3]
        const c = not (a == b) and c <= d or -e != f
        const d = min(a, b) if a < b else -c
        const e = "a  b"
        """,
    )


def test_blanks_in_statements() -> None:
    check(
        """
        use"std/residual.res"( bottleneck,basic )
        block b( width,stride:int=1 ,kind :{ a,b }=a ) {
        input image:f32 [N,3,H,W]
        conv1:conv ( width,3x3,stride=2 )->[ N,_,H//2,W//2 ]
        {relu}
        3   x   c(64)
        (n-1)x c
        stage layer{i}( stride=2 ){c}
        aux   head.{i}{c;output y}
        residual( scale=0.17 ){relu}shortcut pad( zeros=both )
        residual{relu}
        shortcut{bn}
        for i in 1 .. n-1{ layer{ i }:c }
        if a==1{relu}else if b{bn}
        else{tanh}
        expect macs==11.51G
        }
        """,
        """\
        use "std/residual.res" (bottleneck, basic)
        block b(width, stride: int = 1, kind: {a, b} = a) {
          input image: f32[N, 3, H, W]
          conv1: conv(width, 3x3, stride = 2) -> [N, _, H // 2, W // 2]
          { relu }
          3 x c(64)
          (n - 1) x c
          stage layer{i}(stride = 2) { c }
          aux head.{i} { c; output y }
          residual(scale = 0.17) { relu } shortcut pad(zeros = both)
          residual { relu } shortcut { bn }
          for i in 1..n - 1 { layer{ i }: c }
          if a == 1 { relu } else if b { bn } else { tanh }
          expect macs == 11.51G
        }
        """,
    )


def test_the_author_decides_what_shares_a_line() -> None:
    check(
        """
        block b {
          conv1: conv(64, 3x3) ;bn1: bn;   relu;
          tap a
          ; output y
          concat { relu;bn }
          concat { relu
            bn }
          concat {
            relu; bn }
          { }
        }
        """,
        """\
        block b {
          conv1: conv(64, 3x3);  bn1: bn;  relu
          tap a
          output y
          concat { relu; bn }
          concat {
            relu
            bn
          }
          concat {
            relu;  bn
          }
          {}
        }
        """,
    )


def test_blank_lines_are_kept_one_at_a_time() -> None:
    check(
        """

        const a = 1
        const b = 2



        block b {

          relu


          bn

        }
        # end

        """,
        """\
        const a = 1
        const b = 2

        block b {
          relu

          bn
        }
        # end
        """,
    )


def test_comments_stay_where_they_are() -> None:
    check(
        """
        # top
        const a = 1# behind
        block b {      # the block
            # own line
          relu     # behind relu
          bn; tanh;   # behind the line
          # before the end
        }     # behind the block
        # last
        """,
        """\
        # top
        const a = 1  # behind
        block b {  # the block
          # own line
          relu  # behind relu
          bn;  tanh  # behind the line
          # before the end
        }  # behind the block
        # last
        """,
    )


def test_comments_in_brackets_keep_one_item_per_line() -> None:
    check(
        """
        block b {
          conv(64,  # width
            # the kernel
            3x3, stride = 2  # step
          )
          conv( # why
            64)
          conv(64
            # none
          )
        }
        const a = [1, # one
          2 +  # two
            3]
        """,
        """\
        block b {
          conv(
            64,  # width
            # the kernel
            3x3,
            stride = 2,  # step
          )
          conv(  # why
            64,
          )
          conv(
            # none
            64,
          )
        }
        const a = [
          1,  # one
          2 + 3,  # two
        ]
        """,
    )


def test_comments_before_a_shortcut_or_else_move_into_its_body() -> None:
    check(
        """
        block b {
          residual { relu }  # main
          # option B
          shortcut projection { bn }
          if a { relu }
          # otherwise
          else { bn }
          residual { relu }
          # nothing to do
          shortcut none
        }
        """,
        """\
        block b {
          residual { relu } shortcut projection {
            # main
            # option B
            bn
          }
          if a { relu } else {
            # otherwise
            bn
          }
          # nothing to do
          residual { relu } shortcut none
        }
        """,
    )


def test_stages_stand_in_columns() -> None:
    check(
        """
        model m {
          stage layer1 { 3 x bottleneck(64) } -> [N, 256, 56, 56]
          stage layer2(stride = 2) { 36 x bottleneck(128) } -> [N, 512, 28, 28]  # wide
          stage layer3(stride = 2) { 4 x bottleneck(1024) } -> [N, 1024, 7, 7]; tap c4

          stage a { relu }
          stage bcd { relu; bn }
          relu
          stage e { relu }
          stage f {
            relu
          }
          stage g { blocks: 3 x b(1) }
          stage h(stride = 2) { blocks: 12 x b(10) }
        }
        """,
        """\
        model m {
          stage layer1             {  3 x bottleneck(64)   } -> [N,  256, 56, 56]
          stage layer2(stride = 2) { 36 x bottleneck(128)  } -> [N,  512, 28, 28]  # wide
          stage layer3(stride = 2) {  4 x bottleneck(1024) } -> [N, 1024,  7,  7];  tap c4

          stage a   { relu     }
          stage bcd { relu; bn }
          relu
          stage e { relu }
          stage f {
            relu
          }
          stage g             { blocks:  3 x b(1)  }
          stage h(stride = 2) { blocks: 12 x b(10) }
        }
        """,
    )


def test_shapes_of_consecutive_lines_stand_in_columns() -> None:
    check(
        """
        block b {
          conv1: conv(64, 7x7, stride = 2) -> [N, 64, 112, 112]
          maxpool(3x3, stride = 2) -> [N, 64, 56, 56]
          relu

          bn -> [N, 64]
        }
        """,
        """\
        block b {
          conv1: conv(64, 7x7, stride = 2) -> [N, 64, 112, 112]
          maxpool(3x3, stride = 2)         -> [N, 64,  56,  56]
          relu

          bn -> [N, 64]
        }
        """,
    )


def test_long_lines_are_broken() -> None:
    names = [f"long_name_{number}" for number in range(10)]
    check(
        f"""
        use "a.res" ({", ".join(names)})
        block b(first_parameter = 1, second_parameter = 2, third_parameter = 3, the_fourth_parameter = 4, the_fifth_parameter = 5) {{
          conv(width, 3x3, stride = stride if stride_in == conv2 else 1, dilation = dilation_of_the_block, groups = groups)
          first: conv(64, 3x3, stride = 2, dilation = 2, groups = 32, bias = true); second: conv(64, 3x3, stride = 2, dilation = 2); relu
          concat {{ first_branch: conv(64, 3x3, stride = 2); second_branch: conv(64, 3x3, stride = 2); avgpool(3x3, stride = 2, ceil = true) }}
        }}
        """,
        """\
        use "a.res" (
          long_name_0, long_name_1, long_name_2, long_name_3, long_name_4, long_name_5, long_name_6, long_name_7, long_name_8,
          long_name_9,
        )
        block b(
          first_parameter = 1,
          second_parameter = 2,
          third_parameter = 3,
          the_fourth_parameter = 4,
          the_fifth_parameter = 5,
        ) {
          conv(width, 3x3, stride = stride if stride_in == conv2 else 1, dilation = dilation_of_the_block, groups = groups)
          first: conv(64, 3x3, stride = 2, dilation = 2, groups = 32, bias = true)
          second: conv(64, 3x3, stride = 2, dilation = 2)
          relu
          concat {
            first_branch: conv(64, 3x3, stride = 2)
            second_branch: conv(64, 3x3, stride = 2)
            avgpool(3x3, stride = 2, ceil = true)
          }
        }
        """,
    )


def test_a_list_of_lists_stays_a_table_with_aligned_columns() -> None:
    check(
        """\
        block b {
          for (t, c) in [
          [1, 16], [6, 240],
          ] { conv(c) }
          const one_line = [[1, 16], [6, 240]]
          const table = [
            [-1, a + b], [2, 3]]
          const ragged = [
            [1], [6, 240]]
        }
        """,
        """\
        block b {
          for (t, c) in [
            [1,  16],
            [6, 240],
          ] { conv(c) }
          const one_line = [[1, 16], [6, 240]]
          const table = [
            [-1, a + b],
            [ 2,     3],
          ]
          const ragged = [
            [1],
            [6, 240],
          ]
        }
        """,
    )


@pytest.mark.parametrize("value", ["n" * 130, f'"{"n" * 130}"'])
@pytest.mark.parametrize(
    "statement",
    ["conv(({}), 3x3)", "conv(({}))", "const a = b[{}]", "const a = ({})", "if ({}) {{ relu }}", "({}) x relu",
     "residual {{ relu }} shortcut ({})", "for i in ({})..3 {{ relu }}", "labels [{}]", "for (a) in ({}) {{ relu }}"],
)  # fmt: skip
def test_a_value_longer_than_a_line_gets_no_comma_that_changes_it(statement: str, value: str) -> None:
    text = f"block b {{\n  {statement.format(value)}\n}}\n"
    diagnostics = Diagnostics()
    once = formatted(text)
    assert parse(Source("", once), diagnostics) == parse(Source("", text), diagnostics)
    assert not diagnostics.errors
    assert formatted(once) == once


def test_a_long_value_is_broken_before_operators() -> None:
    check(
        """
        model m(
          n = 3 if net == resnet20 else 5 if net == resnet32 else 7 if net == resnet44 else 9 if net == resnet56 else 18,
        ) {
          relu
        }
        block b(value = a_rather_long_name + another_rather_long_name + a_third_rather_long_name + a_fourth_and_last_rather_long_name) {}
        """,
        """\
        model m(
          n = 3 if net == resnet20 else 5 if net == resnet32 else 7 if net == resnet44 else 9 if net == resnet56 else 18,
        ) {
          relu
        }
        block b(
          value = a_rather_long_name + another_rather_long_name + a_third_rather_long_name + a_fourth_and_last_rather_long_name,
        ) {}
        """,
    )
    check(
        """
        model m(n = 3 if net == resnet20 else 5 if net == resnet32 else 7 if net == resnet44 else 9 if net == resnet56 else 18 if net == resnet110 else 200) {}
        """,
        """\
        model m(
          n = 3 if net == resnet20 else 5 if net == resnet32 else 7 if net == resnet44 else 9 if net == resnet56
            else 18 if net == resnet110 else 200,
        ) {}
        """,
    )


def test_line_ends_marks_and_tabs_become_ordinary() -> None:
    assert formatted("\ufeffblock b {\r\n\trelu   # c\t\r\n}") == "block b {\n  relu  # c\n}\n"


@pytest.mark.parametrize("text", ["", "\n\n", "  \t", "\ufeff"])
def test_nothing_stays_nothing(text: str) -> None:
    assert formatted(text) == ""


def test_a_text_with_errors_is_not_formatted() -> None:
    diagnostics = Diagnostics()
    assert format_source(Source("test.res", "block b { conv(64 3x3) }"), diagnostics) is None
    assert [error.code.id for error in diagnostics.errors] == ["E0106"]
