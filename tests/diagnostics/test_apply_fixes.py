"""Fixes are applied to the text, each completely or not at all."""

from __future__ import annotations

from resdsl.diagnostics import Diagnostic, Edit, Fix, Label, Source, catalogue
from resdsl.diagnostics.apply_fixes import apply_fixes

SOURCE = Source("net.res", "one two three")


def diagnostic(*edits: tuple[int, int, str], source: Source = SOURCE) -> Diagnostic:
    fix = Fix("change it", tuple(Edit(source.span(start, end), new) for start, end, new in edits))
    return Diagnostic(catalogue.UNKNOWN_NAME, "wrong", Label(source.span(edits[0][0], edits[0][1])), fix=fix)


def test_fixes_of_any_length_are_made_at_their_places() -> None:
    found = [diagnostic((8, 13, "3")), diagnostic((0, 3, "number one")), diagnostic((7, 7, ","))]
    text, made = apply_fixes(SOURCE, found)
    assert text == "number one two, 3"
    assert made == (found[1], found[2], found[0])


def test_of_two_fixes_that_overlap_the_first_is_made_and_the_other_not_in_part() -> None:
    first, second = diagnostic((0, 7, "1 2")), diagnostic((4, 7, "2"), (8, 13, "3"))
    assert apply_fixes(SOURCE, [second, first]) == ("1 2 three", (first,))


def test_of_two_insertions_at_one_place_one_is_made() -> None:
    first, second = diagnostic((3, 3, ",")), diagnostic((3, 3, ";"))
    assert apply_fixes(SOURCE, [first, second]) == ("one, two three", (first,))


def test_a_fix_that_reaches_into_another_text_is_not_made() -> None:
    other = Source("blocks.res", "one two three")
    found = [diagnostic((0, 3, "1"), source=other)]
    assert apply_fixes(SOURCE, found) == (SOURCE.text, ())


def test_what_has_no_fix_changes_nothing() -> None:
    assert apply_fixes(SOURCE, [Diagnostic(catalogue.NO_MODEL, "none")]) == (SOURCE.text, ())
