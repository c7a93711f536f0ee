"""The nest of a graph: dominators, and what a join, a residual, a gate and a tap are recognised by."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resdsl.decompile.dominators import Dominators
from resdsl.decompile.nest import DEEPEST, Nest, TooDeep
from resdsl.decompile.tree import Group, Item, Join, Op, Sequence, join_name, nodes_of
from resdsl.ir.graph import Graph, Node
from resdsl.ops.add import Add

from ..building import network
from ..properties.budget import examples

# --- dominators -----------------------------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[int, ...]]:
    """The inputs of each node of a graph, which stand before it; node 0 is the input of the network."""
    count = draw(st.integers(1, 14))
    sources = (st.lists(st.integers(0, place - 1), min_size=1, max_size=3) for place in range(1, count + 1))
    return [(), *(tuple(draw(one)) for one in sources)]


def dominated(inputs: list[tuple[int, ...]], without: int) -> set[int]:
    """The nodes that no path from node 0 reaches if one node is taken out."""
    reached = {0} - {without}
    for place, sources in enumerate(inputs):
        if place != without and any(source in reached for source in sources):
            reached.add(place)
    return set(range(len(inputs))) - reached - {without}


def made(inputs: list[tuple[int, ...]]) -> list[Node]:
    like = network("relu\n  output y").nodes[1]
    return [replace(like, index=place, inputs=sources) for place, sources in enumerate(inputs)]


@examples(quick=300)
@given(graphs())
def test_dominators_are_those_whose_removal_cuts_a_node_off(inputs: list[tuple[int, ...]]) -> None:
    dominators = Dominators(made(inputs))
    cut_off = [dominated(inputs, one) for one in range(len(inputs))]
    strict = [{one for one in range(len(inputs)) if place in cut_off[one]} for place in range(len(inputs))]
    for place in range(1, len(inputs)):
        # Of all that dominate a node, the immediate one is dominated by the others.
        assert dominators.of(place) == max(strict[place], key=lambda one: len(strict[one]))


def test_dominators_of_a_long_ladder_take_no_longer_than_it_is() -> None:
    count = 50_000
    inputs: list[tuple[int, ...]] = [(), *((place - 1, 0) for place in range(1, count))]
    dominators = Dominators(made(inputs))
    assert all(dominators.of(place) == 0 for place in range(2, count))


# --- the nest -------------------------------------------------------------------------------------------------------


def sketch(item: Item | Sequence) -> str:
    """``residual(conv bn | )``: the structure on one line."""
    if isinstance(item, Sequence):
        source = "" if item.source is None else f"from {item.source}: "
        return source + " ".join(sketch(one) for one in item.items)
    if isinstance(item, Op):
        return item.node.operator.name
    if isinstance(item, Group):
        return f"{item.label}({sketch(item.body)})"
    if isinstance(item, Join):
        return f"{join_name(item.node)}({' | '.join(sketch(branch) for branch in item.branches)})"
    factor = "" if item.scale is None else f"{item.factor:g}: "
    return f"residual({factor}{sketch(item.main)} | {sketch(item.shortcut)})"


def nested(body: str) -> tuple[Nest, str]:
    nest = Nest(network(f"{body}\n  output y"))
    return nest, sketch(nest.top)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("conv(3, 3x3);  relu", "conv relu"),
        ("residual { conv(3, 3x3);  bn }", "residual(conv bn | )"),
        # A shortcut that only makes the shape fit.
        (
            "residual { conv(4, 3x3);  bn;  relu;  conv(4, 3x3) } shortcut projection { conv(4, 1x1);  bn }",
            "residual(conv bn relu conv | conv bn)",
        ),
        (
            "residual { conv(4, 3x3, stride = 2); relu } shortcut projection { avgpool(2, stride = 2); conv(4, 1x1) }",
            "residual(conv relu | avgpool conv)",
        ),
        # Two paths with work of their own are a sum.
        ("add { { conv(3, 3x3);  relu };  { conv(3, 3x3);  relu } }", "add(conv relu | conv relu)"),
        ("add { conv(3, 3x3);  conv(3, 5x5);  identity }", "add(conv | conv | )"),
        ("residual(scale = 0.2) { conv(3, 3x3);  relu }", "residual(0.2: conv relu | )"),
        (
            "concat { conv(2, 1x1);  { conv(2, 1x1);  conv(2, 3x3) };  maxpool(3x3) }",
            "concat(conv | conv conv | maxpool)",
        ),
        # A gate: what is gated comes first.
        ("mul { { avgpool(global);  conv(3, 1x1);  sigmoid };  {} }", "mul( | avgpool conv sigmoid)"),
        ("residual { residual { conv(3, 3x3);  relu };  conv(3, 3x3) }", "residual(residual(conv relu | ) conv | )"),
    ],
)
def test_joins_are_recognised(body: str, expected: str) -> None:
    nest, found = nested(body.replace("{}", "identity"))
    assert found.replace("mul(identity", "mul(") == expected
    assert not nest.taps


def test_a_sum_that_repeats_a_value_of_another_shape_is_no_residual() -> None:
    _, found = nested("add { conv(3, 3x3);  { avgpool(global);  conv(3, 1x1) } }")
    # The longer branch first: the other one could start from a value of it.
    assert found == "add(avgpool conv | conv)"


def test_a_value_used_behind_its_join_is_tapped_once() -> None:
    nest, found = nested(
        "conv(3, 3x3);  tap a\n  residual { relu;  conv(3, 3x3) }\n  concat { conv(2, 1x1);  from a { conv(2, 1x1) } }"
    )
    # The fork of the last join is the value that is tapped, and the residual is in one of its branches.
    assert found == "conv concat(residual(relu conv | ) conv | conv)"
    assert not nest.taps


def test_a_branch_that_starts_inside_another_one_has_a_tap() -> None:
    nest, found = nested(
        """relu
        add {
          { conv(3, 3x3);  tap inner;  sigmoid;  bn }
          { tanh;  add { relu; from inner { gelu } } }
        }"""
    )
    (tap,) = nest.taps
    assert nest.nodes[tap].operator.name == "conv"
    assert found == f"relu add(conv sigmoid bn | add(tanh relu | from {tap}: gelu))"


def test_every_node_is_in_the_nest_once() -> None:
    graph = network(
        """conv(4, 3x3);  tap a;  relu;  output early
        concat { identity;  conv(2, 1x1) }
        output y
        from a { sigmoid;  output side }"""
    )
    nest = Nest(graph)
    found = sorted(node.index for top in (nest.top, *nest.sides) for node in nodes_of(top))
    assert found == list(range(1, len(graph.nodes)))
    assert set(nest.outputs.values()) == {("early",), ("side",), ("y",)}


def test_an_output_inside_a_join_has_a_chain_of_its_own() -> None:
    graph = network(
        """relu
        concat { { conv(2, 1x1);  tap b;  relu };  identity }
        output y
        from b { output inner }"""
    )
    nest = Nest(graph)
    nest.inner_outputs()
    (side,) = nest.sides
    assert not side.items
    assert graph.nodes[side.end].operator.name == "conv"
    assert side.source in nest.taps


def test_joins_that_nest_deeper_than_text_are_refused() -> None:
    assert Nest(_deep(DEEPEST - 1)).top.items
    with pytest.raises(TooDeep):
        Nest(_deep(DEEPEST + 2))


def _deep(count: int) -> Graph:
    """Residuals around residuals: a chain, and sums that add its values from the last to the first."""
    graph = network("relu\n  output y")
    like = graph.nodes[1]
    nodes = [graph.nodes[0]]
    nodes += [replace(like, index=place + 1, inputs=(place,), path=f"relu{place}") for place in range(count)]
    for place in reversed(range(count)):
        last = len(nodes)
        nodes.append(replace(like, index=last, operator=Add(), inputs=(last - 1, place), path=f"add{place}"))
    (output,) = graph.outputs
    return replace(graph, nodes=tuple(nodes), outputs=(replace(output, node=len(nodes) - 1),))
