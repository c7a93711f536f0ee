"""Properties of every specification, tested on random ones."""

from __future__ import annotations

import numpy as np
import onnx
from hypothesis import given

from resdsl.analysis.smallest_input import smallest_input
from resdsl.diagnostics import Diagnostics, Source
from resdsl.ir.graph import Graph
from resdsl.ir.verify import verify
from resdsl.passes import optimize
from resdsl.passes.pipeline import LEVELS
from resdsl.syntax import parse
from resdsl.syntax.formatter import format_source

from . import models
from .budget import examples
from .generate import Specification, specifications


def names_of(model: onnx.ModelProto) -> list[str]:
    """Every name in ONNX's one space of values: the input, weights and constants, results of nodes."""
    tensors = [tensor.name for tensor in model.graph.initializer]
    return [model.graph.input[0].name, *tensors, *(name for node in model.graph.node for name in node.output)]


def check_shapes(graph: Graph, data: bytes, specification: Specification) -> None:
    """The graph's shapes are those that ONNX infers and those that ONNX Runtime gives.

    For the sizes of the input that the specification was made for, and for the smallest one that it reports.
    """
    open_sizes = models.inferred(models.without_types(data))
    least = smallest_input(graph)
    smallest = {name: size for name, size in least.items() if size is not None}
    assert least.keys() == smallest.keys() == specification.sizes[0].keys()
    for sizes in (*specification.sizes, smallest):
        ours = models.shapes(graph, sizes)
        inferred = models.inferred(models.without_types(data, sizes))
        assert {name: inferred[name] for name in ours} == ours
        assert all(
            theirs in (None, size) for name in ours for theirs, size in zip(open_sizes[name], ours[name], strict=True)
        )
        values = models.run(models.every_value(data, list(ours)), models.pixels(graph, sizes))
        assert {name: value.shape for name, value in values.items()} == ours


@examples()
@given(specifications())
def test_shapes_are_those_of_onnx_and_of_what_runs(specification: Specification) -> None:
    graph = models.build(specification.text)
    verify(graph)
    data = models.emitted(graph)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    check_shapes(graph, data, specification)


@examples()
@given(specifications())
def test_passes_keep_what_a_network_computes(specification: Specification) -> None:
    graph = models.build(specification.text)
    x = models.pixels(graph, specification.sizes[-1])
    plain = models.run(models.emitted(graph), x)
    assert all(np.isfinite(value).all() for value in plain.values())
    for level in range(len(LEVELS)):
        data = models.emitted(optimize(graph, level))
        for name, value in models.run(data, x, optimized=True).items():
            assert models.close(plain[name], value), f"{name} at level {level}"


@examples()
@given(specifications())
def test_a_text_gives_the_same_bytes_each_time_and_every_name_once(specification: Specification) -> None:
    graph = models.build(specification.text)
    data = models.emitted(graph)
    assert models.emitted(models.build(specification.text)) == data
    model = onnx.load_from_string(data)
    names = names_of(model)
    assert len(set(names)) == len(names)
    nodes = [node.name for node in model.graph.node]
    assert len(set(nodes)) == len(nodes)


@examples()
@given(specifications())
def test_formatting_keeps_the_meaning_and_is_idempotent(specification: Specification) -> None:
    found = Diagnostics()
    source = Source("random.res", specification.text)
    formatted = format_source(source, found)
    assert formatted is not None
    laid_out = Source("random.res", formatted)
    assert parse(laid_out, found).items == parse(source, found).items
    assert format_source(laid_out, found) == formatted
    assert not found.errors
