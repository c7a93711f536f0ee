"""ONNX files as networks: the structure of a model of 240 MB, without its weights."""

from __future__ import annotations

from collections.abc import Iterable

from harness import ROOT, Bench, Row

_VGG = """
model vgg(classes: int = 1600) {
  input image: f32[N, 3, 224, 224]
  for (width, count) in [[64, 2], [128, 2], [256, 4], [512, 4], [512, 4]] {
    for i in 1..count { conv(width, 3x3, bias = true);  relu }
    maxpool(2x2, stride = 2)
  }
  flatten
  fc: linear(classes)
  output logits
}
"""
"""20 million parameters in convolutions, and 40 million in one matrix: 240 MB."""

_WALL, _MEMORY = 1.0, 150e6


def run(bench: Bench) -> Iterable[Row]:
    """`summary`, `check` and `diff` (with fewer classes) of a VGG and of ResNet-152 (242 MB), as processes."""
    vgg = bench.folder / "vgg.res"
    vgg.write_text(_VGG)
    for name, spec in (("vgg", vgg), ("resnet152", ROOT / "specs/resnet152.res")):
        model = bench.folder / f"{name}.onnx"
        bench.process([bench.python, "-m", "resdsl", "compile", spec, "-o", model])
        megabytes = f"{model.stat().st_size / 1e6:,.0f} MB"
        other = bench.folder / f"{name}10.onnx"
        bench.process([bench.python, "-m", "resdsl", "compile", spec, "--set", "classes=10", "-o", other])
        for command, files in (("summary", [model]), ("check", [model]), ("diff", [model, other])):
            series = bench.series([bench.python, "-m", "resdsl", command, *files])
            title = f"{command} {name}.onnx, {megabytes}" + (" each" if command == "diff" else "")
            # Two structures are read, not one.
            yield series.row(title, by="wall", at_most=_WALL * len(files))
            yield series.row(f"{title}, memory", by="memory", at_most=_MEMORY)
            yield series.row(f"{title}, CPU", by="cpu")
