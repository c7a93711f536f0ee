"""Calls that are copied: the graph and what is told are those of calls that are built from their text, each of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from resdsl.elaborate import Limits, templates

from .reuse import agree

Net = Callable[..., str]

SPECIFICATIONS = sorted((Path(__file__).parents[2] / "specs").glob("*.res"))


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the calls that are copied while the test runs."""
    found: list[str] = []
    copied = templates._copied

    def listed(state: templates.State, template: object, flow: int, place: templates.Place) -> int | None:
        result = copied(state, template, flow, place)  # type: ignore[arg-type]
        if result is not None:
            found.append(place.frame.path)
        return result

    monkeypatch.setattr(templates, "_copied", listed)
    return found


@pytest.mark.parametrize("path", SPECIFICATIONS, ids=lambda path: path.stem)
def test_copies_are_what_the_text_of_a_shipped_network_says(path: Path) -> None:
    agree(path.read_text(), path=path)


def test_the_third_of_equal_calls_is_a_copy(net: Net, copies: list[str]) -> None:
    agree(net("layer: { 5 x b(3) }\noutput y", "block b(n) { c: conv(n, 3x3); n: bn; relu }"))
    # The first takes in the image, those behind it what the ones before give.
    assert copies == ["layer.3", "layer.4"]


def test_calls_in_calls_are_copied_with_them(net: Net, copies: list[str]) -> None:
    head = "block a(n) { c: conv(n, 1x1); relu }\nblock b(n) { u: a(n); v: a(n); residual { w: a(n) } }"
    agree(net("layer: { 6 x b(3) }\noutput y", head))
    assert "layer.5" in copies


@pytest.mark.parametrize(
    ("body", "head"),
    [
        # What is equal in Python, and not in the language.
        (
            "layer: { for v in 0..5 { b(1.0); b(1); b(true) } }",
            "block b(v) { c: conv(3, 1x1); relu }",
        ),
        ("layer: { for v in 0..5 { b(0.0); b(-0.0) } }", "block b(v: float) { scale(v) }"),
        ("layer: { for v in 0..5 { b([1, 2]); b(1x2) } }", "block b(v) { c: conv(3, v[0]) }"),
        ("layer: { for v in 0..5 { b(relu); b(c) } }", "block c { x: conv(3, 1x1) }\nblock b(v: block) { v }"),
        # What is read around the call: the layer before it, the defaults, the sizes of the input.
        (
            "layer: { for v in 0..5 { conv(3, 1x1, bias = true); b; relu; b; conv(3, 1x1, bias = true); b } }",
            "block b { n: bn; relu }",
        ),
        ("default bn(eps = 1e-3)\nlayer: { 5 x b }", "block b { n: bn(affine = false) }"),
        (
            "layer: { 5 x b }",
            "block b { tap t; c: conv(3, 1x1) -> [N, 3, 32, 32]; add { identity; from t { relu } } }",
        ),
        ("layer: { 5 x b }", "const w = 3\nblock b(n = channels_in) { c: conv(n, 1x1); relu; d: conv(w, 1x1) }"),
        # Places: messages and labels that depend on them.
        ("a: { 4 x b }\nb: { 4 x b }\nc: { { 4 x b } }", "block b { conv(3, 1x1); relu }"),
        ("layer: { 5 x b }", "block b { identity }"),
        ("layer: { 5 x b }", "block b { concat { { c: conv(1, 1x1) }; identity }; d: conv(3, 1x1) }"),
        ("stage s(stride = 2) { 5 x b(3) }", "block b(n, stride = 1) { c: conv(n, 3x3, stride = stride); relu }"),
        # Models called like blocks.
        ("layer: { 5 x m }", "model m { input i: f32[B, 3, H, W]\nc: conv(3, 1x1)\noutput o\nexpect depth == 1 }"),
    ],
)
def test_copies_know_what_matters(body: str, head: str, net: Net, copies: list[str]) -> None:
    agree(net(f"{body}\noutput y", head))
    assert copies


def test_warnings_are_counted_at_copies_too(net: Net, copies: list[str]) -> None:
    told = agree(net("layer: { 7 x b }\noutput y", "block b { conv(3, 1x1, bias = true); bn }"))
    assert copies
    # Two layers named by their position, and a bias before a norm: met in seven calls each.
    assert [repeats for _, repeats in told[-3:]] == [6, 6, 6]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("body", "head"),
    [
        ("layer: { 6 x b }", "block b { c: conv(3, 1x1); c: conv(3, 1x1) }"),
        ("layer: { 6 x b }", "block b { c: conv(3, 1x1) -> [N, 4, 32, 32] }"),
        ("layer: { 6 x b }", "block b { c: conv(3, 1x1, stride = 2, pad = same, groups = 2) }"),
        ("layer: { 6 x b }", "block b { maxpool(3x3, stride = 2, pad = 0) }"),
        ("layer: { 6 x b(q) }", "block b(n) { c: conv(n, 1x1) }"),
        ("layer: { 6 x b }", "block b(n: whole = 3) { c: conv(n, 1x1) }"),
        ("layer: { 6 x b }", "const n = 1 // 0\nblock b { c: conv(3, 1x1) }"),
        ("for i in 1..6 { x: b }", "block b { c: conv(3, 1x1); relu }"),
        ("x: b; for i in 1..4 { y{i}: b }; x: b", "block b { c: conv(3, 1x1); relu }"),
        # One block reaches itself, depending on how it is called.
        (
            "for i in 1..5 { x{i}: a }\ny: d(true)",
            "block d(f) { if f { v: a } else { relu } }\nblock a { w: d(false); relu }",
        ),
    ],
)
def test_mistakes_are_told_as_they_are_without_copies(body: str, head: str, net: Net) -> None:
    assert agree(net(f"{body}\noutput y", head))


def test_a_name_that_is_taken_is_told_at_the_call_that_takes_it_again(net: Net, copies: list[str]) -> None:
    # A label can be made of a text, and that may have a point in it.
    body = 'const name = "4.c"\na{name}: conv(3, 1x1)\nfor i in 1..5 { a{i}: b }\nx: relu\noutput y'
    told = agree(net(body, "block b { c: conv(3, 1x1); relu }"))
    assert copies == ["a5"]
    assert "E0605" in str(told)


@pytest.mark.parametrize("limits", [Limits(nodes=20), Limits(steps=60), Limits(depth=4), Limits(depth=6)])
def test_limits_are_met_at_the_same_statement(limits: Limits, net: Net) -> None:
    head = "block a { c: conv(3, 1x1); relu }\nblock b { residual { u: a; { { v: a } } } }"
    agree(net("layer: { 9 x b }\noutput y", head), limits=limits)


@pytest.mark.parametrize("limit", range(1, 80, 3))
def test_every_limit_is_met_at_the_same_statement(limit: int, net: Net) -> None:
    head = "block a { c: conv(3, 1x1); relu }\nblock b(n) { u: a; v: a }"
    text = net("layer: { 8 x b(1) }\noutput y", head)
    agree(text, limits=Limits(nodes=limit))
    agree(text, limits=Limits(steps=limit))
