"""A review as a pull-request comment: a one-line summary, the totals, and folded details."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from resdsl.review.review import Review
from resdsl.review.sentences import (
    ChangeText,
    describe_change,
    one_line,
    totals_table,
    verdict_line,
    weights_notes,
)

LONGEST = 65_536
"""Maximum length of a GitHub comment in characters."""

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~&$]|:(?=//)|(?<=www)\.")
_REFERENCE = re.compile(r"([@#!~%&$])(?=[\w\"])")
"""Mentions of people, issues, merge requests, labels, milestones, epics and snippets."""

_FENCE_MARKS = {"+": "+", "-": "-", "~": "!", ">": "!", "=": "!", " ": " "}


def render_markdown(review: Review, *, longest: int = LONGEST) -> str:
    """The comment, shorter than ``longest`` characters; changes that do not fit are counted."""
    head = "\n".join(_head(review))
    blocks = [_block(describe_change(change, review.old.totals)) for change in review.changes]
    notes = "".join(f"- {_note(note)}\n" for note in weights_notes(review)) if _has_notes(review) else ""
    # Room for the frame around the blocks and for the count of omitted changes.
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
    yield f"**{escape(names)}**: {'⚠️ ' if loud else ''}{escape(verdict_line(review))}"
    if review.forms:
        yield ""
        yield "In another form:"
        yield from (f"- {_note(form.split('`'))}" for form in review.forms)
    if not review.is_architectural:
        return
    yield ""
    yield "| | old | new | difference |"
    yield "|---|---:|---:|---:|"
    for row in totals_table(review):
        if row.changed or row.name not in ("receptive field", "outputs"):
            yield f"| {row.name} | {escape(row.old)} | {escape(row.new)} | {escape(row.difference)} |"


def _block(change: ChangeText) -> str:
    """A change as lines of a ``diff``, which forges colour by the first character."""
    mark = _FENCE_MARKS[change.sign]
    lines = [f"{mark} {change.headline}"]
    if change.where:
        lines.append(f"      {change.where}")
    lines += [f"      {sign} {text}" for sign, text in change.details]
    lines += [f"      {text}" for text in (change.follows, change.cost) if text]
    # No name may begin a line, which could end the block.
    return "\n".join(one_line(line) for line in lines)


def _note(note: Sequence[str]) -> str:
    return "".join(code_span(part) if place % 2 else escape(part) for place, part in enumerate(note))


def escape(text: str) -> str:
    """Text from outside as Markdown that shows it as it is, in one line.

    It becomes no heading, link, image, HTML, formula or quick action, and mentions nobody and no issue: forges look
    for mentions after Markdown, so that only an invisible character behind the sign keeps them from it.
    """
    marked = _REFERENCE.sub("\\1\u200b", one_line(text))
    return _SPECIAL.sub(r"\\\g<0>", marked)


def code_span(text: str) -> str:
    """Text from outside as code in a line, in which no Markdown is read."""
    line = one_line(text)
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    # One blank at each end is taken away where both are there; a backtick at an end needs them.
    pad = " " if line[:1] in ("`", " ", "") or line[-1:] in ("`", " ") else ""
    return f"{fence}{pad}{line}{pad}{fence}"
