"""What a file claims of the totals of a network, and what a wrong one is compared with."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from resdsl.diagnostics import Diagnostics, Label, catalogue
from resdsl.ir.graph import Graph
from resdsl.syntax import tree

RELATIONS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "==": operator.eq,
    "<=": operator.le,
    ">=": operator.ge,
}
CLAIMS = frozenset({catalogue.ANNOTATION, catalogue.EXPECTATION, catalogue.EXPECTATION_UNKNOWN})
"""Errors in what a text states of its network. The network itself is known."""

_SUFFIXES = {"k": 3, "K": 3, "M": 6, "G": 9}


def only_claims(diagnostics: Diagnostics) -> bool:
    """Whether there are no errors but those in what a text states of its network."""
    return all(error.code in CLAIMS for error in diagnostics.errors)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a file expects of a total of its network: ``parameters == 25.6M``."""

    line: tree.Expect
    value: object

    @property
    def subject(self) -> str:
        return self.line.subject.name

    @property
    def text(self) -> str:
        """The number as it is written; empty for an expression."""
        return self.line.value.text if isinstance(self.line.value, tree.Number) else ""

    def holds(self, total: int) -> bool:
        return RELATIONS[self.line.relation](self._rounded(total), Decimal(str(self.value)))

    def shortened(self, total: int) -> str:
        """``total`` as the claim is written (``25.6M``); empty if it is written in full."""
        rounded = self._rounded(total)
        if rounded == total:
            return ""
        decimals = len(self.text[:-1].partition(".")[2])
        return f"{rounded.scaleb(-_SUFFIXES[self.text[-1]]):.{decimals}f}{self.text[-1]}"

    def _rounded(self, total: int) -> Decimal:
        """``total`` to as many digits as the claim is written with: against ``11.51G``, to ten millions."""
        value, suffix = Decimal(total), self.text[-1:]
        if suffix not in _SUFFIXES:
            return value
        decimals = len(self.text[:-1].partition(".")[2])
        if decimals >= _SUFFIXES[suffix]:
            return value
        with localcontext(prec=max(28, len(value.as_tuple().digits) + 1)):
            return value.quantize(Decimal(1).scaleb(_SUFFIXES[suffix] - decimals)) + 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a network with a wrong total differs from a known one, and where."""

    note: str
    place: Label | None = None


Compare = Callable[[Graph, Sequence[Claim]], Comparison | None]
"""Compares a network with known ones, given all that is claimed of it."""
