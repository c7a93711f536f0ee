"""Labelled groups, from the paths of the tensors."""

from __future__ import annotations

import dataclasses

import pytest

from resdsl.decompile.labels import assign
from resdsl.decompile.program import Blocks, decompile
from resdsl.ops.add import Add

from ..building import network
from .round_trip import written
from .test_nest import sketch


def grouped(body: str) -> str:
    """The groups of a network: only the paths of its tensors are known."""
    return sketch(decompile(network(f"{body}\n  output y"), blocks=Blocks.NONE).top)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a: { conv(3, 3x3);  bn;  relu };  conv(3, 1x1)", "a(conv bn relu) conv"),
        ("a: { b: { conv(3, 3x3);  bn };  c: conv(3, 1x1);  norm: bn }", "a(b(conv bn) conv bn)"),
        # One operator needs a label with a dot, and no group.
        ("a.b: conv(3, 3x3);  c: conv(3, 3x3)", "conv conv"),
        # An operator without tensors is in the module on both sides of it, or in that of the layer before it.
        ("a: { conv(3, 3x3);  maxpool(3x3);  bn }", "a(conv maxpool bn)"),
        ("a: { conv(3, 3x3);  bn };  maxpool(3x3);  b: { conv(3, 3x3);  bn }", "a(conv bn) maxpool b(conv bn)"),
        # The branches of a join.
        (
            "m: { concat { p: { conv(2, 1x1);  bn };  q: { conv(2, 1x1);  bn } } }",
            "m(concat(p(conv bn) | q(conv bn)))",
        ),
        ("m: { residual { a: conv(3, 3x3);  b: bn } };  c: conv(3, 1x1)", "m(residual(conv bn | )) conv"),
    ],
)
def test_groups_follow_the_names_of_tensors(body: str, expected: str) -> None:
    assert grouped(body) == expected


def test_a_module_in_two_places_is_a_group_once() -> None:
    found = grouped("a: { x: { conv(3, 3x3);  bn } };  b: { conv(3, 3x3);  bn };  a.y: conv(3, 3x3);  a.z: bn")
    # The rest of it has labels with dots.
    assert found == "a(x(conv bn)) b(conv bn) conv bn"


def test_modules_of_a_list_whose_results_are_added_outside_of_it_stay_residuals() -> None:
    body = "\n".join(f"residual {{ layers.{place}: {{ conv(3, 3x3);  bn }} }}" for place in range(3))
    graph = network(f"stem: conv(3, 1x1)\n{body}\n  output y")
    sums = frozenset(node.index for node in graph.nodes if isinstance(node.operator, Add))
    found = sketch(decompile(graph, placed=sums, blocks=Blocks.NONE).top)
    assert found == "conv " + " ".join(f"residual(layers.{place}(conv bn) | )" for place in range(3))


def test_the_backbone_of_a_pyramid_stays_whole() -> None:
    found = written(
        network(
            """
            body: { s1: { a: conv(8, 3x3);  b: bn;  relu } };  tap one
            body.s2: { a: conv(8, 3x3, stride = 2);  b: bn;  relu };  tap two
            body.s3: { a: conv(8, 3x3, stride = 2);  b: bn;  relu }
            top: conv(8, 1x1);  upsample(2);  tap high
            add { from two { side: conv(8, 1x1) };  from high { identity } }
            upsample(2);  tap higher
            add { from one { low: conv(8, 1x1) };  from higher { identity } }
            output y
            """,
            "N, 3, 16, 16",
        )
    )
    # The stages of the backbone stand in a row, before the sums.
    assert found.text.index("body: {") < found.text.index("top:") < found.text.index("add {")
    assert found.text.count("body") == 1


def test_names_that_the_elaborator_gives_need_no_label() -> None:
    graph = network(
        "conv(3, 3x3);  relu;  conv(3, 3x3)\n  seq: { conv(3, 3x3);  bn;  relu;  conv(3, 1x1) }\n  output y"
    )
    program = decompile(graph, blocks=Blocks.NONE)
    assert dict(program.paths) == {node.index: node.path for node in graph.nodes[1:]}
    text = written(graph, library=False).text
    # In a group, names are places; in the body of a model they are stated, so that an edit does not rename them.
    assert "seq: { conv(3, 3x3); bn; relu; conv(3, 1x1) }" in text
    assert "conv_2: conv(3, 3x3)" in text


def test_labels_are_assigned_the_same_twice() -> None:
    graph = network("a: { conv(3, 3x3);  bn;  x: conv(3, 1x1) };  fc: conv(4, 1x1)\n  output y")
    program = decompile(graph, blocks=Blocks.NONE)
    weighted = {parameter.node for parameter in graph.parameters.values()}
    again = assign(program.top, "", numbered=False, blocks=frozenset(), weighted=weighted)
    assert again == program.paths


def test_labels_of_operators_are_not_those_of_joins() -> None:
    inner = "residual(scale = -1) { a.1: conv(5, 5x3);  a.2: conv(5, 3x3) } shortcut { relu }"
    graph = network(
        f"a.0: bn\n  tanh\n  residual(scale = -1) {{ {inner} }}\n  a.4: conv(5, 1x1)\n  output y", "N, 5, 8, 8"
    )
    found = written(graph, library=False)
    assert found.blocks is Blocks.VARIANTS


def test_a_decoder_joins_what_the_encoder_made() -> None:
    """The join at the bottom of a U is the decoder's, and the encoder stays whole."""
    graph = network(
        "e: { a: { x: conv(8, 3x3);  y: bn } };  tap t\n"
        "e.b: { x: conv(8, 3x3, stride = 2);  y: bn };  upsample\n"
        "concat { identity; from t {} }\n"
        "d: { x: conv(8, 3x3);  y: bn }\n  output z",
        "N, 3, 16, 16",
    )
    (join,) = (node for node in graph.nodes if len(node.inputs) > 1)
    nodes = tuple(dataclasses.replace(node, path="d.concat") if node is join else node for node in graph.nodes)
    program = decompile(dataclasses.replace(graph, nodes=nodes), placed={join.index}, blocks=Blocks.NONE)
    assert sketch(program.top).startswith("e(a(conv bn) b(conv bn)) upsample")
