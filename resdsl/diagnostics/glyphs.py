"""Split a text into glyphs: their width in terminal cells, with control characters escaped."""

from __future__ import annotations

from typing import NamedTuple
from unicodedata import category, east_asian_width

TAB_STOP = 4

_ZERO_WIDTH_JOINER = "\u200d"
_EMOJI_STYLE = "\ufe0f"
_TEXT_STYLE = "\ufe0e"

# Invisible or controlling the terminal (control, format, surrogate, separators): shown as escapes. Format characters
# are among them because they hide text (zero width space) or reorder it (bidirectional overrides: "Trojan Source",
# Boucher & Anderson 2021).
_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_COMBINING = frozenset({"Mn", "Me", "Mc"})


class Glyph(NamedTuple):
    """What is drawn as one: ``text`` takes ``width`` cells and stands for the characters ``[start, end)``."""

    text: str
    width: int
    start: int
    end: int


def glyphs(text: str) -> list[Glyph]:
    """The glyphs of one line: tabs as spaces, control characters as escapes, combining characters with their base.

    Widths follow Unicode's East Asian Width (UAX 11) and, for joined emoji, what terminals draw: the first one's.
    """
    found: list[Glyph] = []
    cell = 0
    at = 0
    while at < len(text):
        glyph = _glyph(text, at, cell)
        if glyph.width == 0 and found:
            base = found[-1]
            found[-1] = Glyph(base.text + glyph.text, base.width, base.start, glyph.end)
        else:
            found.append(glyph)
        cell += glyph.width
        at = glyph.end
    return found


def plain(text: str) -> str:
    """``text`` as it can be sent to a terminal or a log."""
    return "".join(glyph.text for glyph in glyphs(text))


def width(text: str) -> int:
    """The cells that ``plain(text)`` takes."""
    return sum(glyph.width for glyph in glyphs(text))


def _glyph(text: str, at: int, cell: int) -> Glyph:
    character = text[at]
    if " " <= character <= "~":
        return Glyph(character, 1, at, at + 1)
    if character == "\t":
        spaces = TAB_STOP - cell % TAB_STOP
        return Glyph(" " * spaces, spaces, at, at + 1)
    if category(character) in _ESCAPED:
        escape = _escape(character)
        return Glyph(escape, len(escape), at, at + 1)
    if _is_combining(character):
        return Glyph(character, 0, at, at + 1)
    cells = 2 if east_asian_width(character) in "WF" else 1
    end, cells = _emoji_end(text, at, cells)
    return Glyph(text[at:end], cells, at, end)


def _emoji_end(text: str, at: int, cells: int) -> tuple[int, int]:
    """Where the emoji that starts at ``at`` ends, joined parts included, and its width."""
    end = at + 1
    if _is_regional(text[at]) and end < len(text) and _is_regional(text[end]):
        return end + 1, 2
    while end < len(text):
        if text[end] == _EMOJI_STYLE:
            cells = 2 if _may_be_emoji(text[end - 1]) else cells
            end += 1
        elif cells == 2 and _is_skin_tone(text[end]):
            end += 1
        elif text[end] == _ZERO_WIDTH_JOINER and cells == 2 and end + 1 < len(text) and _may_be_emoji(text[end + 1]):
            end += 2
        else:
            break
    return end, cells


def _is_combining(character: str) -> bool:
    # Hangul vowels and final consonants join the syllable that a leading consonant (wide) opens.
    code = ord(character)
    return category(character) in _COMBINING or 0x1160 <= code <= 0x11FF or 0xD7B0 <= code <= 0xD7FF


def _is_regional(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF


def _is_skin_tone(character: str) -> bool:
    return 0x1F3FB <= ord(character) <= 0x1F3FF


def _may_be_emoji(character: str) -> bool:
    return category(character) == "So" or character in "\u203c\u2049\u2194\u2195\u2934\u2935"


def _escape(character: str) -> str:
    code = ord(character)
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if short:
        return short
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"
