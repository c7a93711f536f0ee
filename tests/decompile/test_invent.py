"""Modules for networks whose tensors have flat names."""

from __future__ import annotations

import re

from resdsl.analysis.same_network import same_network
from resdsl.decompile.invent import with_modules
from resdsl.decompile.program import decompile
from resdsl.decompile.text import program_text
from resdsl.ir.graph import Graph

from ..building import network
from .round_trip import is_same


def invented(body: str) -> Graph:
    return with_modules(network(f"{body}\n  output y", "N, 16, 16, 16"), frozenset())[0]


def paths(graph: Graph) -> list[str]:
    owners = {parameter.node for parameter in graph.parameters.values()}
    return [node.path for node in graph.nodes if node.index in owners]


def test_names_that_a_join_shares_become_a_module() -> None:
    body = "\n".join(
        f"residual {{ res2_{i}_branch2a: conv(16, 1x1);  relu;  res2_{i}_branch2b: conv(16, 3x3) }};  relu"
        for i in range(3)
    )
    assert paths(invented(body)) == [f"res2.{i}.branch2{part}" for i in range(3) for part in "ab"]


def test_names_that_share_nothing_become_numbers() -> None:
    body = "\n".join(
        f"residual {{ conv{2 * i}: conv(16, 1x1);  relu;  conv{2 * i + 1}: conv(16, 3x3) }};  relu" for i in range(1, 4)
    )
    assert paths(invented(body)) == [f"blocks.{i}.conv{part}" for i in (0, 1, 2) for part in (1, 2)]


def test_the_module_makes_a_block_of_what_is_alike() -> None:
    body = "\n".join(
        f"residual {{ c{2 * i}: conv(16, 1x1);  relu;  c{2 * i + 1}: conv(16, 3x3) }};  relu" for i in range(1, 6)
    )
    graph, placed = with_modules(network(f"{body}\n  output y", "N, 16, 16, 16"), frozenset())
    text = program_text(decompile(graph, placed=frozenset(placed)))
    assert is_same(graph, text)
    assert len(re.findall(r"^block ", text, re.MULTILINE)) == 1
    assert len(text.splitlines()) < 20


def test_a_file_with_modules_keeps_its_names() -> None:
    graph = network(
        "a: { x: conv(16, 1x1);  y: bn };  b: { residual { x: conv(16, 1x1);  y: bn } }\n  output y", "N, 16, 16, 16"
    )
    found, placed = with_modules(graph, frozenset())
    assert found is graph
    assert not placed


def test_a_module_around_everything_is_dropped() -> None:
    assert paths(invented("gpu_0: { a: { conv(16, 1x1);  bn };  b: { conv(16, 1x1);  bn } }")) == [
        "a.0",
        "a.1",
        "b.0",
        "b.1",
    ]


def test_only_names_change() -> None:
    body = "\n".join(f"residual {{ c{i}: conv(16, 1x1);  n{i}: bn }};  relu" for i in range(4))
    graph = network(f"{body}\n  output y", "N, 16, 16, 16")
    found, _ = with_modules(graph, frozenset())
    assert [node.operator for node in found.nodes] == [node.operator for node in graph.nodes]
    assert len({node.path for node in found.nodes}) == len(found.nodes)
    assert {one.shape for one in found.parameters.values()} == {one.shape for one in graph.parameters.values()}
    assert not same_network(found, graph)  # as tensors have other names
