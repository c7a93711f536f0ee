"""The ready tables beside the grammar, and what is read with them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import lark
import pytest
from lark.lexer import BasicLexer, LexerThread

import resdsl
from resdsl.diagnostics import Source
from resdsl.syntax.builder import Builder, Piece
from resdsl.syntax.lexing import lex
from resdsl.syntax.make_tables import as_text, make_tables, read_grammar
from resdsl.syntax.parser import read
from resdsl.syntax.tables import GRAMMAR, READY, digest, tables

PACKAGE = Path(resdsl.__file__).parent
SHIPPED = sorted([*PACKAGE.glob("std/*.res"), *PACKAGE.parent.glob("specs/*.res")])
STRANGE = '\ufeffé = \'a\' ; "b\\n" "c\r\n&& .5 1__0 a.b.c 3x3x3 ... {i}.x:\t\f\u2028\r 1..6 x.1: 11.51G'


@pytest.fixture(scope="module")
def grammar() -> lark.Lark:
    return read_grammar()


def test_the_ready_tables_are_those_of_the_grammar() -> None:
    assert READY.read_text(encoding="utf-8") == as_text(make_tables()), "run `python -m resdsl.syntax.make_tables`"


def test_the_tables_are_the_same_in_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys; from resdsl.syntax.make_tables import *; sys.stdout.write(as_text(make_tables()))"
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE.parent))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == READY.read_text(encoding="utf-8")


def test_an_edited_grammar_takes_effect_before_its_tables_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(PACKAGE, tmp_path / "resdsl", ignore=shutil.ignore_patterns("__pycache__"))
    grammar = tmp_path / "resdsl" / "syntax" / "grammar.lark"
    grammar.write_text(grammar.read_text(encoding="utf-8").replace('tap: "tap"', 'tap: "keep"'), encoding="utf-8")
    program = (
        "from resdsl.diagnostics import Diagnostics, Source; from resdsl.syntax import parse;"
        "print(parse(Source('', 'model m { keep c2 }'), Diagnostics()).items[0].body.statements[0])"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith("Tap(")


def test_line_ends_do_not_make_a_grammar_another() -> None:
    grammar = GRAMMAR.read_bytes()
    assert json.loads(READY.read_bytes())["grammar"] == digest(grammar.replace(b"\n", b"\r\n"))
    assert digest(grammar) != digest(grammar + b" ")


@pytest.mark.parametrize("text", [*(path.read_text(encoding="utf-8") for path in SHIPPED), STRANGE])
def test_lark_finds_the_same_tokens(text: str, grammar: lark.Lark) -> None:
    stream = LexerThread.from_text(BasicLexer(grammar.lexer_conf), text).lex(None)
    theirs = [(token.type, str(token), token.start_pos, token.end_pos, token.line, token.column) for token in stream]
    ours = [(token.kind, str(token), token.start, token.end, token.line, token.column) for token in lex(text, tables())]
    assert ours == theirs


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_lark_recognises_the_same_rules(path: Path, grammar: lark.Lark, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    reduce = Builder.reduce
    nesting = 0

    def recorded(self: Builder, method: str | None, *others: Any) -> Piece:
        nonlocal nesting
        # The holes of a label are read while the label is made; Lark does not see them.
        nesting += 1
        piece = reduce(self, method, *others)
        nesting -= 1
        if method is not None and not nesting:
            made.append(method)
        return piece

    monkeypatch.setattr(Builder, "reduce", recorded)
    tokens = read(Source(path.name, path.read_text(encoding="utf-8"))).tokens
    run = grammar.parse_interactive(start="module")
    result = None
    for token in tokens:
        result = run.feed_token(lark.Token(token.kind, str(token)))
    assert isinstance(result, lark.Tree)
    assert made == list(_from_the_leaves_up(result))


def _from_the_leaves_up(tree: lark.Tree[lark.Token]) -> list[str]:
    rules: list[str] = []
    for child in tree.children:
        if isinstance(child, lark.Tree):
            rules += _from_the_leaves_up(child)
    return [*rules, str(tree.data)]
