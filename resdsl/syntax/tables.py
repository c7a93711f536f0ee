"""The LALR tables of the grammar, and the pattern of its terminals, ready made."""

from __future__ import annotations

import json
import re
import zlib
from functools import cache
from pathlib import Path
from typing import Any

MODULE = "module"
HOLE = "hole"
END = "$END"
"""The terminal that ends a text."""

GRAMMAR = Path(__file__).with_name("grammar.lark")
READY = Path(__file__).with_name("tables.json")

# How a part of a rule is handed to the method that makes what the rule means.
VALUE = 0
TOKEN = 1
IDENTIFIER = 2
SPLICED = 3
"""It is itself a list of parts."""
MISSING = 4
"""An optional part that is not there: ``None``."""


class Tables:
    """What the parser needs to know of the grammar. ``data`` is what `resdsl.syntax.make_tables` makes."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.pattern: re.Pattern[str] = re.compile(data["pattern"])
        """Matches blanks and a token, in a group that is called as its kind, or blanks and the end of the text, in no
        group. There is no text that it does not match from beginning to end.
        """
        self.keywords: dict[str, str] = data["keywords"]
        """The terminal of each keyword."""
        self.starts: dict[str, int] = data["starts"]
        self.ends: dict[str, int] = data["ends"]
        self.rules: list[tuple[str, int, str | None, list[tuple[int, int]]]] = data["rules"]
        """What it makes, of how many parts, the method of `Nodes` for that, and the parts that the method is handed:
        their positions, and how. The method is ``""`` where the only part stands for the whole, as in Lark's ``?rule``,
        and ``None`` where the parts become parts of another rule (``_rule``).
        """
        self.actions: list[dict[str, int]] = data["actions"]
        """For each state what to do at a terminal: shift and go to a state, or reduce by the rule ``-1 - action``."""
        self.gotos: list[dict[str, int]] = data["gotos"]
        """For each state where to go when something was made."""


@cache
def tables() -> Tables:
    """Read when first asked for. Where they are not those of the grammar beside them, Lark makes them anew."""
    data = json.loads(READY.read_bytes())
    if data["grammar"] != digest(GRAMMAR.read_bytes()):
        from resdsl.syntax.make_tables import make_tables  # who edits the grammar waits for Lark

        data = make_tables()
    return Tables(data)


def digest(grammar: bytes) -> int:
    """Tells a grammar from an edited one; line ends don't count."""
    return zlib.crc32(grammar.replace(b"\r\n", b"\n"))
