"""Every code is reported somewhere, and covered by a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from resdsl.diagnostics import Code, catalogue

ROOT = Path(__file__).parents[2]
NAMES = {value.id: name for name, value in vars(catalogue).items() if isinstance(value, Code)}
# Errors in a text: each has a snapshot of its message. The others need weights, images, devices or full disks.
KINDS_IN_A_TEXT = ("E01", "E02", "E03", "E04", "E05", "E06", "E09", "W05")
IN_A_TEXT = sorted(code for code in catalogue.CODES if code[:3] in KINDS_IN_A_TEXT)


def test_every_code_has_one_name() -> None:
    assert sorted(NAMES) == sorted(catalogue.CODES)


@pytest.mark.parametrize("code", sorted(catalogue.CODES))
def test_every_code_is_reported_somewhere(code: str) -> None:
    used = re.compile(rf"\b{NAMES[code]}\b")
    sources = [*ROOT.glob("resdsl/**/*.py"), *ROOT.glob("resdsl/**/*.lark")]
    tellers = [
        path for path in sources if path.name != "catalogue.py" and used.search(path.read_text(encoding="utf-8"))
    ]
    assert tellers


@pytest.mark.parametrize("code", IN_A_TEXT)
def test_every_error_in_a_text_has_a_snapshot(code: str) -> None:
    snapshots = ROOT.glob("tests/elaborate/errors/*.expected")
    assert any(f"[{code}]" in path.read_text(encoding="utf-8") for path in snapshots)
