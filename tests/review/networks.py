"""Pairs of networks, before and after an edit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import resdsl
from resdsl.ir.graph import Graph

ROOT = Path(__file__).parents[2]

SMALL = """
use "std/residual.res" (basic, bottleneck)

model net(classes = 10) {
  input image: f32[N, 3, 32, 32]
  conv1: conv(16, 3x3);  bn1: bn;  relu
  maxpool(2x2, stride = 2)
  stage layer1             { 2 x basic(16) }
  stage layer2(stride = 2) { 3 x basic(32) }
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""

BLOCKS = """
block unit(width, stride = 1) {
  residual {
    conv1: conv(width, 3x3, stride = stride);  bn1: bn;  relu
    conv2: conv(width, 3x3);  bn2: bn
  } shortcut projection { downsample: { conv(width, 1x1, stride = stride); bn } }
  relu
}

model net(classes = 10) {
  input image: f32[N, 3, 32, 32]
  conv1: conv(16, 3x3);  bn1: bn;  relu
  stage layer1             { 2 x unit(16) }
  stage layer2(stride = 2) { 2 x unit(32) }
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""

Pair = tuple[Callable[[], Graph], Callable[[], Graph]]


def text(source: str, *replacements: tuple[str, str]) -> Callable[[], Graph]:
    """The network that a text is after some replacements, each of which must find something."""
    for old, new in replacements:
        assert old in source, old
        source = source.replace(old, new)
    return lambda: resdsl.loads(source, name="net.res").graph


def shipped(name: str, **arguments: object) -> Callable[[], Graph]:
    return lambda: resdsl.load(ROOT / "specs" / f"{name}.res", set=arguments).graph


def small(*replacements: tuple[str, str]) -> Pair:
    return text(SMALL), text(SMALL, *replacements)


def blocks(*replacements: tuple[str, str]) -> Pair:
    return text(BLOCKS), text(BLOCKS, *replacements)


PAIRS: dict[str, Pair] = {
    "stem": small(
        (
            "conv1: conv(16, 3x3);  bn1: bn;  relu\n  maxpool(2x2, stride = 2)",
            "conv1: conv(16, 5x5, stride = 2);  bn1: bn;  relu",
        )
    ),
    "stem-channels": small(("conv1: conv(16, 3x3)", "conv1: conv(24, 3x3)")),
    "depth-101-to-152": (shipped("resnet101"), shipped("resnet152")),
    "v1-to-v1.5": (shipped("resnet50_v1"), shipped("resnet50")),
    "option-a-to-b": (shipped("resnet18", skip="pad"), shipped("resnet18")),
    "bottleneck-width": (shipped("resnet50"), shipped("wide_resnet50_2")),
    "width-of-a-stage": small(("3 x basic(32)", "3 x basic(48)")),
    "squeeze-and-excitation": (shipped("resnet50"), shipped("seresnet50")),
    "gate-in-one-block": blocks(
        (
            "bn2: bn\n",
            "bn2: bn\n    se: { mul { identity; { avgpool(global); conv(4, 1x1); conv(width, 1x1); sigmoid } } }\n",
        )
    ),
    "eps": small(("  conv1: conv(16", "  default bn(eps = 1e-3)\n  conv1: conv(16")),
    "stage-renamed": small(("stage layer1", "stage stage1"), ("stage layer2", "stage stage2")),
    "norms-renamed": blocks(("bn1: bn;  relu\n    conv2", "norm1: bn;  relu\n    conv2"), ("bn2: bn", "norm2: bn")),
    "stage-inserted": small(
        (
            "  stage layer2(stride = 2) { 3 x basic(32) }",
            "  stage layer2(stride = 2) { 2 x basic(24) }\n  stage layer3(stride = 2) { 3 x basic(32) }",
        )
    ),
    "stage-removed": small(("  stage layer2(stride = 2) { 3 x basic(32) }\n", "")),
    "block-inserted": small(("{ 2 x basic(16) }", "{ basic(16); bottleneck(4); basic(16) }")),
    "blocks-fewer": small(("3 x basic(32)", "2 x basic(32)")),
    "classes": small(("classes = 10", "classes = 100")),
    "refactored": (
        text(SMALL),
        text(
            SMALL.replace("\nmodel", "\n# The first layers.\nblock pooled() { avgpool(global);  flatten }\nmodel"),
            ("avgpool(global);  flatten\n", "{ pooled() }\n"),
            ("relu\n  maxpool", "relu  # as ever\n  maxpool"),
        ),
    ),
    "stem-into-a-scope": small(
        ("  conv1: conv(16, 3x3);  bn1: bn;  relu\n", "  stem: { conv1: conv(16, 3x3);  bn1: bn;  relu }\n")
    ),
    "plain-to-residual": (shipped("plain18"), shipped("resnet18")),
    "resnet-to-resnext": (shipped("resnet50"), shipped("resnext50_32x4d")),
    "resnet-to-fcn": (shipped("resnet50"), shipped("fcn_resnet50")),
    "dilation": small(
        ("stage layer2(stride = 2) { 3 x basic(32) }", "stage layer2 { 3 x basic(32) }"),
    ),
    "dilated-convolution": blocks(("conv2: conv(width, 3x3)", "conv2: conv(width, 3x3, dilation = 2)")),
    "padding": small(("conv1: conv(16, 3x3)", "conv1: conv(16, 3x3, pad = valid)")),
    "activation": blocks(("bn1: bn;  relu\n    conv2", "bn1: bn;  silu\n    conv2")),
    "pooling": small(("maxpool(2x2, stride = 2)", "avgpool(2x2, stride = 2)")),
    "scaled-residual": blocks(("residual {", "residual(scale = 0.1) {")),
    "order-of-norm-and-relu": small(("bn1: bn;  relu", "relu;  bn1: bn")),
    "dropout": small(("flatten\n", "flatten;  dropout(0.5)\n")),
    "output-added": small(("  output logits", "  output logits\n  softmax\n  output probabilities")),
    "input-size": small(("[N, 3, 32, 32]", "[N, 3, 64, 64]")),
    "input-symbolic": small(("[N, 3, 32, 32]", "[N, 3, H, W]")),
    "linear-to-convolution": small(
        (
            "avgpool(global);  flatten\n  fc: linear(classes)",
            "avgpool(global)\n  fc: conv(classes, 1x1, bias = true);  flatten",
        )
    ),
    "layers-of-a-dense-block": (shipped("densenet121"), shipped("densenet169")),
    "preprocessing": (
        text(
            SMALL,
            (
                "  conv1: conv(16",
                "  preprocess { resize(32); normalize(mean = [0, 0, 0], std = [1, 1, 1]) }\n  conv1: conv(16",
            ),
        ),
        text(
            SMALL,
            (
                "  conv1: conv(16",
                "  preprocess { resize(40); crop(32); normalize(mean = [0, 0, 0], std = [1, 1, 1]) }\n  conv1: conv(16",
            ),
        ),
    ),
}
