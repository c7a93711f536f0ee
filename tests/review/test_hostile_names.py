"""Names from texts, paths and labels are shown as they are: no Markdown, no mention, no escape code."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from networks import SMALL
from test_mutations import untimed

import resdsl
from resdsl.diagnostics import CompileError
from resdsl.ir.graph import Graph
from resdsl.review.html import render_html
from resdsl.review.markdown import code_span, escape, render_markdown
from resdsl.review.review import Review, compare
from resdsl.review.terminal import render_text
from resdsl.tools.diff.range_output import markdown, text
from resdsl.tools.diff.revision_range import Difference

HOSTILE = [
    "![x](https://example.com/pixel.png)",
    "[click](https://example.com)",
    "@everyone please",
    "fixes #1, !2, ~bug, %v1, &4, $5",
    "\n/close",
    "\r\n# heading",
    "a\n```\n/merge\n",
    "``x```<img src=x onerror=alert(1)>`",
    "`",
    "<script>alert(1)</script>",
    "<https://example.com>",
    "https://example.com www.example.com",
    "$x$ and $$y$$",
    "| a | b |",
    "- list",
    "**bold** _em_ ~~no~~",
    "\x1b]0;title\x07\x1b[2J\x1b[31m",
    "\u202egnp.exe",
    "\ud800",
    "a\\",
]

hostile = pytest.mark.parametrize("name", HOSTILE)

_REFERENCES = re.compile(r"[@#!~%&$](?=[\w\"])")
_CONTROLS = re.compile(r"[^\n -~\u00a0-\U0010ffff]|[\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def tokens(text: str) -> list[Token]:
    """What a forge's reader sees in a comment: CommonMark with GitHub's tables and strikethrough."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return [each for token in parser.parse(text) for each in (token, *(token.children or ()))]


@cache
def graphs() -> tuple[Graph, Graph]:
    return resdsl.loads(SMALL).graph, resdsl.loads(SMALL.replace("2 x basic", "3 x basic")).graph


def labelled(name: str) -> Review:
    """A review in which a class, the network and its file have hostile names."""
    old, new = graphs()
    return compare(old, replace(new, labels=(name, "b"), name=name), sources=(name, name))


def broken(name: str) -> Difference:
    """A file with a hostile path that uses a file with a hostile path."""
    text = f'use "{name}" (a)\nmodel net {{ input x: f32[N, 3, 8, 8]; a(3); output y }}\n'
    with pytest.raises(CompileError) as caught:
        _ = resdsl.loads(text).graph
    return Difference(name, name, True, True, diagnostics=caught.value.diagnostics)


def check_comment(text: str) -> None:
    parsed = tokens(text)
    types = {token.type for token in parsed}
    assert not types & {"image", "link_open", "math_inline", "s_open"}, text
    html = {token.content.strip() for token in parsed if token.type in ("html_inline", "html_block")}
    ours = r"</?details>(<summary>[\w ]+</summary>)?"
    assert all(re.fullmatch(ours, part) for one in html for part in one.split("\n") if part), html
    # In code nobody is mentioned.
    for token in parsed:
        if token.type == "text":
            assert not _REFERENCES.search(token.content), token.content
    assert not _CONTROLS.search(text.replace("\u200b", ""))
    # Quick actions begin a line, unless that is in code.
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"^\s*/", outside, re.MULTILINE)
    # Bare addresses, which GitHub links: those in code and after a backslash are none.
    assert not re.search(r"(?<!\\)://|www\.", re.sub(r"(`+).*?(?<!`)\1(?!`)", "", outside))


@hostile
def test_a_review_is_a_comment_that_does_nothing(name: str) -> None:
    text = render_markdown(labelled(name))
    check_comment(text)
    assert sum(token.type == "heading_open" for token in tokens(text)) == 0
    fences = [token for token in tokens(text) if token.type == "fence"]
    assert [fence.info for fence in fences] == ["diff"]
    assert text.count("<details>") == text.count("</details>") == 2


@hostile
def test_names_of_another_form_are_code(name: str) -> None:
    form = f"the output `logits` is called `{name}`"
    text = render_markdown(replace(labelled("net"), forms=(form,)))
    check_comment(text)
    shown = text.split("In another form:\n- ")[1].split("\n")[0]
    codes = [child.content for token in tokens(shown) for child in token.children or () if child.type == "code_inline"]
    assert codes[0] == "logits"
    assert "`" in name or len(codes) == 2


@hostile
def test_a_range_is_a_comment_that_does_nothing(name: str) -> None:
    differences = [broken(name), Difference(name, name, True, True, review=labelled(name))]
    text = markdown(differences, name, render_markdown)
    check_comment(text)
    # A heading for each file, and none that a name makes.
    assert [token.tag for token in tokens(text) if token.type == "heading_open"] == ["h4", "h4"]
    assert not _CONTROLS.search(markdown([], name, render_markdown).replace("\u200b", ""))


@hostile
def test_a_terminal_gets_no_escape_code_from_a_name(name: str) -> None:
    differences = [broken(name), Difference(name, name, True, True, review=labelled(name))]
    assert not _CONTROLS.search(render_text(labelled(name), width=60))
    assert not _CONTROLS.search(text(differences, name, render_text))
    colored = render_text(labelled(name), color=True, width=60)
    assert not _CONTROLS.search(re.sub(r"\x1b\[[\d;]*m", "", colored))


@hostile
def test_a_page_has_no_markup_from_a_name(name: str) -> None:
    text = render_html(labelled(name)).replace(render_html(labelled("b")), "")
    assert not re.search(r"<(script|img|a)\b", text)


@untimed
@given(st.text(alphabet=st.sampled_from("`*_[]()<>#@!~%&$|\\/:.\n -+=ahtpsw1"), max_size=24))
@example("`` ` ")
@example(" ")
@example("a `")
def test_any_text_stays_text(text: str) -> None:
    check_comment(f"- {escape(text)}\n")
    (shown,) = (token for token in tokens(f"x {code_span(text)} x") if token.type == "code_inline")
    assert shown.content.strip() == text.replace("\n", "\\n").strip()
