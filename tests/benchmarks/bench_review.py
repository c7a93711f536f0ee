"""Reviews of deep networks: whole processes, and how the time grows with the change."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from statistics import median

import deep
from harness import Bench, Quantity, Ratio, Row

from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import elaborate, load_program
from resdsl.ir.graph import Graph
from resdsl.review.review import compare
from resdsl.review.terminal import render_text

_SMALL, _LARGE = 500, 5_000
"""Blocks in each stage."""

_STD = 'use "std/residual.res" (basic)'
_BLOCK = """block basic(width, stride = 1, skip: shortcut = projection) {
  residual {
    CONV1: conv(width, 3x3, stride = stride);  bn1: bn;  ACT
    conv2: conv(width, 3x3);  bn2: bn
  } shortcut skip {
    downsample: { conv(width, 1x1, stride = stride); bn }
  }
  ACT
}"""


def _block(conv: str = "conv1", activation: str = "relu") -> str:
    return _BLOCK.replace("CONV1", conv).replace("ACT", activation)


_CHANGES: Mapping[str, tuple[str, str]] = {
    "a stage narrower": (deep.text(), deep.text(last=48)),
    "a stage renamed": (deep.text(), deep.text().replace("layer2", "middle")),
    "a layer of every block renamed": (deep.text(), deep.text().replace(_STD, _block(conv="first"))),
    "another activation everywhere": (deep.text(), deep.text().replace(_STD, _block(activation="silu"))),
}


def run(bench: Bench) -> Iterable[Row]:
    """`resdsl diff` of two ResNet-1202, and changes all over a network of 10,000 operators and of 100,000."""
    yield from _process(bench)
    for name, texts in _CHANGES.items():
        yield _grown(bench, name, texts)


def _process(bench: Bench) -> Iterator[Row]:
    files = bench.folder / "old.res", bench.folder / "new.res"
    texts = deep.text().replace("n = 3", "n = 200"), deep.text(last=48).replace("n = 3", "n = 200")
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    imports = [bench.python, "-c", "import resdsl.tools.diff.command, resdsl.tools.diff.diff, resdsl.review.terminal"]
    pairs = bench.pairs([bench.python, "-m", "resdsl", "diff", *files], imports, warmups=2)
    yield pairs.ours.row("diff of two ResNet-1202", by="wall", at_most=0.5)
    yield pairs.row("diff of two ResNet-1202", by="cpu", note="against the imports")


def _grown(bench: Bench, name: str, texts: tuple[str, str]) -> Row:
    small, large = ([_built(text, n) for text in texts] for n in (_SMALL, _LARGE))
    gc.collect()
    gc.freeze()
    pairs = bench.pairs(lambda: _rendered(large), lambda: [_rendered(small) for _ in range(10)], rounds=3)
    ours = [sample.cpu / len(large[0].nodes) * 1e6 for sample in pairs.ours.samples]
    theirs = [sample.cpu / (10 * len(small[0].nodes)) * 1e6 for sample in pairs.theirs.samples]
    ratio = Ratio.of([mine / other for mine, other in zip(ours, theirs, strict=True)])
    both = Quantity(median(ours), "us"), Quantity(median(theirs), "us")
    note = f"an operator, of {len(large[0].nodes):,} and of {len(small[0].nodes):,}"
    return Row(name, *both, ratio, "at most 1.5 x", ratio.median <= 1.5, note)


def _rendered(graphs: list[Graph]) -> str:
    return render_text(compare(*graphs))


def _built(text: str, n: int) -> Graph:
    found = Diagnostics()
    program = load_program(Source("deep.res", text), found)
    graph = elaborate(program, found, arguments={"n": n}, limits=deep.LIMITS)
    assert graph is not None
    return graph
