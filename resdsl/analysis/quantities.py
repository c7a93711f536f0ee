"""Counts and sizes in readable form."""

from __future__ import annotations

from resdsl.ir.dims import Dim

_STEPS = (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3))


def short(count: Dim) -> str:
    """``60_192_808`` as ``60.2 M``, with three digits; a symbolic count is written out."""
    if not isinstance(count, int):
        return str(count)
    sign, magnitude = ("-" if count < 0 else ""), abs(count)
    for unit, step in _STEPS:
        # From 999.5 on, three digits of the smaller unit would read 1000.
        if magnitude >= 0.9995 * step:
            value = magnitude / step
            decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{sign}{value:.{decimals}f} {unit}"
    return f"{sign}{magnitude}"


def exact(count: Dim) -> str:
    """``60192808`` as ``60,192,808``."""
    return f"{count:,}" if isinstance(count, int) else str(count)


def size(count: Dim) -> str:
    """Bytes in decimal units: ``241 MB``."""
    text = short(count)
    return text if not isinstance(count, int) else f"{text}B" if text[-1].isalpha() else f"{text} B"
