"""The pictures of the docs: ``docs/update.py`` draws them, and ``--check`` reports those that are out of date."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import resdsl
from resdsl.tools.draw.draw import Picture, compared, cost_picture, draw

FOLDER = Path(__file__).parent / "pictures"

LARGEST = 300_000
"""Maximum size of a picture in bytes."""

# The two orders of a residual block: figure 1 (a) and (b) of He et al. 2016, arXiv:1603.05027.
_ORIGINAL = """\
use "std/residual.res" (basic)
model original {
  input x: f32[N, 64, 56, 56]
  basic(64)
  output y
}
"""
_PREACTIVATION = """\
block preactivation(width) {
  residual {
    norm1: bn;  relu;  conv1: conv(width, 3x3)
    norm2: bn;  relu;  conv2: conv(width, 3x3)
  }
}
model preactivation_block {
  input x: f32[N, 64, 56, 56]
  preactivation(64)
  output y
}
"""

PICTURES: dict[str, Callable[[], Picture]] = {
    "figure3": lambda: draw(["vgg19", "plain34", "resnet34"]),
    "resnet34-right": lambda: draw("resnet34", direction="right"),
    "resnet50": lambda: draw("resnet50"),
    "resnet50-stages": lambda: draw("resnet50", detail="stage", direction="right"),
    "resnet152": lambda: draw("resnet152"),
    "preactivation": lambda: draw(
        [resdsl.loads(_ORIGINAL, name="original"), resdsl.loads(_PREACTIVATION, name="preactivation")], detail="op"
    ),
    "resnetv2_50": lambda: draw("resnetv2_50"),
    "variants": lambda: draw(["resnet50", "resnext50_32x4d", "wide_resnet50_2"]),
    "seresnet50": lambda: draw("seresnet50"),
    "densenet121": lambda: draw("densenet121"),
    "densenet121-right": lambda: draw("densenet121", direction="right"),
    "inception_v4": lambda: draw("inception_v4"),
    "inception_resnet_v2": lambda: draw("inception_resnet_v2"),
    "resnet50_fpn": lambda: draw("resnet50_fpn"),
    "fcn_resnet50": lambda: draw("fcn_resnet50", detail="stage"),
    "ensemble_resnet": lambda: draw("ensemble_resnet", detail="model"),
    "diff": lambda: compared("plain18", "resnet18"),
    "diff-right": lambda: compared("plain18", "resnet18", direction="right"),
    "diff-resnet-d": lambda: compared("resnet50", "resnet50d", detail="op"),
    "costs": lambda: cost_picture("resnet50"),
    "costs-densenet121": lambda: cost_picture("densenet121"),
    "dark": lambda: draw("resnet18", direction="right", theme="dark"),
    "print": lambda: draw("resnet18", direction="right", theme="print"),
}


MEASURED = {f"residual-learning-{what}" for what in ("errors", "responses", "shortcuts")}
"""What ``docs/residual_learning.py`` draws of its measurements, which take half an hour."""


def stale() -> list[str]:
    """What is not as it would be drawn now, pictures that nothing draws any more among them."""
    there = {file.stem for file in FOLDER.glob("*.svg")} - MEASURED
    return sorted((there ^ PICTURES.keys()) | {name for name in there & PICTURES.keys() if _drawn(name) != _kept(name)})


def write(name: str) -> None:
    """Draw a picture anew, or take it away if nothing draws it."""
    if name not in PICTURES:
        (FOLDER / f"{name}.svg").unlink()
        return
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.svg").write_text(_drawn(name), encoding="utf-8", newline="\n")


def _drawn(name: str) -> str:
    text = PICTURES[name]().svg()
    assert len(text.encode()) <= LARGEST, f"{name}.svg is too large: {len(text):,} bytes"
    return text


def _kept(name: str) -> str:
    return (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
