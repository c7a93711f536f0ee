"""Texts with errors, made from valid ones, and what must hold when all fixes are applied to them."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

from resdsl.diagnostics import Diagnostic, Source
from resdsl.elaborate import Limits
from resdsl.specification.specification import Specification
from resdsl.tools.check.fix import fix, rank

ROOT = Path(__file__).parents[2]
LIMITS = Limits(nodes=1_000, steps=20_000)
SMALL = """\
const widths = [8, 16]
block unit(width, stride = 1, act: block = relu, skip: shortcut = projection) {
  residual { conv1: conv(width, 3x3, stride = stride); bn1: bn; act } shortcut skip {
    downsample: { conv(width, 1x1, stride = stride); bn }
  }
}
model net(classes = 10) {
  input image: f32[N, 3, 32, 32]
  labels ["a", "b"]
  tap early
  stem: 2 x { conv(8, 3x3); bn(eps = 1e-3); relu }
  for (w, n, s) in [[8, 1, 1], [16, 2, 2]] { layer{w}: { unit(w, stride = s); (n - 1) x unit(w) } }
  concat { identity; { a: conv(channels, 1x1, bias = true); relu6 } } -> [N, 32, 16, 16]
  from early { avgpool(global); flatten }
  fc: linear(classes if classes > 1 else 2)
  output logits
  expect depth <= 30
}
"""
TEXTS = [SMALL] + [
    path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("specs/*.res"), *ROOT.glob("tests/specs/networks/*.res")])
    if '"std/' in path.read_text(encoding="utf-8") or "use " not in path.read_text(encoding="utf-8")
]
TOKENS = re.compile(r"\s+|#[^\n]*|\"[^\"\n]*\"|[A-Za-z_]\w*|\d+x\d+|[\d_.]+|->|\.\.|[=!<>]=|//|.", re.DOTALL)
NAME = re.compile(r"[A-Za-z_]\w{2,}")
MARKS = [",", ";", ":", "=", "==", "(", ")", "[", "]", "{", "}", ".", "..", "->", "x", "+", "*", "\n"]
WORDS = """
    True False None Conv2d BatchNorm ReLU Linear MaxPool2d padding kernel_size strides filters def let import elif
    layers[i] x unit(16) widths[0] from tap add concat residual shortcut identity projection for in if else not and or
    input output labels expect const default stage block model use 3 64 3x3 1e-3 0 -1 99999999999 N channels return
""".split()  # noqa: SIM905


def typo(dice: random.Random, word: str) -> str:
    """A word with one letter missing, doubled, exchanged or in another case."""
    at = dice.randrange(len(word) - 1)
    match dice.randrange(5):
        case 0:
            return word[:at] + word[at + 1 :]
        case 1:
            return word[:at] + word[at] + word[at:]
        case 2:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case 3:
            return word[:at] + dice.choice("abcdefghijklmnopqrstuvwxyz") + word[at + 1 :]
        case _:
            return word[0].upper() + word[1:]


def mutant(dice: random.Random) -> str:
    """A valid text with one to six changes."""
    tokens = TOKENS.findall(dice.choice(TEXTS) if dice.random() < 0.7 else SMALL)
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 6))):
        written = [place for place, token in enumerate(tokens) if token.strip() and not token.startswith("#")]
        if not written:
            break
        at = dice.choice(written)
        names = [place for place in written if NAME.fullmatch(tokens[place])]
        match dice.randrange(9):
            case 0 | 1 | 2 if names:
                place = dice.choice(names)
                tokens[place] = typo(dice, tokens[place])
            case 3:
                del tokens[at]
            case 4:
                tokens.insert(at, dice.choice(MARKS))
            case 5:
                tokens[at] = dice.choice(MARKS)
            case 6:
                tokens[at] = dice.choice(WORDS)
            case 7:
                tokens.insert(at, f" {dice.choice(WORDS)} ")
            case _:
                other = dice.choice(written)
                tokens[at], tokens[other] = tokens[other], tokens[at]
    return "".join(tokens)


@dataclass(frozen=True)
class Outcome:
    """The errors of a text before and after its fixes were applied, and how many those were."""

    before: list[Diagnostic]
    after: list[Diagnostic]
    fixes: int


def applied(text: str) -> Outcome:
    """Apply all fixes to a text; raises ``AssertionError`` where that breaks a promise of ``--fix``."""
    before = checked(text).check()

    fixed = fix(checked(text))
    assert (fixed.after.text != text) == bool(fixed.applied)
    fresh = checked(fixed.after.text).check()
    assert [(one.code, one.message) for one in fresh] == [(one.code, one.message) for one in fixed.remaining]
    if fixed.applied:
        assert rank(fresh) < rank(before)
    for hiding in ("E01", "E0901"):
        assert sum(one.code.id.startswith(hiding) for one in fresh) <= sum(
            one.code.id.startswith(hiding) for one in before
        )
    assert before.errors or not fresh.errors
    assert not fix(checked(fixed.after.text)).applied
    return Outcome(before.errors, fresh.errors, len(fixed.applied))


def checked(text: str) -> Specification:
    return Specification(Source("net.res", text), model=None, arguments={}, input_shape=None, limits=LIMITS)
