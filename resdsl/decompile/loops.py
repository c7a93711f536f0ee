"""Statements that repeat with other numbers, as loops: over a count, over a list, or over the rows of a table."""

from __future__ import annotations

import itertools
import re
from typing import NamedTuple

_INTEGER = re.compile(r"(?<=1\.\.)\d+|(?<![\w.])\d+(?![\w.])")
_LABEL = re.compile(r"^((?:\w[\w.]*?)??)(0|[1-9]\d{0,5}): ")
"""A label that ends in a number, which a loop can count; zeros before it are a part of the name."""

_UNLABELLED = re.compile(r"(^|[{;]\s*)(\w[\w.]*: |tap |from )", re.MULTILINE)
_NAMES = ("width", "inner", "outer", "last", "n", "i", "j", "k", "m", "p")
_LONGEST_PERIOD = 8
_MOST_STATEMENTS = 400
"""Statements of one body that are searched: every one of them is compared with all that follow."""
_ANY = range(1, _LONGEST_PERIOD + 1)
LEAST_SAVED = 3
"""Statements that a loop must save to be easier to read than what it stands for."""

LONGEST_RUN = 5
"""Passes in a row with the same numbers from which on they are a loop of their own, and not rows of a longer one."""


class _Repeat(NamedTuple):
    start: int
    period: int
    passes: int


def with_loops(statements: list[str]) -> list[str]:
    """The statements with loops in place of repeats. Repeats of repeats are found from the inside out."""
    if len(statements) > _MOST_STATEMENTS:
        return statements
    plain = _looped(statements, LEAST_SAVED, inside_out=False)
    # A short loop is worth it only as a part of a table.
    nested = _looped(statements, 1, inside_out=True)
    return nested if _size(nested) + LEAST_SAVED - 1 <= _size(plain) else plain


def _looped(statements: list[str], least: int, *, inside_out: bool) -> list[str]:
    """Every repeat that saves ``least`` statements as a loop: the best first, or short ones before long ones."""
    rounds = [range(period, period + 1) for period in _ANY] if inside_out else [_ANY]
    for periods in rounds:
        while (found := _best(statements, least, periods)) is not None:
            end = found.start + found.period * found.passes
            statements = [*statements[: found.start], _loop(statements, found), *statements[end:]]
    return statements


def _best(statements: list[str], least: int, periods: range) -> _Repeat | None:
    skeletons = [_skeleton(one) for one in statements]
    best: _Repeat | None = None
    saved = (-1_000, least - 1)
    for period in periods:
        start = 0
        while start + 2 * period <= len(statements):
            count = 1
            while skeletons[start : start + period] == skeletons[start + count * period : start + (count + 1) * period]:
                count += 1
            usable = all(skeletons[start : start + period])
            if usable and count > LONGEST_RUN:
                count = _run(statements, _Repeat(start, period, count))
            gain = (count - 1) * _size(statements[start : start + period]) - 1
            repeat = _Repeat(start, period, count)
            # What repeats inside a repeat comes before it.
            rank = -sum(one.count("for ") for one in statements[start : start + period]), gain
            if count > 1 and usable and gain >= least and rank > saved and _columns(statements, repeat) is not None:
                best, saved = repeat, rank
            start += 1
    return best


def _run(statements: list[str], repeat: _Repeat) -> int:
    """How many passes a loop takes: not more than one run of the same numbers, where it is long."""
    labels: list[int] = []
    place = 0
    for statement in statements[repeat.start : repeat.start + repeat.period]:
        if _LABEL.match(statement):
            labels.append(place)
        place += len(_integers(statement))
    rows = [
        [number for place, number in enumerate(numbers) if place not in labels]
        for numbers in _numbers(statements, repeat)
    ]
    at = 0
    for _, run in itertools.groupby(rows):
        length = len(list(run))
        if length >= LONGEST_RUN:
            return at or length
        at += length
    return repeat.passes


