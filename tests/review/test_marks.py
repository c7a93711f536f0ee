"""The mark of a layer is decided once: text, pictures and pages agree."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import BLOCKS, PAIRS, SMALL
from test_mutations import WEIGHTED, Layer, mutations, networks, untimed

import resdsl
from resdsl.picture.diagram import walk
from resdsl.picture.scene import Text
from resdsl.review.changes import Change, Changed, Repeated
from resdsl.review.marks import Mark
from resdsl.review.review import compare
from resdsl.review.sentences import tally
from resdsl.review.side_by_side import side_by_side
from resdsl.specification.specification import Specification
from resdsl.tools.draw.draw import compared
from resdsl.tools.view.view import view_data

Marked = dict[str, str]
"""Paths and marks of the nodes that differ."""


def chain(layers: list[Layer]) -> Specification:
    body = "\n  ".join(str(layer) for layer in layers)
    return resdsl.loads(f"model net {{\n  input x: f32[N, 4, 16, 16]\n  {body}\n  output y\n}}\n")


def in_text(old: Specification, new: Specification) -> set[str]:
    """The kinds of changes that the text reports for layers; names of inputs and outputs belong to none."""
    return set(_kinds(compare(old.graph, new.graph).changes)) - {"interface"}


def _kinds(changes: Iterable[Change]) -> Iterable[str]:
    for change in changes:
        if change.consequences is not None:
            yield "follows"
        if isinstance(change, Changed) and change.details:
            yield from _kinds(change.details)
        elif isinstance(change, Repeated):
            yield "added" if change.new > change.old else "removed"
        else:
            yield {"rewired": "changed"}.get(change.kind, change.kind)


def in_picture(old: Specification, new: Specification) -> set[str]:
    """The marks that `draw --diff` colours, each of which its legend explains."""
    picture = compared(old, new, detail="op")
    marks = {getattr(item, "mark", "") for diagram in picture.diagrams for item in walk(diagram.body)} - {"", "same"}
    words = {shape.text.split(" (")[0].split(":")[0] for shape in picture.scene.shapes if isinstance(shape, Text)}
    assert marks <= words
    return marks


def on_page(old: Specification, new: Specification) -> tuple[Marked, Marked]:
    """The marks that the page gives to the layers of both networks."""
    data = view_data(old, new)["comparison"]
    assert data is not None
    sides = []
    for one, runs in zip((old, new), data["marks"], strict=True):
        order = list(one.graph.root.nodes())
        leaves = [(order[first + place], mark) for first, number, mark in runs for place in range(number)]
        sides.append({one.graph.nodes[index].path: mark for index, mark in leaves})
    return sides[0], sides[1]


def page_kinds(old: Specification, new: Specification) -> set[str]:
    return {mark for side in on_page(old, new) for mark in side.values()}


@untimed
@given(networks(), st.data())
def test_a_rename_is_a_rename_everywhere(layers: list[Layer], data: st.DataObject) -> None:
    named = [place for place, layer in enumerate(layers) if layer.label]
    if not named:
        return
    place = data.draw(st.sampled_from(named))
    renamed = [*layers[:place], Layer(layers[place].call, "other"), *layers[place + 1 :]]
    old, new = chain(layers), chain(renamed)
    assert in_text(old, new) == in_picture(old, new) == {"renamed"}
    assert on_page(old, new) == ({layers[place].label: "renamed"}, {"other": "renamed"})


@untimed
@given(networks(), st.sampled_from(WEIGHTED), st.data())
def test_another_call_changes_one_layer_and_others_follow(layers: list[Layer], call: str, data: st.DataObject) -> None:
    kind = call.partition("(")[0]
    alike = [place for place, one in enumerate(layers) if one.call.startswith(kind) and one.call != call]
    if not alike:
        return
    place = data.draw(st.sampled_from(alike))
    old, new = chain(layers), chain([*layers[:place], Layer(call, layers[place].label), *layers[place + 1 :]])
    before, after = on_page(old, new)
    assert {path for path, mark in after.items() if mark == "changed"} == {layers[place].label}
    # Whatever comes later, and nothing else, may have other shapes.
    assert set(after.values()) <= {"changed", "follows"}
    shapes = {node.path: (old.graph.input_types(node), node.type) for node in old.graph.nodes}
    follows = {
        node.path
        for node in new.graph.nodes
        if node.path != layers[place].label and shapes[node.path] != (new.graph.input_types(node), node.type)
    }
    assert {path for path, mark in after.items() if mark == "follows"} == follows
    assert before == after
    assert in_text(old, new) == in_picture(old, new) == set(after.values())


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        # The layer stands elsewhere with the values of another one.
        ("a: conv(4, 3x3); relu; b: conv(4, 1x1); c: bn", "b: conv(4, 1x1); a: conv(4, 3x3); relu; c: bn", {"moved"}),
        ("a: conv(4, 3x3); relu", "a: conv(4, 3x3); silu", {"changed"}),
        ("a: conv(4, 3x3); bn1: bn", "stem: { a: conv(4, 3x3); bn1: bn }", {"renamed"}),
        ("a: conv(4, 3x3)", "a: conv(4, 3x3); dropout(0.5)", {"added"}),
        ("a: conv(4, 3x3); dropout(0.5)", "a: conv(4, 3x3)", {"removed"}),
        ("a: conv(4, 3x3); b: conv(4, 3x3)", "a: conv(8, 3x3); b: conv(4, 3x3)", {"changed", "follows"}),
        ("a: conv(4, 3x3); b: conv(4, 3x3)", "a: conv(8, 3x3); c: conv(4, 3x3)", {"changed", "follows", "renamed"}),
        # A sum of two values instead of three: what is gone is its branch.
        (
            "add { a: conv(4, 3x3); identity; b: conv(4, 1x1) }",
            "add { a: conv(4, 3x3); identity }",
            {"removed", "follows"},
        ),
    ],
)
def test_the_three_answers_are_the_same(old: str, new: str, kinds: set[str]) -> None:
    frame = "model net {{ input x: f32[N, 4, 8, 8]; {}; output y }}\n"
    before, after = resdsl.loads(frame.format(old)), resdsl.loads(frame.format(new))
    page = page_kinds(before, after)
    assert in_text(before, after) == kinds
    assert in_picture(before, after) == page
    # A layer has one mark: one that is renamed and has other shapes shows its name.
    assert page == kinds or page == kinds - {"follows"}


@untimed
@given(mutations())
def test_text_picture_and_page_agree_on_random_edits(pair: tuple[list[Layer], list[Layer]]) -> None:
    old, new = chain(pair[0]), chain(pair[1])
    text, picture, page = in_text(old, new), in_picture(old, new), page_kinds(old, new)
    assert picture == page
    # What one layer is beside its mark only the text says.
    assert page <= text <= page | {"renamed", "follows", "moved"}
    assert bool(text) == bool(page)


@pytest.mark.parametrize("name", PAIRS)
def test_the_lists_of_changes_and_the_tables_agree(name: str) -> None:
    old, new = (one() for one in PAIRS[name])
    review = compare(old, new)
    kinds = set(_kinds(review.changes)) - {"interface"}
    assert {str(mark) for mark in review.marks.present} - {"same"} <= kinds
    assert {line.mark for line in side_by_side(review)} <= kinds | {"same", "inside", "moved"}
    assert (review.marks.present == {Mark.SAME}) == (not kinds)


def test_a_renamed_stage_is_renamed_and_not_changed() -> None:
    old, new = resdsl.loads(SMALL), resdsl.loads(SMALL.replace("stage layer1", "stage first"))
    review = compare(old.graph, new.graph)
    assert tally(review.changes) == "1 renamed"
    assert in_picture(old, new) == page_kinds(old, new) == {"renamed"}
    (line,) = (line for line in side_by_side(review) if line.mark != "same")
    assert (line.mark, line.old and line.old.label, line.new and line.new.label) == ("renamed", "layer1", "first")


def test_a_picture_names_changes_outside_of_layers() -> None:
    old = resdsl.loads(BLOCKS)
    new = resdsl.loads(BLOCKS.replace("input image", "input photo"))
    texts = [shape.text for shape in compared(old, new).scene.shapes if isinstance(shape, Text)]
    assert "no layer changed; changed: name of the input" in texts
    assert "nothing changed" not in texts
