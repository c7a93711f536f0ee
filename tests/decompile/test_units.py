"""The units of a flat chain, and the stages that they make."""

from __future__ import annotations

from resdsl.decompile.invent import with_modules
from resdsl.decompile.nest import Nest
from resdsl.decompile.program import decompile
from resdsl.decompile.text import program_text
from resdsl.decompile.units import find_units
from resdsl.ir.graph import Graph

from ..building import network
from .round_trip import is_same


def built(body: str, shape: str = "N, 16, 32, 32") -> Graph:
    return network(f"{body}\n  output y", shape)


def units(body: str, shape: str = "N, 16, 32, 32") -> list[tuple[int, list[str]]]:
    """The kind of each unit, and the operators in it."""
    graph = built(body, shape)
    weighted = {parameter.node for parameter in graph.parameters.values()}
    return [
        (unit.kind, [node.operator.name or "join" for node in unit.nodes]) for unit in find_units(Nest(graph), weighted)
    ]


def text(body: str, shape: str = "N, 16, 32, 32") -> str:
    graph, placed = with_modules(built(body, shape), frozenset())
    written = program_text(decompile(graph, placed=frozenset(placed)))
    assert is_same(graph, written)
    return written


def inverted(width: int, stride: int, expanded: int, place: str) -> str:
    main = f"e{place}: conv({expanded}, 1x1);  relu6;  " if expanded != 16 else ""
    main += f"d{place}: conv({expanded}, 3x3, stride = {stride}, groups = {expanded});  relu6;  "
    return main + f"p{place}: conv({width}, 1x1)"


STEM = "s: conv(16, 3x3);  relu6"


def test_a_run_like_the_main_path_of_a_residual_is_the_same_unit() -> None:
    body = f"{inverted(24, 2, 96, '1')}\n  residual {{ {inverted(24, 1, 144, '2')} }}"
    first, second = units(body)
    assert first == (0, ["conv", "relu6", "conv", "relu6", "conv"])
    assert second == (0, [*first[1], "join"])


def test_a_unit_may_lack_its_expansion() -> None:
    whole = [f"residual {{ {inverted(16, 1, 96, place)} }}" for place in "12"]
    body = "\n  ".join([STEM, inverted(16, 1, 16, "0"), *whole])
    assert [kind for kind, _ in units(body)] == [0, 0, 0]
    assert units(body)[0] == (0, ["conv", "relu6", "conv"])


def test_what_repeats_without_joins_is_a_unit() -> None:
    body = "\n  ".join(
        f"d{i}: conv(channels, 3x3, groups = channels);  relu;  p{i}: conv({8 * i}, 1x1);  relu" for i in range(2, 6)
    )
    assert units(f"s: conv(16, 3x3);  relu\n  {body}") == [(0, ["conv", "relu", "conv", "relu"])] * 4


def test_a_single_layer_is_no_unit() -> None:
    assert (
        units("\n  ".join(f"c{i}: conv(16, 3x3);  relu" for i in range(6)))
        == [(0, ["conv", "relu", "conv", "relu"])] * 3
    )  # pairs are the shortest that have two layers


def test_what_stands_between_units_is_one_where_it_repeats() -> None:
    dense = "concat {{ identity; {{ b{0}: bn; relu; c{0}: conv(8, 3x3) }} }}"
    transition = "t{0}: conv(channels // 2, 1x1);  u{0}: bn;  avgpool(2x2, stride = 2)"
    body = "\n  ".join([dense.format(1), transition.format(1), dense.format(2), transition.format(2), dense.format(3)])
    kinds = [kind for kind, _ in units(body)]
    assert kinds[0] == kinds[2] == kinds[4] != kinds[1] == kinds[3]


def test_stages_end_where_the_channels_change() -> None:
    rows = [(24, 1, 16, 1), (32, 2, 144, 1), (32, 1, 192, 0), (48, 2, 192, 1), (48, 1, 288, 0), (48, 1, 288, 0)]
    lines = [
        inverted(width, stride, expanded, str(place))
        if plain
        else f"residual {{ {inverted(width, stride, expanded, str(place))} }}"
        for place, (width, stride, expanded, plain) in enumerate(rows)
    ]
    found = text("\n  ".join([STEM, *lines]))
    assert "layer1: inverted_residual(24, " in found
    assert "stage layer2(stride = 2) { 2 x inverted_residual(32) }" in found
    assert "stage layer3(stride = 2) { 3 x inverted_residual(48) }" in found


def test_the_factor_by_which_a_block_expands_is_a_parameter() -> None:
    def block(width: int, factor: int, place: int, incoming: int) -> str:
        wide = factor * incoming
        expand = f"e{place}: conv({wide}, 1x1);  silu;  " if factor > 1 else ""
        layers = f"r{place}: conv({incoming}, 1x1); relu; x{place}: conv({wide}, 1x1); sigmoid"
        gate = f"mul {{ identity; {{ avgpool(global); {layers} }} }}"
        return f"{expand}d{place}: conv({wide}, 3x3, groups = {wide});  silu;  {gate};  p{place}: conv({width}, 1x1)"

    body = "\n  ".join([block(24, 1, 1, 16), block(32, 6, 2, 24), f"residual {{ {block(32, 6, 3, 32)} }}"])
    found = text(f"{STEM}\n  {body}")
    assert "expand = 6" in found
    assert "if expand != 1 { conv1: conv(expand * channels_in, 1x1); silu }" in found
    assert "layer1: inverted_residual(24, expand = 1)" in found


def test_names_of_the_file_tell_the_first_unit_of_a_stage() -> None:
    """As Keras' ResNet v2, whose stages end with the stride, and not as torchvision's, which begin with it."""

    def stage(number: int, width: int) -> list[str]:
        count = number + 1
        label = f"conv{number}_block"
        main = "{0}_1_conv: conv({1}, 1x1);  relu;  {0}_2_conv: conv({1}, 3x3, stride = {2})"
        return [
            f"residual {{ {main.format(f'{label}1', width, 1)} }} shortcut {{ {label}1_0_conv: conv({width}, 1x1) }}",
            *(f"residual {{ {main.format(f'{label}{place}', width, 1)} }}" for place in range(2, count)),
            f"residual {{ {main.format(f'{label}{count}', width, 2)} }} shortcut {{ maxpool(1x1, stride = 2) }}",
        ]

    found = text("\n  ".join([*stage(2, 24), *stage(3, 32), *stage(4, 48)]))
    assert "conv{i}: {" in found
    assert "[2, 24], [3, 32], [4, 48]" in found


def test_layers_of_a_file_without_names_are_numbered_by_operator() -> None:
    layers = "n4: conv(8, 3x3);  n7: bn;  relu\n  n9: conv(8, 1x1);  maxpool(2x2)\n  n12: bn;  relu"
    found = text(f"{layers}\n  avgpool(global);  flatten;  n20: linear(4)")
    assert "conv1: conv(8, 3x3);  bn1: bn;  relu\n  conv2: conv(8, 1x1)" in found
    assert "fc: linear" in found


def test_names_that_say_something_stay() -> None:
    found = text("stem: conv(8, 3x3);  relu\n  n9: conv(8, 3x3);  relu")
    assert "stem: conv" in found
    assert "n9: conv" in found


def test_a_number_of_the_call_is_dropped() -> None:
    found = text("conv1_1: conv(8, 3x3);  relu\n  stem_2_1: conv(8, 1x1);  relu")
    assert "conv1: conv" in found
    assert "stem_2: conv" in found
