"""CSV as resdsl writes it: one line per row, text that neither a reader nor a spreadsheet can misunderstand.

- A cell with a comma, a quote or any kind of line end is quoted. (Python's ``csv`` leaves a carriage return unquoted.)
- Text that a spreadsheet would run as a formula (it begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return)
  gets an apostrophe in front, and so does text that begins with an apostrophe. ``cells_of`` removes it again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

_GUARDED = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_QUOTED = re.compile(r'[",\r\n\v\f\x1c-\x1e\x85\u2028\u2029]|^ | $')
# Lone surrogates other than those that stand for the bytes of a file name.
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def csv_line(cells: Sequence[str | int | float]) -> bytes:
    """One row with its line end, in UTF-8; bytes of file names that are not UTF-8 stay as they are."""
    # A blank line would be no row.
    return ((",".join(map(_cell, cells)) or '""') + "\n").encode(errors="surrogateescape")


def cells_of(line: bytes) -> list[str]:
    """The cells of a row from ``csv_line``. Raises ``ValueError`` for anything but one complete row."""
    try:
        (cells,) = csv.reader(io.StringIO(line.decode(errors="surrogateescape"), newline=""), strict=True)
    except csv.Error as error:
        raise ValueError(str(error)) from None
    return [cell.removeprefix("'") for cell in cells]


def escape_lone_surrogates(text: str) -> str:
    r"""``text`` that can be encoded with ``surrogateescape``: other lone surrogates become ``\ud800``."""
    return _LONE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _cell(value: str | int | float) -> str:
    if not isinstance(value, str):
        return str(value)
    text = escape_lone_surrogates(value)
    if text.startswith(_GUARDED):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
