"""The parser that is saved with the package, and what is read with it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import lark
import pytest
from lark.lexer import BasicLexer, LexerThread

import resdsl
from resdsl.syntax import grammar
from resdsl.syntax.grammar import SAVED, build, fingerprint
from resdsl.syntax.lexing import lex
from resdsl.syntax.save_grammar import saved_parser

PACKAGE = Path(resdsl.__file__).parent
SHIPPED = sorted([*PACKAGE.glob("std/*.res"), *PACKAGE.parent.glob("specs/*.res")])
STRANGE = '\ufeffé = \'a\' ; "b\\n" "c\r\n&& .5 1__0 a.b.c 3x3x3 ... {i}.x:\t\f\u2028\r 1..6 x.1: 11.51G'

PARSE = (
    "import lark, resdsl.syntax.grammar as grammar;"
    "from resdsl.diagnostics import Diagnostics, Source; from resdsl.syntax import parse;"
    "build = grammar.build; grammar.build = lambda: print('built') or build();"
    "print(parse(Source('', 'model m { WORD c2 }'), Diagnostics()).items[0].body.statements[0])"
)


@pytest.fixture(scope="module")
def lexer() -> BasicLexer:
    return BasicLexer(build().lexer_conf)


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package whose files can be changed."""
    shutil.copytree(PACKAGE, tmp_path / "resdsl", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "resdsl" / "syntax"


def output(program: str, copied: Path) -> list[str]:
    """What a program prints that imports the copy."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=copied.parents[1]
    )
    return done.stdout.splitlines()


def test_the_saved_parser_is_that_of_the_grammar() -> None:
    with SAVED.open("rb") as file:
        version = file.readline().decode().split(",")[0]
    if version != f"lark {lark.__version__}":
        pytest.skip(f"the parser was saved with {version}")
    assert SAVED.read_bytes() == saved_parser(), "run `python -m resdsl.syntax.save_grammar`"


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_saved_parser_is_the_same_in_every_process(
    seed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", seed)
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE.parent))
    subprocess.run([sys.executable, "-m", "resdsl.syntax.save_grammar", "saved"], check=True, cwd=tmp_path)
    assert (tmp_path / "saved").read_bytes() == saved_parser()


def test_the_saved_parser_is_loaded_and_none_is_built(copied: Path) -> None:
    (statement,) = output(PARSE.replace("WORD", "tap"), copied)
    assert statement.startswith("Tap(")


def test_an_edited_grammar_takes_effect_before_its_parser_is_saved(copied: Path) -> None:
    file = copied / "grammar.lark"
    file.write_text(file.read_text(encoding="utf-8").replace('tap: "tap"', 'tap: "keep"'), encoding="utf-8")
    built, statement = output(PARSE.replace("WORD", "keep"), copied)
    assert built == "built"
    assert statement.startswith("Tap(")


def test_a_parser_saved_by_another_version_of_lark_is_not_loaded(copied: Path) -> None:
    # The file holds nothing that could be loaded.
    (copied / "grammar.pickle").write_bytes(fingerprint().replace(lark.__version__.encode(), b"0.0.1"))
    built, statement = output(PARSE.replace("WORD", "tap"), copied)
    assert built == "built"
    assert statement.startswith("Tap(")


def test_line_ends_do_not_change_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fingerprint()
    text = grammar.GRAMMAR.read_bytes()
    edited = tmp_path / "grammar.lark"
    monkeypatch.setattr(grammar, "GRAMMAR", edited)
    edited.write_bytes(text.replace(b"\n", b"\r\n"))
    assert fingerprint() == expected
    edited.write_bytes(text + b" ")
    assert fingerprint() != expected


@pytest.mark.parametrize("text", [*(path.read_text(encoding="utf-8") for path in SHIPPED), STRANGE])
def test_larks_own_lexer_finds_the_same_tokens(text: str, lexer: BasicLexer) -> None:
    stream = LexerThread.from_text(lexer, text).lex(None)
    theirs = [(token.type, str(token), token.start_pos, token.end_pos, token.line, token.column) for token in stream]
    tokens = lex(text, grammar.grammar())
    assert [(token.kind, str(token), token.start, token.end, token.line, token.column) for token in tokens] == theirs
