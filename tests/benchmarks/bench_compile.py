"""From a specification to an ONNX file: whole processes, compared with a lower bound."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path

from harness import ROOT, Bench, Row

_SPEC = ROOT / "specs/resnet152.res"
_FLOORS = Path(__file__).with_name("floors.py")

_PARAMETERS = "60192808"  # as torchvision counts them

_EXPORT = """
    import sys, torch, torchvision
    model = torchvision.models.resnet152().eval()
    example = torch.zeros(1, 3, 224, 224)
    if sys.argv[1] == "dynamo":
        sizes = {"x": {0: torch.export.Dim("N")}}
        torch.onnx.export(model, (example,), sys.argv[2], dynamo=True, dynamic_shapes=sizes)
    else:
        sizes = {"image": {0: "N"}}
        torch.onnx.export(model, (example,), sys.argv[2], dynamo=False, input_names=["image"], dynamic_axes=sizes)
"""


def run(bench: Bench) -> Iterable[Row]:
    """ResNet-152 with random weights and with a checkpoint's, many small tensors, and PyTorch's exporters."""
    compile_it = [bench.python, "-m", "resdsl", "compile", _SPEC]
    normals = [bench.python, _FLOORS, "normals", _PARAMETERS, "floor"]
    at_random = [*compile_it, "-o", "random.onnx"]
    random = bench.pairs(at_random, normals)
    note = "against drawing as many normals on all cores, then writing as many bytes to the disk"
    yield random.row("compile resnet152, random weights", by="wall", at_most=1.5, note=note)
    yield random.row("the same, CPU", by="cpu", note="the same")
    taken = bench.pairs(at_random, [*normals, "--no-sync"])
    yield taken.row("compile resnet152, random weights", by="wall", note="the floor does not wait for the disk, we do")

    bench.process([bench.python, "-m", "resdsl", "weights", "random.onnx", "-o", "weights.safetensors"])
    with_weights = [*compile_it, "--weights", "weights.safetensors", "-o", "weights.onnx"]
    copy = [bench.python, _FLOORS, "copy", "weights.safetensors", "copied"]
    copied = bench.pairs(with_weights, copy)
    note = "against copying the file to the disk"
    yield copied.row("compile resnet152 --weights", by="wall", at_most=1.3, note=note)
    yield copied.row("the same, CPU", by="cpu", note="the same")
    taken = bench.pairs(with_weights, [*copy, "--no-sync"])
    yield taken.row("compile resnet152 --weights", by="wall", note="the copy does not wait for the disk, we do")
    folded = bench.pairs([*with_weights, "-O1"], copy)
    yield folded.row("compile resnet152 --weights -O1", by="wall", note="against copying the file to the disk")

    for layers in (10_000, 100_000):
        spec = bench.folder / f"small{layers}.res"
        spec.write_text(f"model small() {{\n  input x: f32[N, 8, 4, 4]\n  {layers} x conv(8, 1x1)\n  output y\n}}\n")
        words = [spec, "--limit", f"nodes={2 * layers}", "--limit", f"steps={4 * layers}"]
        both = bench.pairs(
            [bench.python, "-m", "resdsl", "compile", *words, "-o", "small.onnx"],
            [bench.python, "-m", "resdsl", "check", *words],
            rounds=3,
        )
        yield both.row(f"compile {layers:,} tensors of 64 numbers, CPU", by="cpu", note="against `check` of the same")

    for exporter in ("torchscript", "dynamo"):
        export = [bench.torch, "-c", textwrap.dedent(_EXPORT), exporter, "torch.onnx"]
        theirs = bench.pairs(export, at_random, rounds=1, warmups=0)
        note = "PyTorch against `compile`, with the import of both"
        yield theirs.row(f"torch.onnx.export, {exporter}", by="wall", at_least=15, note=note)
        yield theirs.row("the same, CPU", by="cpu", note="the same")
