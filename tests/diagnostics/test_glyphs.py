"""Cells of text, against Rich, which carries the tables of the wcwidth project."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from resdsl.diagnostics.glyphs import glyphs, plain, width

LETTERS = st.text(st.sampled_from("aZ9 é漢字かなカナ한글ＡｱЖעا\u0301\u0308\u20dd£€─"))


@given(LETTERS)
def test_letters_take_the_cells_that_rich_counts(text: str) -> None:
    assert width(text.lstrip("\u0301\u0308\u20dd")) == cell_len(text.lstrip("\u0301\u0308\u20dd"))


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("\U0001f600", 2),
        ("\U0001f469\u200d\U0001f52c", 2),
        ("\U0001f1eb\U0001f1f7", 2),
        ("\U0001f44d\U0001f3fd", 2),
        ("\u2764\ufe0f", 2),
        ("\u2764", 1),
        ("\u1112\u1161\u11ab", 2),
    ],
    ids=["face", "joined", "flag", "skin tone", "emoji style", "text style", "hangul letters"],
)
def test_what_is_drawn_as_one_is_one_glyph(text: str, cells: int) -> None:
    assert [(glyph.width, glyph.start, glyph.end) for glyph in glyphs(text)] == [(cells, 0, len(text))]


@pytest.mark.parametrize(
    ("text", "shown"), [("\t|", "    |"), ("ab\t|", "ab  |"), ("漢\t|", "漢  |"), ("abcd\t|", "abcd    |")]
)
def test_a_tab_goes_to_the_next_multiple_of_four(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b2J", "\\x9b2J"),
        ("a\nb\rc", "a\\nb\\rc"),
        ("\u202e", "\\u{202e}"),
        ("\u2028", "\\u{2028}"),
        ("\ud800", "\\u{d800}"),
        ("a\u200db", "a\\u{200d}b"),
        ("\U000e0041", "\\u{e0041}"),
    ],
)
def test_what_commands_or_hides_is_escaped(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text())
def test_nothing_that_commands_a_terminal_is_left(text: str) -> None:
    shown = plain(text).replace("\u200d", "")
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text(min_size=1))
def test_glyphs_cover_the_text_without_a_gap(text: str) -> None:
    found = glyphs(text)
    assert [glyph.start for glyph in found] == [0, *(glyph.end for glyph in found[:-1])]
    assert found[-1].end == len(text)
