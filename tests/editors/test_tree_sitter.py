"""The grammar for tree-sitter makes of every text what our parser makes of it."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from tree_sitter import Language, Query, QueryCursor

from resdsl.diagnostics import Diagnostics, Source
from resdsl.syntax import parse
from resdsl.syntax.formatter import format_source

from ..properties.budget import DEEP, DEEP_EXAMPLES, examples
from ..properties.generate import Specification, specifications
from .tree_sitter_parser import GRAMMAR, TreeSitter, compiler, language

pytestmark = pytest.mark.skipif(compiler() is None, reason="a grammar of tree-sitter is C, and there is no C compiler")

ROOT = Path(__file__).parents[2]
TEXTS = {path.name: path.read_text() for path in sorted([*ROOT.glob("specs/*.res"), *ROOT.glob("resdsl/std/**/*.res")])}

LENIENT = 0.05
"""The part of broken texts that tree-sitter may take. To it, a statement may go on in the next line, a reserved word is
a name where nothing else can be, and words need no blank between them (`3xbasic`): a grammar that colours text need not
find errors."""

_WORDS = re.compile(r"[A-Za-z0-9_]+|\s+|[^\sA-Za-z0-9_]")
_FOREIGN = (
    "stage", "aux", "x", "shortcut", "else", "if", "->", "\n", "{", "}", "(", ")", ":", "{i}", ".", "# note\n", ";",
    "not", "and", "..", "==", '"s"', "3x3", "1.5", "1.5G", "2", "n x ", "[", "]", "labels", "input", "mean", "from",
)  # fmt: skip


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Language:
    return language(tmp_path_factory.mktemp("tree-sitter"))


@pytest.fixture(scope="module")
def grammar(compiled: Language) -> TreeSitter:
    return TreeSitter(compiled)


@pytest.mark.parametrize("name", TEXTS)
def test_the_files_of_the_package_are_the_same_trees(grammar: TreeSitter, name: str) -> None:
    assert not grammar.root(TEXTS[name]).has_error
    assert grammar.module(TEXTS[name]).items == parse(Source(name, TEXTS[name]), Diagnostics()).items


@examples(25)
@given(specification=specifications())
def test_random_texts_are_the_same_trees(grammar: TreeSitter, specification: Specification) -> None:
    formatted = format_source(Source("random.res", specification.text), Diagnostics())
    assert formatted is not None
    for text in (specification.text, formatted):
        assert not grammar.root(text).has_error
        assert grammar.module(text).items == parse(Source("random.res", text), Diagnostics()).items


def test_changed_texts_are_the_same_trees_or_have_errors_in_both(grammar: TreeSitter) -> None:
    chance = random.Random(None if DEEP else 0)
    valid = broken = taken = 0
    for _ in range(DEEP_EXAMPLES if DEEP else 120):
        text = _changed(chance.choice(list(TEXTS.values())), chance)
        diagnostics = Diagnostics()
        module = parse(Source("changed.res", text), diagnostics)
        if diagnostics.errors:
            broken += 1
            taken += not grammar.root(text).has_error
            continue
        valid += 1
        assert not grammar.root(text).has_error, text
        assert grammar.module(text).items == module.items, text
    assert valid and broken
    assert taken <= LENIENT * broken


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "\ufeffmodel a { }", "model a { relu;; relu }\r\n"])
def test_edges_of_texts(grammar: TreeSitter, text: str) -> None:
    assert not grammar.root(text).has_error
    assert grammar.module(text).items == parse(Source("edge.res", text), Diagnostics()).items


def test_a_half_written_statement_leaves_the_others_alone(grammar: TreeSitter) -> None:
    root = grammar.root("model a {\n  input x: f32[N, 3, 8, 8]\n  conv(8, ) 7\n  relu\n  output y\n}\n")
    assert root.has_error
    (model,) = root.named_children
    assert [node.type for node in model.named_children[-1].named_children] == [
        "input",
        "step",
        "ERROR",
        "step",
        "output",
    ]


@pytest.mark.parametrize("query", sorted(path.name for path in (GRAMMAR / "queries").glob("*.scm")))
def test_queries_name_nodes_of_the_grammar(compiled: Language, grammar: TreeSitter, query: str) -> None:
    made = Query(compiled, (GRAMMAR / "queries" / query).read_text())
    assert QueryCursor(made).captures(grammar.root(TEXTS["resnet_cifar.res"]))


def test_every_keyword_has_a_colour(compiled: Language) -> None:
    query = (GRAMMAR / "queries" / "highlights.scm").read_text()
    words = {
        compiled.node_kind_for_id(kind)
        for kind in range(compiled.node_kind_count)
        if not compiled.node_kind_is_named(kind) and compiled.node_kind_is_visible(kind)
    }
    keywords = {word for word in words if word and word.isalpha() and word not in {"true", "false", "end"}}
    assert keywords >= {"model", "residual", "shortcut", "from", "not"}
    assert [word for word in sorted(keywords) if f'"{word}"' not in query] == []


def _changed(text: str, chance: random.Random) -> str:
    """The text with one to three words deleted, inserted, replaced or exchanged."""
    words = _WORDS.findall(text)
    for _ in range(chance.choice((1, 1, 2, 3))):
        at, other = chance.randrange(len(words)), chance.randrange(len(words))
        match chance.randrange(4):
            case 0:
                del words[at]
            case 1:
                words.insert(at, chance.choice(_FOREIGN))
            case 2:
                words[at] = chance.choice((*_FOREIGN, words[other]))
            case _:
                words[at], words[other] = words[other], words[at]
    return "".join(words)
