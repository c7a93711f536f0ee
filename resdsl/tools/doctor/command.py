"""``resdsl doctor``."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

import click

from resdsl.cli.exits import FINE, INPUT
from resdsl.cli.options import command_options
from resdsl.cli.terminal import Terminal, colored, width_of
from resdsl.tools.doctor.device_checks import Finding, State
from resdsl.tools.doctor.doctor import doctor

_MARKS = {State.FINE: ("✓", "green"), State.NOTE: ("·", "bright_black"), State.PROBLEM: ("✗", "red")}
_WIDTH = 110
_PLAIN_MARKS = {State.FINE: "+", State.NOTE: "-", State.PROBLEM: "!"}


@click.command("doctor", short_help="what runs models on this machine, and how to mend what does not")
@command_options
def command(terminal: Terminal) -> int:
    """What runs models on this machine, and how to mend what does not.

    Every device is proven by a model of one node that really runs there. A machine without a GPU is in good health;
    one whose GPU cannot be used is not. Ends with 1 where there are problems.
    """
    found: list[Finding] = []
    color = colored(sys.stdout, terminal.color)
    for topic, findings in groupby(doctor(), key=lambda finding: finding.topic):
        of_topic = list(findings)
        found += of_topic
        shown = [one for one in of_topic if one.state is State.PROBLEM or not terminal.quiet]
        if shown and not terminal.as_json:
            heading = click.style(topic, bold=True) if color else topic
            terminal.result("\n".join([heading, *_lines(shown, color), ""]) + "\n")
    problems = sum(finding.state is State.PROBLEM for finding in found)
    if terminal.as_json:
        terminal.data({"problems": problems, "findings": [dataclasses.asdict(finding) for finding in found]})
    elif problems:
        terminal.result(
            f"{problems} problem{'s' if problems > 1 else ''}: they are marked {_mark(State.PROBLEM, color)}"
        )
    else:
        terminal.result("all is well")
    return INPUT if problems else FINE


def _lines(findings: Sequence[Finding], color: bool) -> Iterator[str]:
    width = max(len(finding.name) for finding in findings)
    columns = width_of(sys.stdout) or _WIDTH
    for finding in findings:
        head = f"  {_mark(finding.state, color)} {finding.name:<{width}}  "
        indent = " " * (width + 6)
        room = max(columns - len(indent), 40)
        # The name of a package that was broken at its hyphen cannot be copied.
        said = textwrap.wrap(finding.said, room, break_long_words=False, break_on_hyphens=False) or [""]
        yield head + said[0]
        yield from (indent + line for line in said[1:])
        yield from (f"{indent}fix: {fix}" for fix in finding.fixes)


def _mark(state: State, color: bool) -> str:
    mark, style = _MARKS[state]
    if not _can_be_written(mark):
        return _PLAIN_MARKS[state]
    return click.style(mark, fg=style) if color else mark


def _can_be_written(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