def _size(statements: list[str]) -> int:
    return sum(1 + one.count("\n") // 2 + one.count(";") for one in statements)


def _skeleton(statement: str) -> str:
    """The statement without its integers; empty for what no loop can repeat: outputs, taps, other labels."""
    if re.match(r"^(output |tap |from |stage |aux |if )", statement) or "->" in statement:
        return ""
    label = _LABEL.match(statement)
    if label is not None:
        # Below a label that counts, others can stand: their names differ.
        rest = statement[label.end() :]
        return "" if re.search(r"\b(output|tap|from) ", rest) else f"{label[1]}#: {_INTEGER.sub('#', rest)}"
    return "" if _UNLABELLED.search(statement) else _INTEGER.sub("#", statement)


def _integers(statement: str) -> list[int]:
    """The integers of a statement in order, that of its label first."""
    label = _LABEL.match(statement)
    rest = statement if label is None else statement[label.end() :]
    return [*([] if label is None else [int(label[2])]), *(int(number) for number in _INTEGER.findall(rest))]


def _columns(statements: list[str], repeat: _Repeat) -> list[list[int]] | None:
    """The numbers in which the passes differ, each once, by pass; ``None`` where they are too many to read.

    Numbers of labels must count up from pass to pass.
    """
    passes = _numbers(statements, repeat)
    place = 0
    for statement in statements[repeat.start : repeat.start + repeat.period]:
        if _LABEL.match(statement):
            first = passes[0][place]
            if [numbers[place] for numbers in passes] != list(range(first, first + repeat.passes)):
                return None
        place += len(_integers(statement))
    distinct: list[list[int]] = []
    for column in map(list, zip(*passes, strict=True)):
        if len(set(column)) > 1 and column not in distinct:
            distinct.append(column)
    return distinct if len(distinct) <= 3 else None


def _numbers(statements: list[str], repeat: _Repeat) -> list[list[int]]:
    """The integers of each pass, in order."""
    return [
        [number for one in statements[at : at + repeat.period] for number in _integers(one)]
        for at in range(repeat.start, repeat.start + repeat.period * repeat.passes, repeat.period)
    ]


def _loop(statements: list[str], repeat: _Repeat) -> str:
    body = statements[repeat.start : repeat.start + repeat.period]
    columns = _columns(statements, repeat)
    assert columns is not None
    if not columns:
        return _braced(f"for _ in 1..{repeat.passes}", body)
    every = _numbers(statements, repeat)
    names = _variables(body, columns, every)
    place = -1

    def named(found: re.Match[str]) -> str:
        nonlocal place
        place += 1
        column = [numbers[place] for numbers in every]
        return names[columns.index(column)] if column in columns else found[0]

    inner: list[str] = []
    for statement in body:
        label = _LABEL.match(statement)
        if label is None:
            inner.append(_INTEGER.sub(named, statement))
        else:
            place += 1
            counter = names[columns.index([numbers[place] for numbers in every])]
            inner.append(f"{label[1]}{{{counter}}}: {_INTEGER.sub(named, statement[label.end() :])}")
    if len(columns) == 1:
        (column,) = columns
        if column == list(range(column[0], column[0] + repeat.passes)):
            return _braced(f"for {names[0]} in {column[0]}..{column[-1]}", inner)
        return _braced(f"for {names[0]} in [{', '.join(str(number) for number in column)}]", inner)
    rows = ", ".join(f"[{', '.join(str(number) for number in row)}]" for row in zip(*columns, strict=True))
    return _braced(f"for ({', '.join(names)}) in [{rows}]", inner)


def _variables(body: list[str], columns: list[list[int]], every: list[list[int]]) -> list[str]:
    """A name for each column: ``i`` for one that counts labels, ``n`` for a number of passes, else ``width``."""
    whole = "\n".join(body)
    free = [name for name in _NAMES if not re.search(rf"\b{name}\b", whole)]
    counters: list[list[int]] = []
    counts: list[list[int]] = []
    place = 0
    for statement in body:
        label = _LABEL.match(statement)
        if label is not None:
            counters.append([numbers[place] for numbers in every])
            place += 1
        for found in _INTEGER.finditer(statement[label.end() :] if label else statement):
            repeats = found.string[found.end() :].startswith(" x ")
            if repeats or found.string[: found.start()].endswith("1.."):
                counts.append([numbers[place] for numbers in every])
            place += 1
    names: list[str] = []
    for column in columns:
        wanted = ("i", "j", "k") if column in counters else ("n",) if column in counts else ()
        names.append(next((name for name in wanted if name in free), free[0]))
        free.remove(names[-1])
    return names


def _braced(head: str, statements: list[str]) -> str:
    flat = "; ".join(statements)
    if "\n" not in flat and len(head) + len(flat) < 80:
        return f"{head} {{ {flat} }}"
    lines = [line for one in statements for line in one.split("\n")]
    return f"{head} {{\n" + "\n".join(f"  {line}" for line in lines) + "\n}"
