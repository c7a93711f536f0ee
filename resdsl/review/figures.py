"""Format differences of counts and sizes."""

from __future__ import annotations

from collections.abc import Sequence

from resdsl.analysis.quantities import short
from resdsl.ir.dims import Dim
from resdsl.ir.types import TensorType
from resdsl.review.changes import Delta, Location, Totals


def signed(count: int) -> str:
    """``+1.12 M``"""
    return f"+{short(count)}" if count >= 0 else short(count)


def percent(old: Dim, new: Dim) -> str:
    """``+35.1%``; empty if it is undefined or symbolic."""
    if not isinstance(old, int) or not isinstance(new, int) or old == 0:
        return ""
    change = 100 * (new - old) / old
    if abs(change) >= 999.5:
        return f"x {new / old:.3g}"
    # A difference that rounds to zero is still shown.
    if change and abs(change) < 0.05:
        return "+<0.1%" if change > 0 else "-<0.1%"
    return f"{change:+.1f}%"


def size_difference(old: Dim, new: Dim) -> str:
    """``+92.7 MB (+41.2%)``"""
    count, bracket, part = difference(old, new).partition(" (")
    unit = "B" if count[-1:].isupper() or count.endswith(" k") else " B"
    return f"{count}{unit}{bracket}{part}" if count[:1] in ("+", "-") else count


def difference(old: Dim, new: Dim) -> str:
    """``+15.6 M (+35.1%)``, or ``same``."""
    if old == new:
        return "same"
    change = new - old
    if not isinstance(change, int):
        return "varies"
    percentage = percent(old, new)
    return f"{signed(change)} ({percentage})" if percentage else signed(change)


def cost(delta: Delta, old: Totals | None = None) -> str:
    """``+1.12 M parameters, +873 M MACs, +35.3 MB activations``; only what changes.

    With the totals ``old`` of the old network, each with its percentage: ``+1.12 M parameters (+2.5%)``.
    """
    known = (
        (delta.parameters, "parameters", old.parameters if old else 0),
        (delta.macs, "MACs", old.macs if old else 0),
        (delta.activation_bytes, "B activations", old.activation_bytes if old else 0),
    )
    parts: list[str] = []
    for change, what, before in known:
        if change:
            share = percent(before, before + change)
            parts.append(_amount(change, what) + (f" ({share})" if share else ""))
    return ", ".join(parts)


def reach(places: Sequence[Location]) -> str:
    """The change of depth and receptive field at the last location: ``depth 92 -> 131 at layer3``."""
    both = [(place.path, place.before, place.after) for place in places if place.before and place.after]
    if not both:
        return ""
    path, before, after = both[-1]
    assert before is not None
    assert after is not None
    parts = [f"depth {before.depth} -> {after.depth}"] if before.depth != after.depth else []
    if before.receptive_field != after.receptive_field:
        parts.append(f"receptive field {field(before.receptive_field)} -> {field(after.receptive_field)}")
    where = f" at {path}" if path else ""
    return f"{', '.join(parts)}{where}" if parts else ""


def _amount(change: Dim, what: str) -> str:
    if not isinstance(change, int):
        return f"{what.removeprefix('B ')} vary"
    number = signed(change)
    # 35.3 MB, but 12 B.
    joined = what.startswith("B ") and number[-1].isalpha()
    return f"{number}{what}" if joined else f"{number} {what}"


def field(pixels: tuple[int, int] | None) -> str:
    """A receptive field: ``483x483``."""
    return f"{pixels[0]}x{pixels[1]}" if pixels is not None else "whole image"


def count(number: int, what: str) -> str:
    """``1 tensor``, ``2 tensors``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def outputs(ends: tuple[tuple[str, TensorType], ...]) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in ends)


def share(part: float) -> str:
    """A fraction in percent; 100% and 0% only if it is exactly 1 or 0."""
    if part in (0.0, 1.0):
        return f"{part:.0%}"
    return f"{min(max(100 * part, 0.1), 99.9):.1f}%"
