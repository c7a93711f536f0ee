"""Blocks of the standard library in networks that were not written with them."""

from __future__ import annotations

import re

import pytest

from resdsl.decompile.library import library
from resdsl.ir.graph import Graph

from ..building import build
from .round_trip import loaded, statements, written

CALLS = {
    # Arguments that the block's own papers and its defaults do not have, in most.
    "basic": "basic(24, stride = 2)",
    "bottleneck": "bottleneck(24, stride = 2)",
    "se_bottleneck": "se_bottleneck(64)",
    "inverted_residual": "inverted_residual(6, 24, stride = 2)",
    "dense_layer": "dense_layer(12)",
    "bottleneck_d": "bottleneck_d(24, stride = 2)",
}


def used(text: str) -> dict[str, set[str]]:
    """The blocks that a text takes from the library, by file."""
    return {
        file: {name.strip() for name in names.split(",")}
        for file, names in re.findall(r'^use "std/(\w+)\.res" \(([^)]*)\)', text, re.MULTILINE)
    }


def built(name: str) -> Graph:
    (file,) = [block.file for block in library() if block.name == name]
    call = CALLS[name]
    return build(
        f'use "std/{file}" ({name})\n'
        f"model net() {{\n  input x: f32[N, 16, 32, 32]\n  a.0: {call}\n  b.0: {call}\n  output y\n}}\n"
    )


@pytest.mark.parametrize("name", [name for name in CALLS if any(block.name == name for block in library())])
def test_a_block_of_the_library_is_found_with_its_arguments(name: str) -> None:
    text = written(built(name), library=True).text
    assert name in set().union(*used(text).values())
    assert "\nblock " not in text
    assert re.sub(r"\s", "", CALLS[name]) in re.sub(r"\s", "", text)


def test_most_names_of_calls_are_blocks_of_the_library() -> None:
    known = {block.name for block in library()}
    assert len(CALLS.keys() & known) >= 4


def test_a_block_with_one_other_argument_is_not_the_library_s() -> None:
    def residual(name: str, slope: str) -> str:
        main = f"conv1: conv(16, 3x3);  bn1: bn;  {slope};  conv2: conv(16, 3x3);  bn2: bn"
        return f"{name}: {{ residual {{ {main} }};  relu }}"

    def model(slope: str) -> Graph:
        body = "\n".join(residual(name, slope) for name in ("a.0", "a.1", "b.0"))
        return build(f"model net() {{\n  input x: f32[N, 16, 8, 8]\n  {body}\n  output y\n}}\n")

    assert "basic" in used(written(model("relu")).text)["residual"]
    assert not used(written(model("leaky_relu(0.1)")).text)


def test_names_of_tensors_decide_about_a_block() -> None:
    body = "\n".join(
        f"{name}: {{ residual {{ first: conv(16, 3x3);  bn1: bn;  relu;  conv2: conv(16, 3x3);  bn2: bn }};  relu }}"
        for name in ("a.0", "a.1", "b.0")
    )
    graph = build(f"model net() {{\n  input x: f32[N, 16, 8, 8]\n  {body}\n  output y\n}}\n")
    assert not used(written(graph).text)


def test_norms_with_another_eps_are_a_default_of_the_model() -> None:
    graph = build(
        'use "std/residual.res" (basic)\n'
        "model net() {\n  input x: f32[N, 16, 8, 8]\n  default bn(eps = 0.001)\n"
        "  a.0: basic(16)\n  a.1: basic(32, stride = 2)\n  output y\n}\n"
    )
    text = written(graph).text
    assert "default bn(eps = 0.001)" in text
    assert used(text) == {"residual": {"basic"}}


def test_a_library_block_saves_the_statements_of_its_definition() -> None:
    graph = built("basic")
    own, shared = (written(graph, library=library).text for library in (False, True))
    assert len(shared.splitlines()) < len(own.splitlines())
    # What it uses counts, wherever it stands.
    assert statements(loaded(shared)) <= statements(loaded(own)) + 2
