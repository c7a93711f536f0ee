"""The data of a page are those of the graph, each part stored once."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from reading import Data, leaves

import resdsl
from resdsl.analysis.cost import costs, total
from resdsl.ir.graph import Graph, Scope
from resdsl.ir.print import describe
from resdsl.page.network import NOMINAL, network_data

NETWORKS = ("resnet50", "densenet121", "inception_resnet_v2", "resnet50_fpn", "ensemble_resnet", "seresnet50", "vgg19")


def data_of(name: str, **arguments: object) -> tuple[Data, Graph]:
    specification = resdsl.load(name, set=arguments)
    graph = specification.graph
    # As the page reads them: as JSON.
    data = network_data(graph, specification.program.sources, name=name)
    return json.loads(json.dumps(data)), graph


@pytest.mark.parametrize("name", NETWORKS)
def test_every_operator_is_there_with_its_call_its_inputs_and_its_type(name: str) -> None:
    data, graph = data_of(name)
    order = list(graph.root.nodes())
    pairs = list(leaves(data))
    assert len(pairs) == len(graph.nodes) == data["leaves"]
    for place, (path, piece) in enumerate(pairs):
        node = graph.nodes[order[place]]
        assert path == (node.path or graph.input_name)
        assert [order[place - back] for back in piece["from"]] == list(node.inputs)
        assert "[" + ", ".join(data["types"][piece["type"]]["shape"]) + "]" == str(node.type)
        if node.inputs:
            assert piece["call"] == describe(node.operator)


@pytest.mark.parametrize("name", NETWORKS)
def test_costs_of_scopes_are_those_of_what_is_in_them(name: str) -> None:
    data, graph = data_of(name)
    each = costs(graph)
    wanted: Counter[tuple[str, int, int, object, object]] = Counter()
    pending: list[Scope | int] = [graph.root]
    while pending:
        item = pending.pop()
        if isinstance(item, int):
            continue
        cost = total(each, item.nodes())
        wanted[item.callee, cost.parameters, cost.buffers, cost.macs, cost.activations] += 1
        pending += item.children
    counts: Counter[tuple[str, int, int, object, object]] = Counter()
    numbers = [data["root"]]
    while numbers:
        piece = data["pieces"][numbers.pop()]
        if "op" in piece:
            continue
        counts[piece["callee"], *piece["cost"][:4]] += 1
        numbers += [child for _, child in piece["children"]]
    assert counts == wanted


def test_a_network_has_the_costs_of_its_paper() -> None:
    data, _ = data_of("resnet50_v1")
    parameters, _, macs, *_ = data["pieces"][data["root"]]["cost"]
    # torchvision's resnet50; He et al. 2015, table 1: 3.8 x 10^9.
    assert parameters == 25_557_032
    assert macs / 1e9 == pytest.approx(3.8, abs=0.07)


def test_receptive_fields_are_those_of_the_paper() -> None:
    # Araujo, Norris and Sim 2019, table 1: VGG-16 has 212, ResNet-50 (v1) 483, with a stride of 32.
    data, _ = data_of("resnet50_v1")
    last = max(place for place, (path, _) in enumerate(leaves(data)) if path.startswith("layer4"))
    assert data["fields"][data["field_of"][last]] == [483, 483, 32, 32]
    # After the global pool the whole image is seen.
    assert data["field_of"][last + 1] == -1


def test_flow_into_and_out_of_scopes_is_where_it_is_in_the_graph() -> None:
    data, graph = data_of("resnet50")
    order = list(graph.root.nodes())

    def compare(piece: Data, scope: Scope, first: int) -> int:
        assert order[first - piece["back"]] == scope.input
        assert order[first + piece["out"]] == scope.output
        for (_, number), child in zip(piece["children"], scope.children, strict=True):
            inner = data["pieces"][number]
            first = compare(inner, child, first) if isinstance(child, Scope) else first + 1
        return first

    assert compare(data["pieces"][data["root"]], graph.root, 0) == len(graph.nodes)


def test_equal_blocks_are_stored_once() -> None:
    shallow, _ = data_of("resnet_cifar", n=20)
    deep, _ = data_of("resnet_cifar", n=200)
    assert len(deep["pieces"]) == len(shallow["pieces"])
    # 1,202 layers, some 4,200 operators: a line each in the text of a graph alone would be 400 kB.
    assert len(json.dumps(deep)) < 120_000
    assert len(json.dumps(deep)) / deep["leaves"] < 30


def test_places_lead_to_the_words_that_made_a_piece() -> None:
    data, _ = data_of("resnet50")
    texts = [["".join(line[1::2]) for line in file["lines"]] for file in data["files"]]
    for path, piece in leaves(data):
        file, line, column, end_line, end_column = piece["at"]
        if path in ("conv1", "layer1.0.conv1", "fc") and line == end_line:
            assert texts[file][line - 1][column - 1 : end_column - 1].startswith(piece["op"])
    assert [file["name"] for file in data["files"]] == ["resnet50.res", "std/residual.res"]


def test_open_sizes_are_counted_at_those_of_imagenet() -> None:
    open_, _ = data_of("resnet50_conv")
    fixed = resdsl.load("resnet50_conv", input_shape=("N", 3, NOMINAL, NOMINAL)).graph
    assert open_["at"] == {"H": 224, "W": 224}
    assert open_["pieces"][open_["root"]]["cost"][2] == fixed.macs


def test_a_call_is_written_as_in_the_text() -> None:
    text = """
    block unit(width, kernel: size, stride = 1) { c: conv(width, kernel, stride = stride) }
    model net { input x: f32[N, 3, 8, 8]; a: unit(4, 3x3, stride = 2); b: unit(4, kernel = 1x1); output y }
    """
    specification = resdsl.loads(text)
    data = network_data(specification.graph, specification.program.sources, name="net")
    calls = [piece["call"] for piece in data["pieces"] if piece.get("callee") == "unit"]
    assert calls == ["unit(4, 3x3, stride = 2)", "unit(4, kernel = 1x1)"]


def test_a_block_that_does_nothing_is_not_drawn() -> None:
    text = """
    block nothing(on = false) { if on { relu } }
    model net { input x: f32[N, 3, 8, 8]; a: nothing; c: conv(4, 3x3); output y }
    """
    specification = resdsl.loads(text)
    data = network_data(specification.graph, specification.program.sources, name="net")
    assert [path for path, _ in leaves(data)] == ["x", "c"]
    assert [label for label, _ in data["pieces"][data["root"]]["children"]] == ["x", "c"]
