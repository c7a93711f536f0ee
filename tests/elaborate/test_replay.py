"""Blocks that are copied from the one before them: the network is the one that carrying out each call builds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import Limits, load_program
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.network import elaborate
from resdsl.elaborate.recording import Recording
from resdsl.elaborate.replay import Built
from resdsl.elaborate.trace import Trace
from resdsl.ir.graph import Graph, Scope
from tests.properties.budget import examples
from tests.properties.generate import Specification, specifications

SPECS = Path(__file__).parents[2] / "specs"


def _everything(text: str, path: Path | None, *, copies: bool, limits: Limits | None = None) -> list[Any]:
    """All that is known of the networks of a text; without copies, each call is carried out."""
    found: list[Any] = []
    diagnostics = Diagnostics()
    program = load_program(Source("net.res", text, path), diagnostics)
    for model in program.main.models:
        trace = Trace()
        recording = None if copies else Recording()
        graph = elaborate(program, diagnostics, model=model.name, trace=trace, recording=recording, limits=limits)
        found += [None if graph is None else _parts(graph), _visits(trace)]
    return [*found, [str(one) for one in diagnostics]]


def _parts(graph: Graph) -> list[Any]:
    spans = [node.span for node in graph.nodes]
    return [graph, spans, list(graph.parameters.items()), list(map(_scope, graph.root.leaves_first()))]


def _scope(scope: Scope) -> tuple[Any, ...]:
    return (scope.kind, scope.path, scope.label, scope.callee, dict(scope.arguments), scope.given, scope.span,
            [child for child in scope.children if isinstance(child, int)], scope.input, scope.output)  # fmt: skip


def _visits(trace: Trace) -> list[Any]:
    return [
        (
            span,
            visits.count,
            [
                (
                    visit.before,
                    visit.after,
                    visit.chain,
                    {name: variable.value for name, variable in visit.variables.items()},
                    [node.path for node in visit.nodes],
                    [one.name for one in visit.parameters],
                )
                for visit in visits.kept
            ],
        )
        for span, visits in trace.visits.items()
    ]


def _same(text: str, path: Path | None = None, limits: Limits | None = None) -> None:
    # Each text is read twice, and sources are equal by identity alone.
    copied = repr(_everything(text, path, copies=True, limits=limits))
    assert copied == repr(_everything(text, path, copies=False, limits=limits))


def test_most_of_a_deep_network_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    again = Built.again

    def counted(self: Built, builder: GraphBuilder, scope: Scope, flow: int) -> int:
        copied.append(scope.path)
        return again(self, builder, scope, flow)

    monkeypatch.setattr(Built, "again", counted)
    diagnostics = Diagnostics()
    path = SPECS / "resnet152.res"
    elaborate(load_program(Source("r.res", path.read_text(encoding="utf-8"), path), diagnostics), diagnostics)
    # 3, 8, 36 and 3 blocks; the first of each stage has the stage's arguments, and the second is carried out.
    assert copied == [
        f"layer{stage}.{block}" for stage, count in ((1, 3), (2, 8), (3, 36), (4, 3)) for block in range(2, count)
    ]


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.res")), ids=lambda path: path.stem)
def test_built_in_networks(path: Path) -> None:
    _same(path.read_text(encoding="utf-8"), path)


NESTED = """\
block inner(width) { a: conv(width, 3x3); bn; relu }
block outer(width = 8, n = 3) {
  parts: n x inner(width)
  residual { b: conv(width, 3x3); 2 x inner(width); c: { conv(width, 1x1); bn } } tail: inner(width)
  tap kept
  relu
  add { identity; from kept { identity } }
}
model net(width = 8) {
  input x: f32[N, 3, 32, 32]
  first: conv(width, 3x3)
  body: 4 x outer(width, 2)
  5 x outer(width)
  stage last(n = 1) { 3 x outer(8) }
  output y
}
"""


@pytest.mark.parametrize(
    "text",
    [
        NESTED.replace(" tail: inner(width)", ""),
        # A warning, and errors in what is repeated, are found in each pass.
        NESTED.replace(" tail: inner(width)", "").replace("a: conv(width, 3x3)", "conv(width, 3x3, bias = true)"),
        NESTED.replace(" tail: inner(width)", "").replace("a: conv(width, 3x3)", "conv(width, 99x99, padding = 0)"),
        NESTED.replace(" tail: inner(width)", "").replace("a: conv(width, 3x3)", "conv(widht, 3x3)"),
        # Two scopes of one name.
        NESTED.replace(" tail: inner(width)", "").replace("5 x outer(width)", "body: 2 x outer(width)"),
        # The shape changes in each pass.
        NESTED.replace(" tail: inner(width)", "").replace("c: {", "c: { avgpool(2x2, stride = 1);"),
        "block twice { add { identity; identity } }\nmodel m { input x: f32[N, 3, 4, 4]\n 5 x twice\n output y }\n",
        "block none { identity }\nmodel m { input x: f32[N, 3, 4, 4]\n 5 x none\n relu\n output y }\n",
        "block thrice(b: block) { 3 x b }\nblock r { relu }\nmodel m { input x: f32[N, 3, 4, 4]\n 3 x thrice(r)\n"
        " output y }\n",
    ],
)
def test_texts(text: str) -> None:
    _same(text)


@pytest.mark.parametrize("limit", ["steps", "nodes", "depth", "elements"])
@pytest.mark.parametrize("most", [1, 10, 30, 31, 32, 33, 34, 60, 61, 62, 63, 100, 101, 102, 103, 104, 105, 150])
def test_limits_end_it_in_the_same_place(limit: str, most: int) -> None:
    _same(NESTED.replace(" tail: inner(width)", ""), limits=Limits(**{limit: most}))


@examples(quick=60)
@given(specifications())
def test_random_networks(specification: Specification) -> None:
    _same(specification.text)
