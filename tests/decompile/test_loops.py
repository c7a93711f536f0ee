"""Statements that repeat, as loops: the loops give the statements again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resdsl.decompile.loops import with_loops

from ..building import network
from ..properties.budget import examples


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        # A count.
        (["conv(8, 3x3)", "relu"] * 4, ["for _ in 1..4 { conv(8, 3x3); relu }"]),
        # A list of numbers.
        (
            [f"conv({width}, 3x3)" for width in (8, 16, 24, 16, 8)],
            ["for width in [8, 16, 24, 16, 8] { conv(width, 3x3) }"],
        ),
        # Numbers that count up.
        ([f"conv({width}, 3x3)" for width in range(3, 9)], ["for width in 3..8 { conv(width, 3x3) }"]),
        # Labels that count.
        ([f"layer{i}: conv(8, 3x3)" for i in range(1, 6)], ["for i in 1..5 { layer{i}: conv(8, 3x3) }"]),
        ([f"layer{i:02}: conv(8, 3x3)" for i in range(6)], ["for i in 0..5 { layer0{i}: conv(8, 3x3) }"]),
        # A table.
        (
            [f"layer{i}: conv({width}, 3x3)" for i, width in ((1, 8), (2, 24), (3, 16), (4, 64), (5, 32))],
            ["for (i, width) in [[1, 8], [2, 24], [3, 16], [4, 64], [5, 32]] {\n  layer{i}: conv(width, 3x3)\n}"],
        ),
        # Long runs of one number are no rows of a table.
        (
            [f"layer{i}: conv({8 if i < 7 else 16}, 3x3)" for i in range(1, 13)],
            ["for i in 1..6 { layer{i}: conv(8, 3x3) }", "for i in 7..12 { layer{i}: conv(16, 3x3) }"],
        ),
        # The number of calls.
        (
            [f"{count} x basic({width})" for count, width in ((3, 8), (4, 16), (6, 24), (3, 32))],
            ["for (n, width) in [[3, 8], [4, 16], [6, 24], [3, 32]] { n x basic(width) }"],
        ),
        # What is around stays.
        (
            ["bn", *["conv(8, 3x3)", "relu"] * 3, "flatten"],
            ["bn", "for _ in 1..3 { conv(8, 3x3); relu }", "flatten"],
        ),
    ],
)
def test_repeats_become_loops(statements: list[str], expected: list[str]) -> None:
    assert with_loops(statements) == expected


@pytest.mark.parametrize(
    "statements",
    [
        # Too short to be easier to read.
        ["conv(8, 3x3)"] * 2,
        # Labels that do not count up, or are not the same.
        [f"layer{i}: conv(8, 3x3)" for i in (1, 2, 4, 8, 9)],
        ["a: conv(8, 3x3)", "b: conv(8, 3x3)", "c: conv(8, 3x3)", "d: conv(8, 3x3)"],
        # A zero in front is part of the name, and not in all of these.
        [f"layer{i:02}: conv(8, 3x3)" for i in range(8, 12)],
        # Outputs and taps have their names once.
        [f"output y{i}" for i in range(6)],
        [f"tap t{i}" for i in range(6)],
        # Four numbers that change are no table that someone reads.
        [f"conv({i}, {i * i}x{i + 3}, groups = {7 - i}, pad = {i % 3})" for i in range(1, 7)],
    ],
)
def test_what_is_no_repeat_stays(statements: list[str]) -> None:
    assert with_loops(statements) == statements


def test_numbers_inside_names_and_decimals_do_not_change() -> None:
    statements = [f"relu6;  scale(0.{i})" for i in range(1, 7)]
    assert with_loops(statements) == statements


def test_loops_nest() -> None:
    stages = [
        one
        for stage, width in ((1, 8), (2, 16), (3, 32))
        for one in [*[f"conv({width}, 3x3)"] * 5, f"norm{stage}: bn", "relu"]
    ]
    (loop,) = with_loops(stages)
    assert loop.splitlines()[0] == "for (width, i) in [[8, 1], [16, 2], [32, 3]] {"
    assert "for _ in 1..5 { conv(width, 3x3) }" in loop


STATEMENTS = st.one_of(
    st.builds("conv({}, {}x{})".format, st.integers(1, 9), st.sampled_from([1, 3]), st.sampled_from([1, 3, 5])),
    st.sampled_from(["relu", "bn", "maxpool(3x3)"]),
)


@examples(quick=80)
@given(st.lists(st.lists(STATEMENTS, min_size=1, max_size=3), min_size=1, max_size=4), st.integers(1, 4))
def test_loops_build_what_the_statements_build(parts: list[list[str]], count: int) -> None:
    statements = [one for part in parts for _ in range(count) for one in part]
    plain = network("\n".join([*statements, "output y"]))
    looped = network("\n".join([*with_loops(statements), "output y"]))
    assert [node.operator for node in looped.nodes] == [node.operator for node in plain.nodes]


@examples(quick=80)
@given(
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 3)), min_size=1, max_size=7),
    st.booleans(),
)
def test_labels_of_a_loop_are_those_of_the_statements(first: int, sizes: list[tuple[int, int]], dotted: bool) -> None:
    dot = "." if dotted else ""
    statements = [f"layer{dot}{first + i}: conv({width}, {kernel}x1)" for i, (width, kernel) in enumerate(sizes)]
    plain = network("\n".join([*statements, "output y"]))
    looped = network("\n".join([*with_loops(statements), "output y"]))
    assert [(node.path, node.operator) for node in looped.nodes] == [(node.path, node.operator) for node in plain.nodes]
