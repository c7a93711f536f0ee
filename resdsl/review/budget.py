"""Size limits of a network: absolute (``12G``), or relative to the old one (``+5%``, ``+1M``)."""

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
    """A limit. A ``relative`` one is added to the value of the old network, in ``percent`` or in units."""

    text: str
    amount: float
    relative: bool
    percent: bool

    def limit(self, old: int) -> float:
        """The maximum for the new network."""
        if self.percent:
            return old * (1 + self.amount / 100)
        return old + self.amount if self.relative else self.amount

    def breach(self, what: str, old: Dim, new: Dim) -> str | None:
        """The message if a count exceeds the budget, else ``None``."""
        if not isinstance(old, int) or not isinstance(new, int):
            return f"{what} depend on the size of the input, and the budget is {self.text}"
        if new <= self.limit(old):
            return None
        than = f", {figures.difference(old, new)} against the {exact(old)} before" if self.relative else ""
        return f"{exact(new)} {what} are over the budget of {self.text}{than}"


def parse_budget(text: str) -> Budget:
    """Parse a budget in the syntax of the command line. Raises ``ValueError`` if it is invalid."""
    match = _WRITTEN.fullmatch(text.strip())
    if match is None or (match["unit"] == "%" and not match["sign"]):
        raise ValueError(f"'{text}' is no budget: write 12G for a bound, +5% or +1M for how much may be added")
    percent = match["unit"] == "%"
    amount = float(match["number"].replace("_", "")) * (1 if percent else _UNITS[match["unit"]])
    return Budget(text.strip(), -amount if match["sign"] == "-" else amount, bool(match["sign"]), percent)
