"""Rows of CSV are read back unchanged by CSV readers and spreadsheets."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resdsl.runtime.csv_lines import cells_of, csv_line

# What may be a file name: bytes that are not UTF-8 are lone surrogates in `dc80..dcff`.
TEXT = st.text(st.characters(codec="utf-8") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=12)


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_every_text_comes_back_as_it_was(cells: list[str]) -> None:
    line = csv_line(cells)
    assert cells_of(line) == cells
    # Python's reader, as another program's: one row of as many cells, and the text or its guarded form.
    (row,) = csv.reader(io.StringIO(line.decode(errors="surrogateescape"), newline=""))
    assert [cell.removeprefix("'") for cell in row] == cells


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1"])
def test_no_text_runs_as_a_formula(text: str) -> None:
    line = csv_line([text, "x"])
    assert line.lstrip(b'"').startswith(b"'")
    assert cells_of(line) == [text, "x"]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\v", "\x85", "\u2028"])
def test_no_line_end_in_a_cell_ends_the_row(end: str) -> None:
    line = csv_line([f"a{end}b", 1])
    assert line == f'"a{end}b",1\n'.encode()
    assert cells_of(line) == [f"a{end}b", "1"]


def test_numbers_are_written_as_they_are() -> None:
    assert csv_line([-1, 0.25, -2.5e-8]) == b"-1,0.25,-2.5e-08\n"


def test_a_lone_surrogate_of_a_label_is_an_escape() -> None:
    assert csv_line(["a\ud800b"]) == b"a\\ud800b\n"
