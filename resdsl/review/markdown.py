"""A review as a comment on a pull request: one line that says it all, the totals, the rest folded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from resdsl.review.review import Review
from resdsl.review.sentences import ChangeText, describe_change, totals_table, verdict_line, weights_notes

LONGEST = 65_536
"""Characters that GitHub takes in a comment."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")
_FENCE_MARKS = {"+": "+", "-": "-", "~": "!", ">": "!", "=": "!", " ": " "}


def render_markdown(review: Review, *, longest: int = LONGEST) -> str:
    """The comment, with a newline at the end and fewer than ``longest`` characters: details beyond are left out."""
    head = "\n".join(_head(review))
    blocks = [_block(describe_change(change, review.old.totals)) for change in review.changes]
    notes = "".join(f"- {_escape(note)}\n" for note in weights_notes(review)) if _has_notes(review) else ""
    # Room for the frame around the blocks, and for the line that says what was left out.
    room = longest - len(head) - len(notes) - 500
    kept: list[str] = []
    for block in blocks:
        if len(block) + 1 > room:
            break
        kept.append(block)
        room -= len(block) + 1
    text = head + "\n"
    if notes:
        text += f"\n<details><summary>Weights</summary>\n\n{notes}\n</details>\n"
    if kept:
        what = "1 change" if len(blocks) == 1 else f"{len(blocks)} changes"
        left = f"\n{len(blocks) - len(kept)} more changes do not fit here.\n" if len(kept) < len(blocks) else ""
        fenced = "\n".join(kept)
        text += f"\n<details><summary>{what}</summary>\n\n```diff\n{fenced}\n```\n{left}\n</details>\n"
    return text


def _has_notes(review: Review) -> bool:
    return review.is_architectural or not review.checkpoint.is_compatible


def _head(review: Review) -> Iterator[str]:
    loud = bool(review.checkpoint.silent or review.checkpoint.misplaced)
    names = f"{review.old.name} → {review.new.name}" if review.old.name != review.new.name else review.new.name
    yield f"**{_escape(names)}**: {'⚠️ ' if loud else ''}{_escape(verdict_line(review))}"
    if not review.is_architectural:
        return
    yield ""
    yield "| | old | new | difference |"
    yield "|---|---:|---:|---:|"
    for row in totals_table(review):
        if row.changed or row.name not in ("receptive field", "outputs"):
            yield f"| {row.name} | {_escape(row.old)} | {_escape(row.new)} | {_escape(row.difference)} |"


def _block(told: ChangeText) -> str:
    """A change as lines of a ``diff``, which forges colour by the first character."""
    mark = _FENCE_MARKS[told.sign]
    lines = [f"{mark} {told.headline}"]
    if told.where:
        lines.append(f"      {told.where}")
    lines += [f"      {sign} {text}" for sign, text in told.details]
    lines += [f"      {text}" for text in (told.follows, told.cost) if text]
    # A fence inside would end the block.
    return "\n".join(lines).replace("```", "'''")


def _escape(text: str) -> str:
    """Text that Markdown shows as it is; a mention of somebody is none."""
    parts = text.replace("\n", " ").split("`")
    if len(parts) % 2 == 0:
        return _SPECIAL.sub(r"\\\1", text).replace("@", "@\u200b")
    # What is code already stays as it is.
    return "`".join(
        part if place % 2 else _SPECIAL.sub(r"\\\1", part).replace("@", "@\u200b") for place, part in enumerate(parts)
    )
