"""Values from outside (files, servers, command lines), bounded before they are converted, compared or printed.

Python's integers have no limit, and converting one of 5,000 digits to text or to a float raises an error that no caller
expects; text may hold lone surrogates, which no stream can encode, and control characters, which a terminal executes.
Each reader here gives a value within bounds, or ``None``: the caller knows which error to report.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

MOST_INT = (1 << 63) - 1
"""The largest integer of the file formats and protocols read here, which have at most 64 bits."""

_DIGITS = re.compile(r"-?[0-9]{1,40}")
"""An integer as text. ``str.isdigit`` and ``int`` also take ``²`` or ``٣``, and ``int`` takes ``1_0`` and spaces."""

_FLOAT_CHARACTERS = 64

_STYLE = r"\x1b\[(?:(?:[0-4]|2[2-4]|3[0-79]|9[0-7])(?:;|(?=m)))*m"
_UNSAFE = re.compile(rf"({_STYLE})|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NOT_IN_JSON = re.compile("[\x7f-\x9f\ud800-\udfff]")


LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""What a file of Git LFS begins with that stands for another, larger one."""


def bounded_int(value: object, *, most: int = MOST_INT, least: int = 0) -> int | None:
    """The integer ``value``, or the one that the text ``value`` has in ASCII digits, if it is in ``least..most``."""
    if isinstance(value, str):
        if _DIGITS.fullmatch(value) is None:
            return None
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        return None
    return value


def bounded_ints(values: object, *, most: int = MOST_INT, least: int = 0) -> tuple[int, ...] | None:
    """The items of a list or tuple, if all of them are integers in ``least..most``."""
    if not isinstance(values, list | tuple):
        return None
    numbers = tuple(
        value
        for value in values
        if not isinstance(value, str) and bounded_int(value, most=most, least=least) is not None
    )
    return numbers if len(numbers) == len(values) else None


def bounded_float(value: object, *, most: float, least: float | None = None) -> float | None:
    """``value``, a number or its text, as a finite float in ``least..most``; ``least`` is ``-most`` by default."""
    if isinstance(value, str) and len(value) > _FLOAT_CHARACTERS:
        return None
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    # The comparison is false for NaN.
    return number if (-most if least is None else least) <= number <= most and math.isfinite(number) else None


def bounded_text(value: object, *, most: int) -> str | None:
    """``value``, text or its bytes in UTF-8, of at most ``most`` characters, all of which can be encoded."""
    try:
        if isinstance(value, bytes):
            # No character takes more than four bytes.
            value = value.decode() if len(value) <= 4 * most else None
        if not isinstance(value, str) or len(value) > most:
            return None
        value.encode()
    except UnicodeError:
        return None
    return value


def printable(value: object, *, most: int = 80) -> str:
    """``value`` for a message: one line of at most ``most`` characters, without control characters or surrogates."""
    if isinstance(value, int) and value.bit_length() > 256:
        value = f"an integer of {value.bit_length():,} bits"
    if isinstance(value, bytes):
        value = value[: 4 * most].decode("utf-8", "replace")
    if not isinstance(value, str | int | float | None):
        value = f"a {type(value).__name__}"  # which may be nested, or hold any of these
    text = str(value)[: most + 1]
    shown = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def visible(text: str, *, styles: bool = False) -> str:
    """``text`` for a terminal: characters that control it are written as Python escapes them.

    Line ends and tabs stay, and with ``styles`` the colours and weights that resdsl itself writes. Right-to-left
    overrides do not: they make a name look like another one.
    """

    def shown(found: re.Match[str]) -> str:
        return found[0] if styles and found[1] else found[0].encode("unicode_escape").decode()

    return _UNSAFE.sub(shown, text)


def printable_shape(shape: Iterable[object], *, most: int = 8) -> str:
    """A shape for a message: ``[64, 3, 7, 7]``, with at most ``most`` sizes."""
    sizes = [printable(size, most=30) for _, size in zip(range(most + 1), shape, strict=False)]
    return f"[{', '.join(sizes[:most] + ['…'] * (len(sizes) > most))}]"


def json_text(data: object) -> str:
    """``data`` as JSON that any stream can encode and no terminal executes; characters beyond ASCII stay readable."""
    import json  # every command starts by importing this module

    text = json.dumps(data, indent=2, ensure_ascii=False)
    return _NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def parse_json(data: bytes | str, *, unique_keys: bool = False) -> object:
    """JSON from outside. Raises ``ValueError``, and nothing else, for what is not JSON.

    Integers of more than 64 bits become floats, as in most other parsers. Numbers beyond the range of floats, lone
    surrogates, and nesting beyond Python's stack are errors; with ``unique_keys`` repeated keys are too.
    """
    import json  # as above

    text = data.decode() if isinstance(data, bytes) else data
    hook = _unique if unique_keys else None
    try:
        value: object = json.loads(text, parse_int=_json_int, parse_float=_json_float, object_pairs_hook=hook)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # fails on a lone surrogate
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _json_int(digits: str) -> int | float:
    return _json_float(digits) if len(digits) > 20 else int(digits)


def _json_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("duplicate name")
    return content
