"""``resdsl doctor``."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby

import click

from resdsl.cli.exits import FINE, INPUT
from resdsl.cli.flags import as_flags
from resdsl.cli.options import command_options
from resdsl.cli.terminal import Terminal, colored, width_of
from resdsl.diagnostics.options import spelled
from resdsl.tools.doctor.device_checks import Check, Status
from resdsl.tools.doctor.doctor import doctor

_MARKS = {Status.OK: ("✓", "green"), Status.NOTE: ("·", "bright_black"), Status.PROBLEM: ("✗", "red")}
_WIDTH = 110
_PLAIN_MARKS = {Status.OK: "+", Status.NOTE: "-", Status.PROBLEM: "!"}


@click.command("doctor")
@command_options
def command(terminal: Terminal) -> int:
    """Check ONNX Runtime, the devices and their libraries, and show fixes for problems.

    Each device is tested by running a model of one node. A machine without a GPU has no problem; one whose GPU cannot
    be used has. The exit status is 1 if there are problems.
    """
    done: list[Check] = []
    color = colored(sys.stdout, terminal.color)
    for topic, checks in groupby(doctor(), key=lambda check: check.topic):
        of_topic = [replace(one, fixes=tuple(spelled(fix, as_flags) for fix in one.fixes)) for one in checks]
        done += of_topic
        shown = [one for one in of_topic if one.status is Status.PROBLEM or not terminal.quiet]
        if shown and not terminal.as_json:
            heading = click.style(topic, bold=True) if color else topic
            terminal.result("\n".join([heading, *_lines(shown, color), ""]) + "\n")
    problems = sum(check.status is Status.PROBLEM for check in done)
    if terminal.as_json:
        terminal.data({"problems": problems, "checks": [asdict(check) for check in done]})
    elif problems:
        terminal.result(f"{problems} problem{'s' if problems > 1 else ''}, marked {_mark(Status.PROBLEM, color)}")
    else:
        terminal.result("no problems found")
    return INPUT if problems else FINE


def _lines(checks: Sequence[Check], color: bool) -> Iterator[str]:
    width = max(len(check.name) for check in checks)
    columns = width_of(sys.stdout) or _WIDTH
    for check in checks:
        head = f"  {_mark(check.status, color)} {check.name:<{width}}  "
        indent = " " * (width + 6)
        room = max(columns - len(indent), 40)
        # A package name broken at its hyphen could not be copied.
        lines = textwrap.wrap(check.detail, room, break_long_words=False, break_on_hyphens=False) or [""]
        yield head + lines[0]
        yield from (indent + line for line in lines[1:])
        yield from (f"{indent}fix: {fix}" for fix in check.fixes)


def _mark(status: Status, color: bool) -> str:
    mark, style = _MARKS[status]
    if not _can_be_written(mark):
        return _PLAIN_MARKS[status]
    return click.style(mark, fg=style) if color else mark


def _can_be_written(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
