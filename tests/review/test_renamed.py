"""How renamed layers are shown: with enough of their path to find them."""

from __future__ import annotations

import pytest

import resdsl
from resdsl.review.changes import Renamed

TEXT = """model m {
  input x: f32[N, 3, 8, 8]
  a: { conv(4, 3x3); relu; conv(8, 3x3) }
  b: { conv(4, 3x3); relu; conv(8, 3x3) }
  output y
}
"""


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("relu; conv(8, 3x3) }\n  b", "relu; last: conv(8, 3x3) }\n  b", [("a.2", "a.last")]),
        ("conv(8, 3x3)", "last: conv(8, 3x3)", [("*.2", "*.last")]),
        ("a: {", "first: {", [("a", "first")]),
    ],
)
def test_a_number_is_shown_with_its_parent(old: str, new: str, names: list[tuple[str, str]]) -> None:
    review = resdsl.diff(resdsl.loads(TEXT), resdsl.loads(TEXT.replace(old, new)))
    renamed = [change for change in review.changes if isinstance(change, Renamed)]
    assert [(change.old, change.new) for change in renamed] == names
