"""``--fix`` never leaves a text worse: all fixes applied to texts with errors. ``fuzz_fixes.py`` tries thousands."""

from __future__ import annotations

import random

import pytest

from resdsl.diagnostics import Diagnostics, Source
from resdsl.specification.specification import Specification
from resdsl.tools.check.fix import fix

from .fixes import applied, mutant


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_fixes_make_a_text_better_or_leave_it(start: int) -> None:
    outcomes = [applied(mutant(random.Random(seed))) for seed in range(start, start + 20)]
    assert any(outcome.fixes for outcome in outcomes)


def model(body: str) -> str:
    return f"model net(n = 2) {{\n  input image: f32[N, 3, 32, 32]\n  {body}\n  output y\n}}\n"


@pytest.mark.parametrize(
    ("body", "fixed"),
    [
        # Each fix uncovers the next error, of its own level or of an earlier one.
        ("a: conv(8 3x3 bias: True)", "a: conv(8, 3x3, bias = true)"),
        ("for i in n { c{i}: cnv(8, 3x3) }", "for i in 1..n { c{i}: conv(8, 3x3) }"),
        ("tap early; relu; add { identity; from erly }", "tap early; relu; add { identity; from early { identity } }"),
        ("const layers = [1, 2]; layers[0] x relu", "const layers = [1, 2]; (layers[0]) x relu"),
        # A fix that only makes another error of this one is not applied, and does not keep others from being applied.
        ("avgpool(global[); rellu", "avgpool(global[); relu"),
        ("avgpool((); cnv(8, 3x3)", "avgpool((); conv(8, 3x3)"),
        ("]: relu; a: cnv(8, 3x3)", "]: relu; a: conv(8, 3x3)"),
    ],
)
def test_a_fix_is_applied_where_the_text_has_fewer_errors_then(body: str, fixed: str) -> None:
    assert fix(Source("net.res", model(body))).after.text == model(fixed)


def test_the_texts_that_are_checked_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    # The parser reports fifty errors at a time: where one is fixed, the next is found.
    text = model("a: conv(8 3x3)\n" * 2_000)
    checked: list[int] = []
    check = Specification.check

    def counted(specification: Specification) -> Diagnostics:
        checked.append(len(specification.source.text))
        return check(specification)

    monkeypatch.setattr(Specification, "check", counted)
    monkeypatch.setattr("resdsl.tools.check.fix._MOST_CHARACTERS", 100_000)
    fix(Source("net.res", text))
    # A fix that uncovered others is followed for a few more checks.
    assert 100_000 <= sum(checked) < 100_000 + 7 * max(checked)
