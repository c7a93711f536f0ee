"""Graphs and operators as text."""

from __future__ import annotations

from textwrap import dedent

import pytest

from resdsl.ir.print import describe, print_graph
from resdsl.passes.fold_batch_norm import fold_batch_norm

from ..building import build, network


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("conv(64, 7x7, stride = 2)", "conv(64, 7x7, stride = 2)"),
        ("conv(64, 3, stride = 2x2, pad = half)", "conv(64, 3x3, stride = 2)"),
        ("conv(64, 1x7, pad = 0x3, bias = true)", "conv(64, 1x7, pad = 0x3, bias = true)"),
        ("conv(4, 3x3, stride = 2x1, pad = [0, 1, 2, 0])", "conv(4, 3x3, stride = 2x1, pad = [0, 1, 2, 0])"),
        ("conv(4, 3x3, pad = [2, 2, 2, 2])", "conv(4, 3x3, pad = 2)"),
        ("bn(eps = 0.001)", "bn(eps = 0.001)"),
        ("bn(eps = 1e-5)", "bn"),
        ("bn(eps = 0.00000001)", "bn(eps = 1e-8)"),
        ("maxpool(3x3, stride = 2, ceil = true)", "maxpool(3x3, stride = 2, ceil = true)"),
        ("avgpool(global)", "avgpool(global)"),
        ("scale(0.17)", "scale(0.17)"),
        ("upsample(mode = bilinear)", "upsample(mode = bilinear)"),
        ("relu()", "relu"),
    ],
)
def test_an_operator_is_written_in_its_shortest_form(written: str, shown: str) -> None:
    graph = network(f"layer: {written}\n  output y", "1, 3, 32, 32")
    assert describe(graph.nodes[1].operator) == shown
    # What is shown is the language again, and means the same.
    assert network(f"layer: {shown}\n  output y", "1, 3, 32, 32").nodes[1].operator == graph.nodes[1].operator


def test_explicit_shows_every_argument_and_means_the_same() -> None:
    graph = network("layer: conv(8, 3x3)\n  output y")
    explicit = describe(graph.nodes[1].operator, explicit=True)
    assert explicit == "conv(8, 3x3, stride = 1, pad = half, dilation = 1, groups = 1, bias = false)"
    assert network(f"layer: {explicit}\n  output y").nodes[1].operator == graph.nodes[1].operator


def test_a_graph_reads_as_it_was_written() -> None:
    graph = build(
        """
        block unit(width, stride = 1) {
          residual {
            conv: conv(width, 3x3, stride = stride);  bn: bn
          } shortcut projection {
            down: conv(width, 1x1, stride = stride)
          }
        }
        model tiny() {
          input image: f32[N, 3, H, 8]
          stage body(stride = 2) { unit(4) }
          output features
          head: { avgpool(global);  flatten }
          output pooled
        }
        """
    )
    assert print_graph(graph) == dedent(
        """\
        graph tiny(%image: f32[N, 3, H, 8]) {
          stage body(stride = 2) {
            block 0: unit(width = 4, stride = 2) {
              join residual(shortcut = projection) {
                %body.0.conv = conv(4, 3x3, stride = 2) %image -> [N, 4, (H + 1)//2, 4]
                %body.0.bn = bn %body.0.conv -> [N, 4, (H + 1)//2, 4]
                %body.0.down = conv(4, 1x1, stride = 2) %image -> [N, 4, (H + 1)//2, 4]
                %body.0.add = add %body.0.bn, %body.0.down -> [N, 4, (H + 1)//2, 4]
              }
            }
          }
          group head {
            %head.0 = avgpool(global) %body.0.add -> [N, 4, 1, 1]
            %head.1 = flatten %head.0 -> [N, 4]
          }
          output features = %body.0.add
          output pooled = %head.1
        }
        """
    )


def test_weights_computed_from_others_are_printed_as_such() -> None:
    graph = fold_batch_norm(network("conv1: conv(4, 1x1);  bn1: bn\n  output y"))
    assert "{weight: fold_batch_norm.weight(conv1, bn1), bias: fold_batch_norm.bias(bn1)}" in print_graph(graph)
