"""Which values of two networks are the same computation."""

from __future__ import annotations

import resdsl
from resdsl.analysis.correspondence import corresponding

NETWORK = """\
model a() {
  input x: f32[N, 3, 8, 8]
  stem: conv(4, 3x3);  bn1: bn;  relu
  add { { left: conv(4, 1x1) }; { right: conv(4, 3x3) } }
  output y
}
"""


def pairs(one: str, other: str, *, named: bool = False) -> dict[str, str]:
    a, b = resdsl.loads(one).graph, resdsl.loads(other).graph
    return {a.nodes[i].path: b.nodes[j].path for i, j in corresponding(a, b, named=named)}


def test_names_do_not_matter_unless_asked() -> None:
    renamed = NETWORK.replace("stem", "first").replace("left", "a").replace("right", "b")
    found = pairs(NETWORK, renamed)
    assert found["stem"] == "first"
    assert (found["left"], found["right"], found["add"]) == ("a", "b", "add")
    assert set(pairs(NETWORK, renamed, named=True)) == {"x"}
    assert len(pairs(NETWORK, NETWORK, named=True)) == 7


def test_the_order_of_summands_does_not_matter() -> None:
    turned = NETWORK.replace(
        "{ left: conv(4, 1x1) }; { right: conv(4, 3x3) }", "{ r: conv(4, 3x3) }; { l: conv(4, 1x1) }"
    )
    found = pairs(NETWORK, turned)
    assert (found["left"], found["right"], found["add"]) == ("l", "r", "add")


def test_a_norm_is_the_layer_with_a_bias_that_it_is_folded_into() -> None:
    folded = NETWORK.replace("stem: conv(4, 3x3);  bn1: bn", "stem: conv(4, 3x3, bias = true)")
    found = pairs(NETWORK, folded)
    assert found["bn1"] == "stem"
    assert "stem" not in found  # what it gives before the norm is no value of the other
    assert found["add"] == "add"
    assert pairs(folded, NETWORK) == {after: before for before, after in found.items()}


def test_what_follows_another_operator_is_another_value() -> None:
    other = NETWORK.replace("relu", "sigmoid")
    assert set(pairs(NETWORK, other)) == {"x", "stem", "bn1"}


def test_equal_layers_on_one_value_are_paired_in_order() -> None:
    twins = NETWORK.replace("3x3) }", "1x1) }")
    found = pairs(twins, twins.replace("left", "one").replace("right", "two"))
    assert (found["left"], found["right"]) == ("one", "two")


def test_the_size_of_the_input_does_not_matter() -> None:
    assert len(pairs(NETWORK, NETWORK.replace("[N, 3, 8, 8]", "[1, 3, 16, 16]"))) == 7
