"""For any text and spans, a diagnostic is rendered and underlined correctly."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from resdsl.diagnostics import Call, Code, Diagnostic, Edit, Fix, Label, Source, Span
from resdsl.diagnostics.github import to_github
from resdsl.diagnostics.json import to_data
from resdsl.diagnostics.render import render
from resdsl.diagnostics.sarif import to_sarif

CODE = Code("E0101", "this text does not belong here")
TEXTS = st.text(st.sampled_from("ab {}\n\t\r漢é\u0301\x1b\u202e\U0001f600\u200d"), max_size=60)
OFFSETS = st.integers(-3, 70)


@st.composite
def diagnostics(draw: st.DrawFn) -> Diagnostic:
    sources = [Source("a.res", draw(TEXTS)), Source(draw(TEXTS), draw(TEXTS))]

    def span() -> Span:
        return Span(draw(st.sampled_from(sources)), draw(OFFSETS), draw(OFFSETS))

    labels = [Label(span(), draw(TEXTS)) for _ in range(draw(st.integers(0, 4)))]
    edits = tuple(Edit(span(), draw(TEXTS)) for _ in range(draw(st.integers(0, 3))))
    return Diagnostic(
        CODE,
        draw(TEXTS),
        labels[0] if labels else None,
        tuple(labels[1:]),
        tuple(Call(draw(TEXTS), draw(TEXTS), span()) for _ in range(draw(st.integers(0, 2)))),
        (draw(TEXTS),),
        (draw(TEXTS),),
        Fix(draw(TEXTS), edits) if edits else None,
    )


@given(diagnostics(), st.booleans(), st.none() | st.integers(0, 100))
def test_a_drawing_always_comes_out_and_is_safe_to_print(
    diagnostic: Diagnostic, color: bool, width: int | None
) -> None:
    drawn = re.sub(r"\x1b\[[\d;]+m", "", render([diagnostic], color=color, width=width))
    assert set(drawn) & {"\x1b", "\r", "\t", "\u202e"} == set()


@given(diagnostics())
def test_the_other_forms_always_come_out(diagnostic: Diagnostic) -> None:
    assert to_data(diagnostic)["code"] == "E0101"
    assert to_sarif([diagnostic], version="1.0")["version"] == "2.1.0"
    assert to_github([diagnostic]).count("\n") == 1


@given(
    st.text(st.sampled_from("abc {}=漢字é한"), max_size=40),
    st.text(st.sampled_from("xy漢"), min_size=1, max_size=8),
    st.text(st.sampled_from("abc {}漢"), max_size=40),
)
def test_the_underline_stands_under_the_cells_of_the_place(before: str, word: str, after: str) -> None:
    source = Source("a.res", f"{before}{word}{after}")
    span = source.span(len(before), len(before) + len(word))
    line, underline = render([Diagnostic(CODE, "here", Label(span))]).splitlines()[3:5]
    assert line == f"1 | {source.text}".rstrip()
    assert underline == "  | " + " " * cell_len(before) + "^" * cell_len(word)


@given(st.integers(0, 400), st.integers(1, 12), st.integers(30, 120))
def test_a_cut_line_shows_the_place_and_fits(start: int, length: int, width: int) -> None:
    word = "x" * length
    source = Source("a.res", "." * start + word + "." * 300)
    line, underline = render(
        [Diagnostic(CODE, "here", Label(source.span(start, start + length)))], width=width
    ).splitlines()[3:5]
    assert len(line) <= width
    assert [line[at] for at, sign in enumerate(underline) if sign == "^"] == list(word)
