"""Exports of published networks as texts: how long they are, and some of them as a whole."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import onnx
import pytest

from resdsl.elaborate import Limits
from resdsl.importer.tensors import OnnxFile
from resdsl.specification.load import loads
from resdsl.specification.model_file import ModelFile

from ..conftest import Golden
from .round_trip import loaded, names, statements

NETWORKS = Path(__file__).parents[1] / "importer" / "networks"
SPECS = Path(__file__).parents[2] / "specs"

LONGEST = {
    "densenet121.dynamo": 60,
    "efficientnet_b0.plain": 70,
    "googlenet.legacy": 60,
    "inception_resnet_v2.dynamo": 150,
    "inception_v3.plain": 140,
    "keras_efficientnet_b0.tf2onnx": 44,
    "keras_mobilenet_v2.tf2onnx": 32,
    "mobilenet_v2.dynamo": 50,
    "resnet18.plain": 40,
    "resnet50.dynamo": 40,
    "resnet50.legacy": 40,
    "resnetv2_50.plain": 40,
    "seresnet50.dynamo": 50,
    "shufflenet_v2_x1_0.dynamo": 70,
}
"""Lines that a person who knows the network would take, comments and the lines of its totals included."""

SHIPPED = {
    "densenet121.dynamo": "densenet121",
    "inception_resnet_v2.dynamo": "inception_resnet_v2",
    "mobilenet_v2.dynamo": "mobilenet_v2",
    "resnet18.plain": "resnet18",
    "resnet50.dynamo": "resnet50",
    "resnet50.legacy": "resnet50",
}
"""The specifications that are bundled of the same networks with the same names of tensors."""


NAMELESS = {
    "densenet121.dynamo": 60,
    "efficientnet_b0.plain": 70,
    "inception_v3.plain": 140,
    "mobilenet_v2.dynamo": 50,
    "resnet50.dynamo": 40,
    "resnetv2_50.plain": 40,
    "seresnet50.dynamo": 50,
    "shufflenet_v2_x1_0.dynamo": 70,
}
"""The same for files whose nodes and tensors all have numbers as names."""


@cache
def read(name: str) -> tuple[ModelFile, str]:
    """An export, and its text as the command writes it."""
    content = gzip.decompress((NETWORKS / f"{name}.onnx.gz").read_bytes())
    file = ModelFile(OnnxFile(f"{name.partition('.')[0]}.onnx", content), Limits())
    found = file.written(library=True)
    assert found is not None
    return file, loads(found.text).format()


@cache
def read_nameless(name: str) -> tuple[ModelFile, str]:
    """An export without names, and its text."""
    content = gzip.decompress((NETWORKS / f"{name}.onnx.gz").read_bytes())
    file = ModelFile(OnnxFile(f"{name.partition('.')[0]}.onnx", without_names(content)), Limits())
    found = file.written(library=True)
    assert found is not None
    return file, loads(found.text).format()


def without_names(content: bytes) -> bytes:
    """A model in which every value and node has a number as its name, and that has no metadata."""
    model = onnx.load_model_from_string(content)
    graph = model.graph
    numbers: dict[str, str] = {}

    def numbered(name: str) -> str:
        return numbers.setdefault(name, f"n{len(numbers)}") if name else ""

    for value in (*graph.input, *graph.initializer, *graph.output):
        value.name = numbered(value.name)
    for place, node in enumerate(graph.node):
        node.input[:] = map(numbered, node.input)
        node.output[:] = map(numbered, node.output)
        node.name, node.doc_string = f"op{place}", ""
        del node.metadata_props[:]
    del graph.value_info[:], model.metadata_props[:]
    return model.SerializeToString()


def test_every_export_has_a_limit() -> None:
    assert {path.name.removesuffix(".onnx.gz") for path in NETWORKS.glob("*.gz")} == LONGEST.keys()


@pytest.mark.parametrize("name", LONGEST)
def test_an_export_is_as_short_as_a_person_writes_it(name: str) -> None:
    file, text = read(name)
    assert len(text.splitlines()) <= LONGEST[name]
    assert names(loads(text).graph) == names(file.imported.graph)


@pytest.mark.parametrize("name", NAMELESS)
def test_an_export_without_names_is_as_short(name: str) -> None:
    file, text = read_nameless(name)
    assert len(text.splitlines()) <= NAMELESS[name]
    assert names(loads(text).graph) == names(file.imported.graph)


@pytest.mark.parametrize("name", SHIPPED)
def test_an_export_has_no_more_statements_than_the_bundled_specification(name: str) -> None:
    _, text = read(name)
    original = (SPECS / f"{SHIPPED[name]}.res").read_text()
    assert statements(loaded(text)) <= 1.3 * statements(loaded(original))


@pytest.mark.parametrize(
    "name",
    [
        "resnet50.dynamo",
        "densenet121.dynamo",
        "googlenet.legacy",
        "keras_efficientnet_b0.tf2onnx",
        "keras_mobilenet_v2.tf2onnx",
    ],
)
def test_text(name: str, golden: Golden) -> None:
    golden(read(name)[1])


@pytest.mark.parametrize("name", ["efficientnet_b0.plain", "shufflenet_v2_x1_0.dynamo"])
def test_text_of_a_file_without_names(name: str, golden: Golden) -> None:
    golden(read_nameless(name)[1])
