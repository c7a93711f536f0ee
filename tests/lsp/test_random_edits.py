"""No edit of a text makes a feature of the editor fail, or answer with a place that the text does not have."""

from __future__ import annotations

from tests.lsp.random_edits import random_edits


def test_no_edit_makes_a_feature_fail() -> None:
    assert sum(1 for _ in random_edits(150, seed=1)) == 150
