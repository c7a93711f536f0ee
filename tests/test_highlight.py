"""Syntax highlighting of ``.res`` texts."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from pygments.lexers import get_lexer_by_name
from pygments.token import Error, Keyword, Name, Number, Operator
from pygments.util import ClassNotFound

import resdsl
from resdsl import highlight
from resdsl.highlight import ResLexer
from resdsl.specification import builtin as shipped

PACKAGE = Path(resdsl.__file__).parent
TEXTS = [*sorted(shipped.folder().glob("*.res")), *sorted((PACKAGE / "std").glob("*.res"))]


def tokens(text: str) -> list[tuple[object, str]]:
    return [(kind, value) for _, kind, value in ResLexer().get_tokens_unprocessed(text)]


def kind_of(text: str, word: str) -> object:
    return next(kind for kind, value in tokens(text) if value == word)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_every_text_that_ships_is_coloured_whole(path: Path) -> None:
    text = path.read_text()
    found = tokens(text)
    assert [value for kind, value in found if kind in Error] == []
    assert "".join(value for _, value in found) == text


def test_the_keywords_are_those_of_the_grammar() -> None:
    grammar = (PACKAGE / "syntax" / "grammar.lark").read_text()
    words = set(re.findall(r'"([a-z]+)"', re.sub(r"//.*", "", grammar)))
    own = {*highlight.STATEMENTS, *highlight.NAMING, *highlight.EXPRESSIONS, *highlight.CONSTANTS}
    own |= {"model", "block", "stage", "aux", "use", "input", "const", "expect", "for", "in", "x"}
    assert own == words


def test_a_word_is_a_keyword_only_where_it_is_meant_as_one() -> None:
    text = "model net(input = 3, x = 2) {\n  mean { relu; 3 x unit(mean = 1, input = x) }\n}\n"
    kinds = [kind for kind, value in tokens(text) if value in ("input", "mean", "x")]
    assert kinds == [Name.Attribute, Name.Attribute, Keyword, Keyword, Name.Attribute, Name.Attribute, Name]


@pytest.mark.parametrize(
    ("text", "word", "kind"),
    [
        ("conv1: conv(64, 7x7)", "conv1", Name.Label),
        ("conv1: conv(64, 7x7)", "7x7", Number),
        ("stage layer{i}(stride = 2) {", "layer{i}", Name.Label),
        ("aux head.{i} {", "head.{i}", Name.Label),
        ("const k = width // 4\nrelu", "width", Name),
        ("const k = width // 4\nrelu", "relu", Name.Function),
        ("expect macs == 11.51G", "11.51G", Number.Float),
        ("a: conv(4 if n == 1 else 2, 1x1)", "if", Operator.Word),
        ("for (t, c) in [\n  [1, 16],\n] { conv(c, 1x1) }", "t", Name.Variable),
        ("for (t, c) in [\n  [1, 16],\n] { conv(c, 1x1) }", "in", Keyword),
        ("for (t, c) in [\n  [1, 16],\n] { conv(c, 1x1) }", "conv", Name.Function),
        ("for w in widths { relu }", "widths", Name),
        ("n x { relu }", "x", Keyword),
        ('labels ["cat", "dog"]', "labels", Keyword),
    ],
)
def test_words_are_coloured_by_what_they_mean(text: str, word: str, kind: object) -> None:
    assert kind_of(text, word) == kind


@pytest.mark.parametrize("text", ["a." * 10_000, "a{b}" * 5_000, '"' * 10_000, "((((" * 5_000])
def test_no_text_is_read_in_all_the_ways_that_it_could_be(text: str) -> None:
    # A lexer that tried every way to divide a label would not come back from these.
    assert "".join(value for _, value in tokens(text)) == text


def test_pygments_finds_the_lexer_where_the_package_is_installed() -> None:
    installed = [entry for entry in metadata.entry_points(group="pygments.lexers") if entry.name == "res"]
    if not installed:
        pytest.skip("resdsl is not installed here, but run from its folder")
    assert installed[0].load() is ResLexer
    try:
        assert get_lexer_by_name("res").name == "resdsl"
    except ClassNotFound:
        pytest.fail("Pygments does not know `res`")
