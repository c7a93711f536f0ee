"""Fuzz parser, elaborator and diagnostics with coverage as the guide. Needs atheris: the extra ``fuzz``.

    python -m tests.fuzz.fuzz_parser WORK_FOLDER tests/fuzz/corpus/specifications specs resdsl/std -max_total_time=300

New inputs go to the first folder; a crash is written beside the caller. ``docs/robustness.md`` says what to do with it.
"""

from __future__ import annotations

import random
import re
import sys

import atheris

with atheris.instrument_imports(include=["resdsl"]):
    from tests.fuzz.targets import check_specification

TOKENS = re.compile(r"\s+|#[^\n]*|\"[^\"\n]*\"|[A-Za-z_]\w*|\d+x\d+|[\d_.]+|->|\.\.|[=!<>]=|//|.", re.DOTALL)
WORDS = r"""
    use model block input tap output const default preprocess labels expect shortcut residual stage for in if else from
    concat add mul mean identity projection projection_always pad none half same valid global channels channels_in
    conv bn relu maxpool avgpool flatten linear softmax lrn upsample channel_shuffle scale dropout stride dilation
    groups bias eps true false and or not min max len round size shortcut zeros both x f32 N H 0 1 2 3 64 1e-3 1.5G 3x3
    1x7 _ -> .. == <= >= != < > + - * / // % = : ; , ( ) [ ] { } " # \n 9007199254740993 99999999999999999999 é 中
""".split()  # noqa: SIM905


def mutate(data: bytes, largest: int, seed: int) -> bytes:
    """One change of the tokens more often than one of the bytes, which mostly ends in the lexer."""
    dice = random.Random(seed)
    if dice.random() < 0.3:
        return atheris.Mutate(data, largest)
    tokens = TOKENS.findall(data.decode("utf-8", "replace"))
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
