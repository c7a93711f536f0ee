"""The result of a verification, also as a pull-request comment in the form of those of `diff`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resdsl.diagnostics import Diagnostic, Diagnostics
from resdsl.diagnostics.render import place

if TYPE_CHECKING:
    from resdsl.review.review import Review

LONGEST = 65_000
"""Maximum length of a comment in characters. GitHub accepts 65,536; the action adds a line."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was verified, in one line, and an error for each difference.

    ``network`` is the name of the specification's. ``review`` is what ``diff`` says of the two, for an ONNX file.
    """

    network: str
    summary: str
    diagnostics: Diagnostics = field(repr=False)
    review: Review | None = field(default=None, repr=False)

    @property
    def agrees(self) -> bool:
        return not self.diagnostics.errors

    @property
    def markdown(self) -> str:
        """A comment: the result, the differences with their lines of the text, and what ``diff`` shows of them."""
        from resdsl.review.markdown import escape, render_markdown  # only for this format

        sign = "" if self.agrees else "⚠️ "
        text = f"**{escape(self.network)}**: {sign}{escape(self.summary)}\n"
        errors = self.diagnostics.errors
        if errors:
            count = "1 difference" if len(errors) == 1 else f"{len(errors)} differences"
            lines = "\n".join(line for error in errors for line in _lines(error))
            text += f"\n<details open><summary>{count}</summary>\n\n```diff\n{lines}\n```\n\n</details>\n"
        review = self.review
        if review is not None and not review.is_empty:
            text += f"\n{render_markdown(review, longest=LONGEST - len(text))}"
        return text


def _lines(error: Diagnostic) -> Iterator[str]:
    """An error as lines of a ``diff``: no text from outside may begin a line, which could end the block."""
    from resdsl.review.sentences import one_line

    yield one_line(f"! {error.message}")
    if error.primary is not None:
        yield one_line(f"      {place(error.primary.span)}: {' '.join(error.primary.span.text.split())}")
    for call in error.chain:
        yield one_line(f"      in {call.path}: {call.text} ({place(call.span)})")
    for note in error.notes:
        yield one_line(f"      {note}")
