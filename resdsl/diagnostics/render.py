"""Diagnostics as text for people, in the style of rustc."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from resdsl.diagnostics.diagnostic import Call, Diagnostic, Diagnostics, Fix, Label, Severity
from resdsl.diagnostics.excerpt import WIDEST, Extent, Mark, excerpt, frame, gutter_digits
from resdsl.diagnostics.options import Spelling, in_python, with_spelling
from resdsl.diagnostics.patch import patched
from resdsl.diagnostics.source import Source, Span
from resdsl.diagnostics.styled_line import Style, StyledLine

# A longer chain of calls keeps its ends: where the error is, and what the reader wrote.
_LONGEST_CHAIN = 6
_KEPT_AT_EACH_END = 3
_LONGEST_LINE = 1_000


def render(
    diagnostics: Diagnostics | Iterable[Diagnostic],
    *,
    color: bool = False,
    width: int | None = None,
    most: int | None = None,
    spelling: Spelling = in_python,
) -> str:
    """All of ``diagnostics`` as a text that ends with a count; empty if there are none.

    ``color`` adds ANSI styles. ``width`` is the terminal's, in cells (by default ``WIDEST``): longer lines of source
    are cut around what is underlined. Of more than ``most``, the first are drawn and the others counted. Options are
    written in ``spelling``. The result has no control characters except those styles and line ends.
    """
    found = list(diagnostics)
    if not found:
        return ""
    lines: list[str] = []
    columns = width or WIDEST
    for diagnostic in found[:most]:
        repeats = diagnostics.repeats(diagnostic) if isinstance(diagnostics, Diagnostics) else 0
        lines += [row.to_text(color=color) for row in _drawn(with_spelling(diagnostic, spelling), repeats, columns)]
        lines.append("")
    if most is not None and len(found) > most:
        lines += [f"... and {len(found) - most:,} more", ""]
    lines.append(_tally(found).to_text(color=color))
    return "\n".join(lines) + "\n"


def place(span: Span) -> str:
    """``specs/resnet50.res:9:3``: a place as editors and terminals link it, columns in characters."""
    extent = Extent.of(span)
    return f"{span.source.name}:{extent.first_line}:{extent.first + 1}"


def tally(found: Sequence[Diagnostic]) -> str:
    """``2 errors, 1 warning``."""
    counts = [sum(diagnostic.severity is severity for diagnostic in found) for severity in Severity]
    return ", ".join(
        f"{count} {severity.value}{'' if count == 1 else 's'}"
        for count, severity in zip(counts, Severity, strict=True)
        if count
    )


def _tally(found: Sequence[Diagnostic]) -> StyledLine:
    worst = Severity.ERROR if any(one.severity is Severity.ERROR for one in found) else Severity.WARNING
    return StyledLine().put(0, worst.value, _style(worst)).end(f": {tally(found)}", Style.STRONG)


def _style(severity: Severity) -> Style:
    return Style.ERROR if severity is Severity.ERROR else Style.WARNING


def _drawn(diagnostic: Diagnostic, repeats: int, columns: int) -> Iterator[StyledLine]:
    style = _style(diagnostic.severity)
    first, *more = map(_cut, diagnostic.message.split("\n"))
    yield (
        StyledLine().put(0, f"{diagnostic.severity.value}[{diagnostic.code.id}]", style).end(f": {first}", Style.STRONG)
    )
    for line in more:
        yield StyledLine().put(2, line, Style.STRONG)

    fix = diagnostic.fix
    spans = [label.span for label in _labels(diagnostic)] + [edit.span for edit in (fix.edits if fix else ())]
    digits = gutter_digits(spans)
    remarks = list(_remarks(diagnostic, repeats, digits, columns))
    drawn_any = False
    for number, (source, labels) in enumerate(_by_source(diagnostic)):
        if number > 0:
            yield frame(digits)
        arrow = "-->" if number == 0 else ":::"
        yield StyledLine().put(digits, arrow, Style.FRAME).end(f" {place(labels[0].span)}")
        yield frame(digits)
        marks = [_mark(label, label is diagnostic.primary, style) for label in labels]
        yield from excerpt(source, marks, digits, columns)
        drawn_any = True
    if drawn_any and remarks:
        yield frame(digits)
    yield from remarks


def _cut(line: str) -> str:
    """A line of a message. What it quotes may be a name of any length; its middle goes."""
    half = _LONGEST_LINE // 2
    return line if len(line) <= _LONGEST_LINE else f"{line[:half]} ... {line[-half:]}"


def _labels(diagnostic: Diagnostic) -> list[Label]:
    return [*([diagnostic.primary] if diagnostic.primary else []), *diagnostic.secondary]


def _by_source(diagnostic: Diagnostic) -> list[tuple[Source, list[Label]]]:
    """The labels by the text they point into, that of the primary label first."""
    found: dict[int, tuple[Source, list[Label]]] = {}
    for label in _labels(diagnostic):
        found.setdefault(id(label.span.source), (label.span.source, []))[1].append(label)
    return list(found.values())


def _mark(label: Label, is_primary: bool, style: Style) -> Mark:
    return Mark(label.span, label.text, "^" if is_primary else "-", style if is_primary else Style.SECONDARY)


def _remarks(diagnostic: Diagnostic, repeats: int, digits: int, columns: int) -> Iterator[StyledLine]:
    """What follows the excerpts: the chain of calls, notes, suggestions."""
    for line in _chain(diagnostic.chain):
        yield from _remark(digits, "", line)
    if repeats:
        yield from _remark(digits, "", f"... and in {repeats} more call{'' if repeats == 1 else 's'}")
    for note in diagnostic.notes:
        yield from _remark(digits, "note", note)
    for help_text in diagnostic.helps:
        yield from _remark(digits, "help", help_text)
    if diagnostic.fix:
        if diagnostic.fix.title not in diagnostic.helps:
            yield from _remark(digits, "help", diagnostic.fix.title)
        yield from _fix(diagnostic, diagnostic.fix, digits, columns)


def _chain(chain: Sequence[Call]) -> Iterator[str]:
    lines = [f"in {call.path}: {call.text}, {place(call.span)}" if call.path else f"in {call.text}, {place(call.span)}"
             for call in chain]  # fmt: skip
    if len(lines) <= _LONGEST_CHAIN:
        yield from lines
        return
    yield from lines[:_KEPT_AT_EACH_END]
    hidden = len(lines) - 2 * _KEPT_AT_EACH_END
    yield f"... {hidden} more call{'' if hidden == 1 else 's'} ..."
    yield from lines[-_KEPT_AT_EACH_END:]


def _remark(digits: int, kind: str, text: str) -> Iterator[StyledLine]:
    first, *more = map(_cut, text.split("\n"))
    row = frame(digits, "=")
    row.put(digits + 3, f"{kind}: " if kind else "", Style.HELP if kind == "help" else Style.STRONG)
    indent = row.width + (0 if kind else 1)
    yield row.put(indent, first)
    for line in more:
        yield StyledLine().put(indent, line)


def _fix(diagnostic: Diagnostic, fix: Fix, digits: int, columns: int) -> Iterator[StyledLine]:
    """The lines as the fix makes them, with the file's name where it is not the one that was shown."""
    sources = {id(edit.span.source): edit.span.source for edit in fix.edits}
    for source in sources.values():
        edits = [edit for edit in fix.edits if edit.span.source is source]
        rows = list(patched(source, edits, digits, columns))
        if not rows:
            continue
        yield frame(digits)
        if diagnostic.primary is None or diagnostic.primary.span.source is not source:
            yield StyledLine().put(digits, ":::", Style.FRAME).end(f" {place(edits[0].span)}")
        yield from rows
