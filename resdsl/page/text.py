"""The text of a specification with its colours, as plain data."""

from __future__ import annotations

from pygments.token import STANDARD_TYPES

from resdsl.highlight import ResLexer


def coloured(text: str) -> list[list[str]]:
    """For each line, colours and texts in turn: ``["kd", "stage", "", " ", "nl", "layer1"]``.

    The colours are the short names that all style sheets of Pygments use; what has none is ``""``.
    """
    lines: list[list[str]] = [[]]
    for _, kind, piece in ResLexer().get_tokens_unprocessed(text):
        name = "" if piece.isspace() else STANDARD_TYPES.get(kind, "")
        for number, part in enumerate(piece.replace("\r\n", "\n").split("\n")):
            if number:
                lines.append([])
            if part:
                lines[-1] += (name, part)
    # What ends with a line's end has no further line.
    return lines if lines[-1] or len(lines) == 1 else lines[:-1]
