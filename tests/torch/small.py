"""A small network with what a module has to do with: two outputs, a head for training, dropout, preprocessing."""

from __future__ import annotations

import resdsl

NET = """
model small(classes = 10, width = 8) {
  input image: f32[N, 3, 32, 32]
  preprocess { resize(36); crop(32); normalize(mean = [0.5, 0.4, 0.3], std = [0.2, 0.3, 0.4]) }
  conv1: conv(width, 3x3);  bn1: bn;  relu
  stage layer1 {
    2 x { residual { conv1: conv(width, 3x3);  bn1: bn;  relu;  conv2: conv(width, 3x3);  bn2: bn };  relu }
  }
  aux head { avgpool(global);  flatten;  fc: linear(classes) }
  neck: { mix: conv(width, 1x1);  scale: affine;  inner.1.0: conv(width, 3x3, pad = same, stride = 2) }
  avgpool(global);  flatten;  dropout(0.5)
  fc: linear(classes)
  output logits
  softmax
  output probabilities
}
"""


def network() -> resdsl.Specification:
    return resdsl.loads(NET, name="small.res")
