"""Values from outside (files, servers, command lines), bounded before they are converted, compared or printed."""

from __future__ import annotations


def printable(value: object, *, most: int = 80) -> str:
    """``value`` for a message: one line of at most ``most`` characters, without control characters or surrogates."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 4 * most:
        return f"an integer of {value.bit_length():,} bits"
    if isinstance(value, bytes):
        value = value[: 4 * most].decode("utf-8", "replace")
    if not isinstance(value, str | int | float | None):
        value = f"a {type(value).__name__}"  # which may be nested, or hold any of these
    text = str(value)[: most + 1]
    shown = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
