"""Which network an expectation applies to."""

from __future__ import annotations

from collections.abc import Sequence

from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import elaborate, load_program
from resdsl.elaborate.claims import Claim
from resdsl.ir.graph import Graph

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


def test_a_network_with_several_wrong_totals_is_compared_once() -> None:
    asked: list[Sequence[Claim]] = []

    def compare(_graph: Graph, claims: Sequence[Claim]) -> None:
        asked.append(claims)

    diagnostics = Diagnostics()
    text = TEXT.format(claim="macs == 1; expect parameters == 1; expect depth == 1")
    elaborate(load_program(Source("small.res", text), diagnostics), diagnostics, compare=compare)
    assert len(diagnostics.errors) == 3 and len(asked) == 1 and len(asked[0]) == 3
    # None is near: then the parameters are listed.
    assert any("`layers` 288" in note for error in diagnostics.errors for note in error.notes)
