"""Text to graph to text: the same network, the same names of tensors, and no longer than what was there before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import event, given

from resdsl.analysis.same_network import same_network
from resdsl.decompile.program import Blocks
from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import Limits, elaborate, load_program
from resdsl.importer.tensors import OnnxFile
from resdsl.ir.graph import Graph, Parameter
from resdsl.ops.affine import Affine
from resdsl.passes.drop_aux import drop_aux
from resdsl.passes.drop_unused import drop_unused
from resdsl.specification.model_file import ModelFile
from resdsl.weights.values import ParameterTensor

from ..properties import models
from ..properties.budget import examples
from ..properties.generate import Specification, specifications
from .round_trip import graph_of, loaded, names, statements, written

SPECS = {path.stem: path for path in (Path(__file__).parents[2] / "specs").glob("*.res")}

LONGEST = 1.3
"""Statements of a text, of those of the text that a person wrote for the same network."""


@pytest.mark.parametrize("library", [True, False], ids=["library", "own"])
@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_built_in_network_comes_back_and_is_no_longer(name: str, library: bool) -> None:
    path = SPECS[name]
    program = load_program(Source(path.name, path.read_text(), path), Diagnostics())
    graph = elaborate(program, Diagnostics())
    assert graph is not None
    # The network without heads for training, as a compiled model is.
    graph = drop_unused(drop_aux(graph))
    found = written(graph, library=library)
    assert found.blocks is Blocks.VARIANTS
    assert statements(loaded(found.text)) <= LONGEST * statements(program)
    again = graph_of(found.text)
    assert (again.outputs[0].name, again.labels, again.preprocess) == (
        graph.outputs[0].name,
        graph.labels,
        graph.preprocess,
    )


@examples()
@given(specifications())
def test_a_random_network_comes_back(specification: Specification) -> None:
    graph = drop_unused(models.build(specification.text))
    found = written(graph, library=False)
    ratio = statements(loaded(found.text)) / statements(loaded(specification.text), model="net")
    event(f"blocks: {found.blocks.value}")
    event(f"statements: {'at most' if ratio <= LONGEST else 'more than'} {LONGEST} of the original's")


@examples(quick=15)
@given(specifications())
def test_a_random_network_comes_back_through_a_file(specification: Specification) -> None:
    graph = drop_unused(models.build(specification.text))
    file = ModelFile(OnnxFile("net.onnx", models.emitted(graph)), Limits())
    assert file.text
    assert names(graph_of(file.text)) == names(graph)
    assert same_network(as_in_a_file(graph), graph_of(file.text))
    again = models.emitted(file.graph, stored)
    x = models.pixels(graph, specification.sizes[-1])
    before, after = models.run(models.emitted(graph), x), models.run(again, x)
    assert before.keys() == after.keys()
    assert all(models.close(before[name], after[name]) for name in before)


def test_an_operator_gets_another_name_than_the_layer_that_was_split_from_it() -> None:
    """A group norm of vectors is two operators in a file, and the layer keeps the name of its weights."""
    text = "model net() {\n  input x: f32[N, 6, 4, 4]\n  avgpool(global);  flatten\n  group_norm(1)\n  output y\n}\n"
    graph = models.build(text)
    file = ModelFile(OnnxFile("net.onnx", models.emitted(graph)), Limits())
    assert names(graph_of(file.text)) == names(graph)


def stored(parameter: Parameter) -> models.Array:
    return np.concatenate([np.array(piece) for piece in ParameterTensor(parameter).pieces()]).reshape(parameter.shape)


def as_in_a_file(graph: Graph) -> Graph:
    """The network without what a layer scale is before training, which no file with weights has."""
    return replace(
        graph,
        nodes=tuple(
            replace(node, operator=replace(node.operator, init=1.0)) if isinstance(node.operator, Affine) else node
            for node in graph.nodes
        ),
    )
