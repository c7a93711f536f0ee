"""Peak memory of a process, including resident parts of mapped files."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from harness import ROOT, Bench, Missing, Row

_SPEC = ROOT / "specs/resnet152.res"

_HUGE = """
model huge() {
  input x: f32[N, 4096, 16, 16]
  layer: 9 x block()
  avgpool(global);  flatten;  fc: linear(1000)
  output logits
}

block block() {
  residual {
    conv1: conv(4096, 3x3);  bn1: bn;  relu
    conv2: conv(4096, 3x3);  bn2: bn
  }
  relu
}
"""
"""18 kernels of 4096 x 4096 x 3 x 3 floats, 604 MB each: 10.9 GB."""

_HUGE_BYTES = 11e9


def run(bench: Bench) -> Iterable[Row]:
    """ResNet-152 (242 MB) with random weights and with a checkpoint's; a network of 10.9 GB with `--large`."""
    compile_it = [bench.python, "-m", "resdsl", "compile", _SPEC, "-o", "model.onnx"]
    bench.process(compile_it)
    bench.process([bench.python, "-m", "resdsl", "weights", "model.onnx", "-o", "weights.safetensors"])
    weights = ["--weights", "weights.safetensors"]
    for words in ([], ["-O1"], weights, [*weights, "-O1"], ["--external-data"]):
        name = " ".join(["compile resnet152", *words])
        yield bench.series([*compile_it, *words], rounds=3).row(name, by="memory", at_most=250e6)

    if not bench.large:
        raise Missing("the network of 10.9 GB needs --large, 26 GB of disk and some minutes")
    if shutil.disk_usage(bench.folder).free < 2.4 * _HUGE_BYTES:
        raise Missing(f"the network of 10.9 GB needs 26 GB of free disk in {bench.folder}")
    spec = bench.folder / "huge.res"
    spec.write_text(_HUGE)
    for words in (["-O0"], ["-O1"]):
        huge = bench.series(
            [bench.python, "-m", "resdsl", "compile", spec, *words, "-o", "huge.onnx"], rounds=1, warmups=0
        )
        name = f"compile 10.9 GB {words[0]}"
        yield huge.row(name, by="memory", at_most=700e6)
        yield huge.row(f"{name}, wall", by="wall")
        yield huge.row(f"{name}, CPU", by="cpu")
