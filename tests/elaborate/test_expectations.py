"""Which network an expectation applies to."""

from __future__ import annotations

from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import elaborate, load_program

TEXT = """
model small(n = 2, classes = 10) {{
  input image: f32[N, 3, 8, 8]
  stem: conv(4, 3x3)
  layers: n x conv(4, 3x3)
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
  expect {claim}
}}
"""


def codes(claim: str, **arguments: object) -> list[str]:
    diagnostics = Diagnostics()
    program = load_program(Source("small.res", TEXT.format(claim=claim)), diagnostics)
    elaborate(program, diagnostics, arguments=arguments)
    return [error.code.id for error in diagnostics.errors]


def test_a_plain_number_applies_to_the_defaults() -> None:
    # Weights: 3 * 4 * 9, twice 4 * 4 * 9, then 4 * 10 + 10.
    assert codes("parameters == 446") == []
    assert codes("parameters == 447") == ["E0502"]
    # At the written precision, with both spellings of a thousand.
    assert codes("parameters == 0.4k") == codes("parameters == 0.4K") == []
    assert codes("parameters == 0.5k") == ["E0502"]
    assert codes("parameters == 446", classes=5) == []


def test_an_expression_applies_to_all_parameters() -> None:
    assert codes("depth == n + 2", n=7) == []
    assert codes("depth == n + 3", n=7) == ["E0502"]
