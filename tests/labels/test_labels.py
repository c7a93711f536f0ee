"""The bundled class names."""

from __future__ import annotations

import subprocess
import sys

import pytest

from resdsl.labels import label_sets, read_labels


def test_the_sets_are_named() -> None:
    assert label_sets() == ("cifar10", "cifar100", "imagenet1k")


# The indices that papers and tutorials show: ILSVRC 2012's classes sorted by WordNet identifier.
@pytest.mark.parametrize(
    ("index", "name"),
    [
        (0, "tench"),
        (207, "golden retriever"),
        (281, "tabby"),
        (282, "tiger cat"),
        (285, "Egyptian cat"),
        (388, "giant panda"),
        (504, "coffee mug"),
        (967, "espresso"),
        (999, "toilet tissue"),
    ],
)
def test_imagenet_classes_stand_at_their_indices(index: int, name: str) -> None:
    assert read_labels("imagenet1k")[index] == name


@pytest.mark.parametrize(("name", "count"), [("imagenet1k", 1000), ("cifar10", 10), ("cifar100", 100)])
def test_every_class_has_a_name_of_its_own(name: str, count: int) -> None:
    labels = read_labels(name)
    assert len(labels) == count
    assert len(set(labels)) == count
    assert all(label == label.strip() != "" for label in labels)


@pytest.mark.parametrize("name", ["imagenet", "", "../labels/cifar10", "README"])
def test_another_set_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        read_labels(name)


def test_reading_them_loads_nothing_heavy() -> None:
    program = (
        "import sys; from resdsl.labels import read_labels; read_labels('cifar10'); "
        "print(sorted({'numpy', 'onnx', 'onnxruntime', 'PIL'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
