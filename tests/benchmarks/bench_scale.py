"""Time per operator for 1,000 to 300,000 operators."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import deep
from harness import Bench, Quantity, Ratio, Row

from resdsl.analysis.summary import summarize
from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import Program, elaborate, load_program
from resdsl.ir.graph import Graph
from resdsl.ir.verify import verify
from resdsl.onnx.model import encode_graph
from resdsl.passes import optimize
from resdsl.review.review import compare
from resdsl.review.terminal import render_text
from resdsl.syntax import parse
from resdsl.syntax.tree import Module

_SMALL = 1_000
_SIZES = (10_000, 100_000, 300_000)
_TARGET_SIZE = 100_000
_AT_MOST = 1.3


def run(bench: Bench) -> Iterable[Row]:
    """Each step on a network for CIFAR, beside the same step on one of 1,000 operators, many times."""
    networks = {size: _Network(size) for size in (_SMALL, *_SIZES)}
    # A process has one network, and its collector does not walk over three others.
    gc.collect()
    gc.freeze()
    yield from _parsing(bench)
    for name, step in _STEPS.items():
        for size in _SIZES:
            yield _row(bench, name, step, networks[size], networks[_SMALL])
    yield from _processes(bench)


@dataclass
class _Network:
    """A network of some size, and one that differs from it in one stage."""

    size: int

    def __post_init__(self) -> None:
        self.program = _program(deep.text())
        self.n = deep.repeats(self.size)
        self.graph = _elaborated(self.program, {"n": self.n})
        self.other = _elaborated(_program(deep.text(last=48)), {"n": self.n})

    def afresh(self) -> Graph:
        """The graph, without what has been found out about it."""
        graph = self.graph
        return Graph(graph.name, graph.nodes, graph.outputs, graph.root, graph.parameters, graph.input_name)


_STEPS: Mapping[str, Callable[[_Network], object]] = {
    "elaborate": lambda network: _elaborated(network.program, {"n": network.n}),
    "verify": lambda network: verify(network.afresh()),
    "summary": lambda network: summarize(network.afresh()),
    "optimize (-O1)": lambda network: optimize(network.afresh()),
    "emit, without weights": lambda network: encode_graph(network.afresh()),
    "diff, one stage narrower": lambda network: render_text(compare(network.afresh(), network.other)),
}


def _row(bench: Bench, name: str, step: Callable[[_Network], object], network: _Network, small: _Network) -> Row:
    # Long enough to measure, and not as long as the largest.
    times = min(network.size // _SMALL, 100)
    rounds = 1 if network.size > _TARGET_SIZE else 3
    pairs = bench.pairs(lambda: step(network), lambda: [step(small) for _ in range(times)], rounds=rounds)
    ours = [sample.cpu / network.size * 1e6 for sample in pairs.ours.samples]
    theirs = [sample.cpu / (times * small.size) * 1e6 for sample in pairs.theirs.samples]
    ratio = Ratio.of([mine / other for mine, other in zip(ours, theirs, strict=True)])
    has_target = network.size == _TARGET_SIZE
    return Row(
        f"{name}, {network.size:,} operators",
        Quantity(median(ours), "us"),
        Quantity(median(theirs), "us"),
        ratio,
        f"at most {_AT_MOST:g} x" if has_target else "",
        ratio.median <= _AT_MOST if has_target else None,
        "an operator, against 1,000 operators",
    )


def _parsing(bench: Bench) -> Iterator[Row]:
    """Of the text: every block written out, as some generator of specifications might."""
    small, large = (_written_out(blocks) for blocks in (140, 14_000))
    pairs = bench.pairs(lambda: _parsed(large), lambda: [_parsed(small) for _ in range(100)], rounds=3)
    ours, theirs = (Quantity(series.median("cpu").value / 14_000 * 1e6, "us") for series in (pairs.ours, pairs.theirs))
    ratio = pairs.ratio("cpu")
    target, reached = f"at most {_AT_MOST:g} x", ratio.median <= _AT_MOST
    yield Row("parse, 14,000 lines", ours, theirs, ratio, target, reached, "a line, against a text of 140")


def _written_out(blocks: int) -> str:
    lines = "\n".join(f"    b{number}: basic(16, skip = pad)" for number in range(blocks))
    return f"model deep {{\n  input image: f32[N, 3, 32, 32]\n  stage layer1 {{\n{lines}\n  }}\n  output y\n}}\n"


def _parsed(text: str) -> Module:
    found = Diagnostics()
    module = parse(Source("deep.res", text), found)
    assert not found.errors
    return module


def _processes(bench: Bench) -> Iterator[Row]:
    spec = bench.folder / "deep.res"
    spec.write_text(deep.text())
    check: list[str | Path] = [bench.python, "-m", "resdsl", "check", spec, "--set"]
    for size, rounds in ((100_000, 3), (300_000, 1)):
        series = bench.series([*check, f"n={deep.repeats(size)}"], rounds=rounds)
        yield series.row(f"check, {size:,} operators", by="wall", at_most=4 if size == _TARGET_SIZE else None)
        yield series.row(f"check, {size:,} operators", by="memory")
    yield _loaded(bench)


_LOAD = """
import sys, onnxruntime as ort
options = ort.SessionOptions()
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
"""


def _loaded(bench: Bench) -> Row:
    spec, model = bench.folder / "narrow.res", bench.folder / "narrow.onnx"
    spec.write_text(deep.text(width=4))
    bench.process([bench.python, "-m", "resdsl", "compile", spec, "--set", f"n={deep.repeats(10_000)}", "-o", model])
    series = bench.series([bench.python, "-c", _LOAD, model], rounds=1, warmups=0)
    return series.row("ONNX Runtime loads 10,000 operators", by="wall", note="without its optimisations")


def _program(text: str, path: Path | None = None) -> Program:
    found = Diagnostics()
    program = load_program(Source("deep.res", text, path), found)
    assert not found.errors
    return program


def _elaborated(program: Program, arguments: Mapping[str, object]) -> Graph:
    found = Diagnostics()
    graph = elaborate(program, found, arguments=arguments, limits=deep.LIMITS)
    assert graph is not None
    return graph
