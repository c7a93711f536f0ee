"""Fuzz parser, elaborator and diagnostics with coverage as the guide. Needs atheris: the extra ``fuzz``.

    python -m tests.fuzz.fuzz_parser WORK tests/fuzz/corpus/specifications tests/fuzz/corpus/texts -runs=100000 \\
      -max_len=60000

New inputs go to the first folder; a crash is written beside the caller. ``docs/robustness.md`` says what to do with it.
Texts are small, so that an execution takes milliseconds. Those that took minutes had many of something: passes of a
loop, brackets in brackets, lines alike. So some changes make many of what a text has.
"""

from __future__ import annotations

import random
import re
import sys

import atheris

with atheris.instrument_imports(include=["resdsl.syntax", "resdsl.elaborate"]):
    from tests.fuzz.targets import check_specification

TOKENS = re.compile(r"\s+|#[^\n]*|\"[^\"\n]*\"|[A-Za-z_]\w*|\d+x\d+|[\d_.]+|->|\.\.|[=!<>]=|//|.", re.DOTALL)
WORDS = r"""
    use model block input tap output const default preprocess labels expect shortcut residual stage for in if else from
    concat add mul mean identity projection projection_always pad none half same valid global channels channels_in
    conv bn relu maxpool avgpool flatten linear softmax lrn upsample channel_shuffle scale dropout stride dilation
    groups bias eps true false and or not min max len round size shortcut zeros both x f32 N H 0 1 2 3 64 1e-3 1.5G 3x3
    1x7 _ -> .. == <= >= != < > + - * / // % = : ; , ( ) [ ] { } " # \n 9007199254740993 99999999999999999999 é 中
""".split()  # noqa: SIM905


LOOPS = (
    "for i in 1..{n} {{{body}}}",
    "{n} x {{{body}}}",
    "for (a, b) in [{rows}] {{{body}}}",
    "for i in [{rows}] {{ l{{i}}: {{{body}}} }}",
    "for i in 1..{n} {{ for j in 1..{n} {{ l{{i}}_{{j}}: {{{body}}} }} }}",
    "b{{i}}: {n} x {{{body}}}",
)
NESTS = (("(", ")"), ("{", "}"), ("[", "]"), ("residual {", "}"), ("add { identity; ", "}"), ("-", ""), ("2 x {", "}"))
NAME = re.compile(r"[A-Za-z_]\w+")
MANY = (3, 5, 10, 30, 1_000_000)


def with_many(tokens: list[str], dice: random.Random) -> str:
    """A part of a text in a loop, in many brackets, or many times with other numbers; and often a name misspelt."""
    if dice.random() < 0.5:
        names = [at for at, token in enumerate(tokens) if NAME.fullmatch(token)]
        if names:
            at = dice.choice(names)
            tokens[at] = tokens[at][1:] if dice.random() < 0.5 else tokens[at] * dice.choice((2, 20))
    text = "".join(tokens)
    lines = text.split("\n")
    at = dice.randrange(len(lines))
    match dice.randrange(3):
        case 0:
            count = dice.choice(MANY)
            rows = ", ".join(f"[{row}, {row + 1}]" for row in range(min(count, 20)))
            end = min(len(lines), at + dice.randint(1, 4))
            body = "\n".join(lines[at:end])
            lines[at:end] = [dice.choice(LOOPS).format(n=count, rows=rows, body=body)]
        case 1:
            opening, closing = dice.choice(NESTS)
            count = dice.choice((2, 3, 30, 500))
            lines[at] = opening * count + lines[at] + closing * count
        case _:
            number = re.compile(r"(?<![\d.])\d+" if dice.random() < 0.5 else r"(?<=[A-Za-z_])(?=\W)")
            line = lines[at][:100]
            lines[at : at + 1] = [number.sub(str(row), line) for row in range(min(dice.choice(MANY), 200))]
    return "\n".join(lines)


def mutate(data: bytes, largest: int, seed: int) -> bytes:
    """One change of the tokens more often than one of the bytes, which mostly ends in the lexer."""
    dice = random.Random(seed)
    if dice.random() < 0.3:
        return atheris.Mutate(data, largest)
    tokens = TOKENS.findall(data.decode("utf-8", "replace"))
    if tokens and dice.random() < 0.02:
        return with_many(tokens, dice).encode()[:largest]
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(tokens) + 1)
        kind = dice.randrange(5)
        if kind == 0 or not tokens:
            tokens.insert(at, f" {dice.choice(WORDS)} ".replace("\\n", "\n"))
        elif kind == 1:
            del tokens[at : at + dice.choice((1, 1, 2, 5))]
        elif kind == 2:
            tokens[at : at + 1] = [dice.choice(WORDS).replace("\\n", "\n")]
        elif kind == 3:
            start = dice.randrange(len(tokens))
            tokens[at:at] = tokens[start : start + dice.randint(1, 30)]
        else:
            other = dice.randrange(len(tokens))
            at = min(at, len(tokens) - 1)
            tokens[at], tokens[other] = tokens[other], tokens[at]
    return "".join(tokens).encode()[:largest]


def one_input(data: bytes) -> None:
    check_specification(data.decode("utf-8", "replace"))


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input, custom_mutator=mutate)
    atheris.Fuzz()
