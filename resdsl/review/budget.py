"""How much a network may grow: ``12G`` at most, ``+5%`` or ``+1M`` more than before."""

from __future__ import annotations

import re
from dataclasses import dataclass

from resdsl.analysis.quantities import exact
from resdsl.ir.dims import Dim
from resdsl.review import figures

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_WRITTEN = re.compile(r"(?P<sign>[+-]?)(?P<number>\d[\d_]*(?:\.\d+)?)\s*(?P<unit>[kMGT%]?)")


@dataclass(frozen=True, slots=True)
class Budget:
    """A bound as somebody wrote it. A ``relative`` one is counted from the old network, in ``percent`` or in units."""

    text: str
    amount: float
    relative: bool
    percent: bool

    def limit(self, old: int) -> float:
        """The most that the new network may have."""
        if self.percent:
            return old * (1 + self.amount / 100)
        return old + self.amount if self.relative else self.amount

    def breach(self, what: str, old: Dim, new: Dim) -> str | None:
        """What is wrong with a count, or ``None`` if it is within the budget."""
        if not isinstance(old, int) or not isinstance(new, int):
            return f"{what} depend on the size of the input, and the budget is {self.text}"
        if new <= self.limit(old):
            return None
        than = f", {figures.difference(old, new)} against the {exact(old)} before" if self.relative else ""
        return f"{exact(new)} {what} are over the budget of {self.text}{than}"


def parse_budget(text: str) -> Budget:
    """A budget as the command line takes it; raises ``ValueError`` for what is none."""
    match = _WRITTEN.fullmatch(text.strip())
    if match is None or (match["unit"] == "%" and not match["sign"]):
        raise ValueError(f"'{text}' is no budget: write 12G for a bound, +5% or +1M for how much may be added")
    percent = match["unit"] == "%"
    amount = float(match["number"].replace("_", "")) * (1 if percent else _UNITS[match["unit"]])
    return Budget(text.strip(), -amount if match["sign"] == "-" else amount, bool(match["sign"]), percent)
