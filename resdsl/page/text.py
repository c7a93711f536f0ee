"""Source text with syntax highlighting, as plain data."""

from __future__ import annotations

from pygments.token import STANDARD_TYPES

from resdsl.highlight import ResLexer


def coloured(text: str) -> list[list[str]]:
    """For each line, alternating classes and texts: ``["kd", "stage", "", " ", "nl", "layer1"]``.

    The classes are the short names of Pygments style sheets, or ``""``.
    """
    lines: list[list[str]] = [[]]
    for _, kind, piece in ResLexer().get_tokens_unprocessed(text):
        name = "" if piece.isspace() else STANDARD_TYPES.get(kind, "")
        for number, part in enumerate(piece.replace("\r\n", "\n").split("\n")):
            if number:
                lines.append([])
            if part:
                lines[-1] += (name, part)
    # A trailing newline does not start another line.
    return lines if lines[-1] or len(lines) == 1 else lines[:-1]
