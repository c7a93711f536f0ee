"""Accuracy and confusion matrices."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resdsl.ir.preprocess import Preprocess, Resize
from resdsl.runtime.classifier import Classifier
from resdsl.runtime.ground_truth import LabelledImage
from resdsl.runtime.item import Item, file_item
from resdsl.runtime.session import Session
from resdsl.tools.evaluate.scores import Confusion, Evaluation, Score, score

OpenModel = Callable[..., Session]
HOW = {"resdsl.preprocess": json.dumps(Preprocess((Resize(4, fit="exact"),)).to_data())}


# Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
@pytest.mark.parametrize(
    ("hits", "images", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilsons(hits: int, images: int, low: float, high: float) -> None:
    assert Score(hits, images).interval == pytest.approx((low, high), abs=5e-5)
    mirrored = Score(images - hits, images).interval
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_of_no_images_nothing_is_known() -> None:
    assert Score(0, 0).interval == (0.0, 1.0)
    assert math.isnan(Score(0, 0).accuracy)


@pytest.fixture
def colors(tmp_path: Path) -> dict[str, Path]:
    paths = {}
    for name in ("red", "lime", "blue"):
        paths[name] = tmp_path / f"{name}.png"
        Image.new("RGB", (4, 4), name).save(paths[name])
    (tmp_path / "bad.png").write_bytes(b"bad")
    return paths | {"bad": tmp_path / "bad.png"}


def truths(colors: dict[str, Path], *shown: tuple[str, int]) -> list[LabelledImage]:
    return [(file_item(str(colors[name])), truth) for name, truth in shown]


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_answers_are_counted_by_class(batch_size: int, open_model: OpenModel, colors: dict[str, Path]) -> None:
    # The model sees class 0 in red, 1 in green and 2 in blue.
    classifier = Classifier.of(open_model(metadata=HOW), labels=["r", "g", "b"])
    shown = [("red", 0), ("red", 0), ("lime", 0), ("bad", 0), ("blue", 1), ("lime", 0), ("bad", 2), ("lime", 1)]
    done = []
    found = score(
        classifier,
        truths(colors, *shown),
        batch_size=batch_size,
        each=lambda failure, number: done.append((failure is not None, number)),
    )
    assert (found.images, found.failed) == (6, 2)
    assert found.top1 == Score(3, 6)
    assert found.top5 is None  # any answer is among the first five of three
    assert found.classes() == {0: Score(2, 4), 1: Score(1, 2)}
    assert found.confusions() == [Confusion(0, 1, 2), Confusion(1, 2, 1)]
    assert done == [(name == "bad", number) for number, (name, _) in enumerate(shown, 1)]


def test_top_5_is_whether_fewer_than_five_are_more_probable(open_model: OpenModel, colors: dict[str, Path]) -> None:
    # For red the logits of the 8 classes are 0 to 7: the first five are 7, 6, 5, 4, 3. For blue all are 0, and of
    # equal ones the first come first.
    weight = np.stack([np.arange(8.0), np.zeros(8), np.zeros(8)])
    classifier = Classifier.of(open_model(weight=weight, metadata=HOW))
    for color, right in (("red", {3, 4, 5, 6, 7}), ("blue", {0, 1, 2, 3, 4})):
        for truth in range(8):
            found = score(classifier, truths(colors, (color, truth)))
            assert found.top5 == Score(int(truth in right), 1)
            assert found.top1 == Score(int(truth == (7 if color == "red" else 0)), 1)


def test_the_worst_class_is_the_first() -> None:
    counts = {(0, 0): 1, (0, 1): 1, (1, 0): 4, (2, 2): 1, (2, 0): 1, (3, 3): 9, (4, 0): 5, (4, 1): 5}
    found = Evaluation(Score(11, 27), None, counts, ("a", "b", "c"), 0)
    assert list(found.classes()) == [4, 1, 0, 2, 3]
    assert [(one.label, one.predicted) for one in found.confusions()] == [(4, 0), (4, 1), (1, 0), (0, 1), (2, 0)]
    assert [found.name(index) for index in (2, 3)] == ["c", "class 3"]


def test_what_is_not_a_number_fails(open_model: OpenModel, colors: dict[str, Path]) -> None:
    classifier = Classifier.of(open_model(weight=np.full((3, 3), np.nan), metadata=HOW))
    found = score(classifier, truths(colors, ("red", 0)))
    assert (found.images, found.failed) == (0, 1)


def test_no_images_are_no_answer(open_model: OpenModel) -> None:
    found = score(Classifier.of(open_model(metadata=HOW)), iter(()))
    assert (found.images, found.failed, found.counts) == (0, 0, {})


def test_images_are_asked_for_no_faster_than_they_are_seen(open_model: OpenModel, colors: dict[str, Path]) -> None:
    asked = 0

    def many() -> object:
        nonlocal asked
        for asked in range(1, 301):  # noqa: B007  it is read below
            yield Item("x", file_item(str(colors["red"])).load), 0

    most = []
    classifier = Classifier.of(open_model(metadata=HOW))
    score(classifier, many(), batch_size=4, readers=2, each=lambda _, done: most.append(asked - done))  # type: ignore[arg-type]
    # A batch that runs, two that are read, one image for each reader.
    assert max(most) <= 4 + 2 * 4 + 2 + 1
