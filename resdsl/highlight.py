"""A Pygments lexer for ``.res``, used by Sphinx, Jupyter, LaTeX's minted, ``pygmentize``, and the page of ``view``.

Pygments finds ``ResLexer`` through an entry point; it imports nothing else of resdsl.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pygments.lexer import RegexLexer, include, words
from pygments.lexer import bygroups as _bygroups
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, Punctuation, String, Text, Whitespace

# The stub of pygments has no types for it.
bygroups: Callable[..., Any] = _bygroups

STATEMENTS = ("concat", "add", "mul", "mean", "residual", "shortcut", "preprocess", "labels")
"""Keywords that begin a statement or a part of one."""

NAMING = ("tap", "from", "output", "default")
"""Keywords that are followed by a name."""

EXPRESSIONS = ("if", "else", "and", "or", "not")
"""Keywords of expressions, reserved everywhere."""

CONSTANTS = ("true", "false")

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_HOLE = r"\{[^{}#\n]{0,200}\}[A-Za-z0-9_]*"
_LABEL = rf"(?:[A-Za-z0-9_]+|{_HOLE})(?:\.[A-Za-z0-9_]+|\.?{_HOLE}){{0,20}}"
_TYPES = r"(?:f32|f16|bf16|u8|i64)\b"


class ResLexer(RegexLexer):
    """The language of resdsl."""

    name = "resdsl"
    aliases: ClassVar[list[str]] = ["res", "resdsl"]
    filenames: ClassVar[list[str]] = ["*.res"]

    # Most keywords are not reserved: `input`, `mean` and `x` can be names of arguments. So text in brackets, and after
    # `const`, is highlighted as an expression.
    tokens: ClassVar[dict[str, Any]] = {
        "root": [
            include("blank"),
            (rf"(model|block)(\s+)({_NAME})", bygroups(Keyword.Declaration, Whitespace, Name.Class)),
            (rf"(stage)([ \t]+)({_LABEL})", bygroups(Keyword.Declaration, Whitespace, Name.Label)),
            (rf"(aux)([ \t]+)({_LABEL})(?=[ \t]*\{{)", bygroups(Keyword.Declaration, Whitespace, Name.Label)),
            (r"(use)(?=\s*\")", Keyword.Namespace),
            (
                rf"(input)(\s+)({_NAME})(\s*)(:)(\s*)({_TYPES})",
                bygroups(Keyword, Whitespace, Name.Variable, Whitespace, Punctuation, Whitespace, Keyword.Type),
            ),
            (rf"({_LABEL})([ \t]*)(:)(?![:=])", bygroups(Name.Label, Whitespace, Punctuation)),
            (rf"({'|'.join(NAMING)})(\s+)({_NAME})", bygroups(Keyword, Whitespace, Name.Variable)),
            (r"(const|expect)(?=\s)", Keyword, "expression"),
            (
                rf"(for)(\s+)({_NAME})(\s+)(in)\b",
                bygroups(Keyword, Whitespace, Name.Variable, Whitespace, Keyword),
                "expression",
            ),
            (r"(for)(\s+)(?=\()", bygroups(Keyword, Whitespace), "rows"),
            (r"if\b", Keyword, "expression"),
            (r"else\b", Keyword),
            (words(STATEMENTS, suffix=r"(?=\s*[\s({\[\"])"), Keyword),
            (rf"{_NAME}(?=[ \t]+x[ \t]+(?:{_NAME}|\{{))", Name),
            (rf"x(?=[ \t]+(?:{_NAME}|\{{))", Keyword),
            include("values"),
            (_NAME, Name.Function),
            include("signs"),
        ],
        "rows": [
            (r"in\b", Keyword, ("#pop", "expression")),
            (r"(?=[;{}\n])", Text, "#pop"),
            include("blank"),
            (_NAME, Name.Variable),
            (r"[(),]", Punctuation),
            (r".", Error),
        ],
        "expression": [
            (r"(?=[;{}\n])", Text, "#pop"),
            include("blank"),
            include("terms"),
        ],
        "brackets": [
            (r"[)\]]", Punctuation, "#pop"),
            (rf"({_NAME})(\s*)(=)(?!=)", bygroups(Name.Attribute, Whitespace, Operator)),
            (
                rf"({_NAME})(\s*)(:)(\s*)({_NAME})",
                bygroups(Name.Attribute, Whitespace, Punctuation, Whitespace, Keyword.Type),
            ),
            (rf"({_NAME})(\s*)(:)", bygroups(Name.Attribute, Whitespace, Punctuation)),
            include("blank"),
            include("terms"),
        ],
        "terms": [
            include("values"),
            (words(EXPRESSIONS, suffix=r"\b"), Operator.Word),
            (r"(?:min|max|len|round)(?=\s*\()", Name.Builtin),
            (r"(?:channels|channels_in)\b", Name.Builtin.Pseudo),
            (_NAME, Name),
            include("signs"),
        ],
        "values": [
            (r'"(?:[^"\\\r\n]|\\.)*"', String),
            (words(CONSTANTS, suffix=r"\b"), Keyword.Constant),
            (r"[0-9]+x[0-9]+(?!\w)", Number),
            (r"[0-9]+(?:_[0-9]+)*(?:\.[0-9]+(?:_[0-9]+)*)?(?:[eE][+-]?[0-9]+|[KkMG])(?!\w)", Number.Float),
            (r"[0-9]+(?:_[0-9]+)*\.[0-9]+(?:_[0-9]+)*(?!\w)", Number.Float),
            (r"[0-9]+(?:_[0-9]+)*(?!\w)", Number.Integer),
        ],
        "signs": [
            (r"[(\[]", Punctuation, "brackets"),
            (r"->|\.\.|==|<=|>=|!=|//|[<>+\-*/%=]", Operator),
            (r"[{}\])]|[,;:]", Punctuation),
            (r".", Error),
        ],
        "blank": [
            (r"\ufeff", Whitespace),
            (r"\s+", Whitespace),
            (r"#[^\r\n]*", Comment.Single),
        ],
    }
