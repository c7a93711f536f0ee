"""One page for each error and warning: that of ``resdsl explain``, and what a command prints for its example."""

from __future__ import annotations

import re

import resdsl
from pages.page import Page, Part, fence
from resdsl.cli.flags import as_flags
from resdsl.diagnostics import CompileError
from resdsl.diagnostics.catalogue import CODES
from resdsl.diagnostics.diagnostic import Code, Severity
from resdsl.diagnostics.explanation import examples, page_of
from resdsl.diagnostics.render import render

_WRONG = re.compile(r"^```res wrong\n.*?^```$", re.DOTALL | re.MULTILINE)


def part(overview: Page) -> Part:
    """The pages of the codes, after ``overview``, the page of the docs about errors."""
    return Part("Errors", (overview, *(Page(f"errors/{code.id}.md", code.id, _text(code)) for code in CODES.values())))


def _text(code: Code) -> str:
    text = page_of(code)
    printed = _printed(code, text)
    if printed:
        text = _WRONG.sub(lambda found: f"{found[0]}\n\n{fence(printed, 'console')}", text, count=1)
    text = text.replace("```res wrong\n", "```res\n")
    status = f"Commands that report it end with the exit status {code.exit_status}. "
    return (
        f"{text}\n{status if code.severity is Severity.ERROR else ''}`resdsl explain {code.id}` prints this page."
        " [All errors and warnings](../errors.md).\n"
    )


def _printed(code: Code, text: str) -> str:
    """What ``check`` prints for the wrong example of a page; empty where a command reports the error instead."""
    wrong = next((one for one in examples(text) if one.kind == "res wrong"), None)
    if wrong is None:
        return ""
    specification = resdsl.loads(wrong.text, name="example.res")
    try:
        if not specification.models:
            _ = specification.graph
    except CompileError:
        pass
    found = specification.check()
    if code.id not in {one.code.id for one in found}:
        return ""
    return f"$ resdsl check example.res\n{render(found, spelling=as_flags)}"
