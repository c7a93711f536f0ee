"""Deep networks to measure with: residual networks for CIFAR, as deep as is asked for."""

from __future__ import annotations

from resdsl.elaborate import Limits

# He et al. 2015, sec. 4.2: 6n + 2 layers.
_TEXT = """use "std/residual.res" (basic)

model deep(n = 3) {
  input image: f32[N, 3, 32, 32]
  conv1: conv(WIDTH, 3x3);  bn1: bn;  relu
  stage layer1             { n x basic(WIDTH, skip = pad) } -> [N, WIDTH, 32, 32]
  stage layer2(stride = 2) { n x basic(2 * WIDTH, skip = pad) }
  stage layer3(stride = 2) { n x basic(LAST, skip = pad) }
  avgpool(global);  flatten
  fc: linear(10)
  output logits
}
"""

LIMITS = Limits(nodes=10**7, steps=10**8)

_A_BLOCK = 7
_OTHERS = 12


def text(*, width: int = 16, last: int | None = None) -> str:
    """The specification; ``width`` are the channels of the first stage, ``last`` those of the third."""
    return _TEXT.replace("WIDTH", str(width)).replace("LAST", str(last or 4 * width))


def repeats(nodes: int) -> int:
    """The ``n`` with which it has that many operators, or a few less."""
    return (nodes - _OTHERS) // (3 * _A_BLOCK)
