"""Values of expressions, compared with Python's arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import elaborate, load_program
from resdsl.ir.graph import Graph

Codes = Callable[..., list[str]]
Net = Callable[..., str]


def value_of(expression: str) -> float:
    """An expression's value, read off the factor of a ``scale``."""
    text = f"model m() {{\n  input x: f32[1, 3, 8, 8]\n  scale({expression})\n  output y\n}}\n"
    diagnostics = Diagnostics()
    graph: Graph | None = elaborate(load_program(Source("m.res", text), diagnostics), diagnostics)
    assert graph is not None, [found.message for found in diagnostics]
    factor: float = graph.nodes[1].operator.factor  # type: ignore[attr-defined]
    return factor


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1_000", 1000),
        ("1e-3", 0.001),
        ("2.5", 2.5),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("7 / 2", 3.5),
        ("7 % 3", 1),
        ("-7 % 3", 2),
        ("2 - 3 - 4", -5),
        ("-2 * -3", 6),
        ("1 if 2 > 1 else 0", 1),
        ("1 if 2 == 2.0 else 0", 1),
        ("1 if not 2 <= 1 and (true or false) else 0", 1),
        ("1 if 3 != 3 else 2 if false else 3", 3),
        ("min(3, 1, 2)", 1),
        ("max([3, 1, 2])", 3),
        ("len([5, 6, 7])", 3),
        ("len([])", 0),
        ("round(2.5)", 3),
        ("round(2.4)", 2),
        ("round(-0.6)", -1),
        ("[5, 6, 7][0]", 5),
        ("[5, 6, 7][-1]", 7),
        ("[[1, 2], [3, 4]][1][0]", 3),
        ("([1] + [2, 3])[2]", 3),
        ("(3x5)[1]", 5),
        ("channels", 3),
        ("channels_in", 3),
        ('1 if "a" + "b" == "ab" else 0', 1),
    ],
)
def test_value_of_an_expression(expression: str, value: float) -> None:
    assert value_of(expression) == value


@settings(deadline=None)
@given(st.integers(-(2**20), 2**20), st.integers(-(2**20), 2**20), st.sampled_from(["+", "-", "*", "/", "//", "%"]))
def test_arithmetic_is_that_of_python(left: int, right: int, sign: str) -> None:
    if sign in ("/", "//", "%") and right == 0:
        right = 1
    expected = {
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "/": lambda: left / right,
        "//": lambda: left // right,
        "%": lambda: left % right,
    }[sign]()
    assert math.isclose(value_of(f"({left}) {sign} ({right})"), expected)


@pytest.mark.parametrize(
    "expression",
    [
        "1 + true",
        '"a" * 2',
        "3x3 + 1",
        "1 < true",
        "[1] < [2]",
        "not 1",
        "1 and true",
        "-true",
        "1 if 1 else 2",
        "1 // 0",
        "1 / 0",
        "1 % 0",
        "1.5 % 0.0",
        "[1][1]",
        "[1][true]",
        "5[0]",
        "[][0]",
        "len(3)",
        "len([1], [2])",
        "min()",
        'max(1, "2")',
        "round([1])",
        "min(a = 1)",
        "_",
        "9007199254740992 * 2",
        "1e308 * 10",
        "[1] == 1",
    ],
)
def test_an_expression_that_cannot_be_computed_is_reported_once(expression: str, net: Net, codes: Codes) -> None:
    assert codes(net(f"scale({expression})\noutput y")) == ["E0209"]


def test_both_sides_of_and_or_are_read_only_as_far_as_needed() -> None:
    assert value_of("1 if true or 1 // 0 > 1 else 0") == 1
    assert value_of("1 if false and 1 // 0 > 1 else 0") == 0


def test_an_error_in_a_const_is_reported_once_however_often_it_is_used(net: Net, codes: Codes) -> None:
    assert codes(net("const w = 1 // 0\na: conv(w, 1x1)\nb: conv(w + 1, 1x1)\noutput y")) == ["E0209"]


def test_errors_in_several_arguments_are_all_reported(net: Net, codes: Codes) -> None:
    assert codes(net("a: conv(1 // 0, wide, stride = half)\noutput y")) == ["E0209", "E0201", "E0201"]
