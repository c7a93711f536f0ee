"""Ground-truth labels from class folders or a CSV."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from resdsl.diagnostics.errors import RunError
from resdsl.labels import read_labels, synsets_of
from resdsl.runtime.ground_truth import ClassNames, LabelledImage, labels_from_csv, labels_from_folders

ANIMALS = ClassNames("m.onnx", ["tench, Tinca tinca", "great white shark", "cat", "Cat", "drum", "drum"], 6)
IMAGENET = ClassNames("m.onnx", read_labels("imagenet1k"), 1000)


def folder(path: Path, *names: str) -> Path:
    """A folder with an image of every name, and what else lies in folders of images."""
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (1, 1)).save(path / name)
    (path / "README.md").write_text("of images")
    (path / ".cache").mkdir()
    (path / "empty").mkdir()
    return path


def classes_by_path(found: list[LabelledImage], root: Path) -> list[tuple[str, int]]:
    return [(str(Path(item.name).relative_to(root)), index) for item, index in found]


def problem(act: object) -> str:
    assert callable(act)
    with pytest.raises(RunError) as caught:
        act()
    found = caught.value.diagnostic
    return " | ".join([f"{found.code.id}: {found.message}", *found.notes, *found.helps])


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("tench, Tinca tinca", 0),
        ("tench", 0),
        ("great_white_shark", 1),
        ("Great-White Shark", 1),
        ("cat", 2),
        ("Cat", 3),
        ("4", 4),
        ("0005", 5),
        ("6", None),
        ("-1", None),
        ("", None),
        ("dog", None),
        ("n01440764", None),  # these are not the labels of ImageNet
    ],
)
def test_a_class_has_several_names(name: str, index: int | None) -> None:
    assert ANIMALS.find(name) == index


@pytest.mark.parametrize("name", ["drum", "CAT"])
def test_an_ambiguous_class_name_is_reported(name: str) -> None:
    assert "is ambiguous" in problem(lambda: ANIMALS.find(name))


def test_a_label_that_is_a_number_is_meant_before_an_index() -> None:
    digits = ClassNames("m", ["1", "0"], 2)
    assert [digits.find(name) for name in ("0", "1")] == [1, 0]


# Deng et al. 2009's identifiers as the ILSVRC lists them; Imagenette's ten classes by their own list.
@pytest.mark.parametrize(
    ("synset", "label"),
    [
        ("n01440764", "tench"),
        ("n02102040", "English springer"),
        ("n02979186", "cassette player"),
        ("n03000684", "chain saw"),
        ("n03028079", "church"),
        ("n03394916", "French horn"),
        ("n03417042", "garbage truck"),
        ("n03425413", "gas pump"),
        ("n03445777", "golf ball"),
        ("n03888257", "parachute"),
    ],
)
def test_imagenets_classes_have_identifiers(synset: str, label: str) -> None:
    index = IMAGENET.find(synset)
    assert index is not None
    assert IMAGENET.labels[index] == label


def test_identifiers_come_in_the_order_of_the_labels() -> None:
    synsets = synsets_of(read_labels("imagenet1k"))
    assert len(set(synsets)) == 1000
    # The labels are in the order of the sorted identifiers.
    assert list(synsets) == sorted(synsets)
    assert synsets_of(read_labels("cifar10")) == ()


def test_folders_tell_the_classes_of_all_images_below_them(tmp_path: Path) -> None:
    root = folder(tmp_path, "cat/2.png", "cat/10.png", "cat/more/x.png", "tench/y.png", "5/z.png")
    found = list(labels_from_folders(root, ANIMALS))
    assert classes_by_path(found, root) == [
        ("5/z.png", 5),
        ("cat/10.png", 2),
        ("cat/2.png", 2),
        ("cat/more/x.png", 2),
        ("tench/y.png", 0),
    ]


def test_folders_of_unknown_classes_are_reported_with_suggestions(tmp_path: Path) -> None:
    root = folder(tmp_path, "cat/1.png", "tensch/1.png", "great_wite_shark/1.png", "77/1.png", "zzz/1.png")
    message = problem(lambda: labels_from_folders(root, ClassNames("m.onnx", ["tench", "great white shark", "cat"], 3)))
    assert "the folder `77` is not a class of `m.onnx` (and 3 more)" in message
    assert "the folder `77`: the last class is 2" in message
    assert "the folder `tensch`: did you mean `tench`?" in message
    assert "the folder `great_wite_shark`: did you mean `great white shark`?" in message
    assert "the folder `zzz` resembles no label" in message


def test_the_parent_of_the_class_folders_is_recognised(tmp_path: Path) -> None:
    root = folder(tmp_path, "train/cat/1.png", "val/cat/1.png")
    advice = f"`{root / 'val'}` has subfolders named like classes: pass that folder"
    assert advice in problem(lambda: labels_from_folders(root, ANIMALS))


def test_a_model_without_labels_has_indices(tmp_path: Path) -> None:
    nameless = ClassNames("m.onnx", (), 10)
    root = folder(tmp_path, "7/1.png", "9/1.png")
    assert [index for _, index in labels_from_folders(root, nameless)] == [7, 9]
    folder(tmp_path / "b", "cat/1.png")
    assert "use the indices of the classes, from 0" in problem(lambda: labels_from_folders(tmp_path / "b", nameless))


def test_a_folder_without_classes_is_reported(tmp_path: Path) -> None:
    root = folder(tmp_path, "x.png")
    assert "has no subfolders with images" in problem(lambda: labels_from_folders(root, ANIMALS))
    assert "is not a folder" in problem(lambda: labels_from_folders(root / "x.png", ANIMALS))
    assert problem(lambda: labels_from_folders(root / "absent", ANIMALS)).startswith("E0801")


def test_a_table_gives_the_classes_of_its_paths(tmp_path: Path) -> None:
    table = tmp_path / "truth.csv"
    table.write_text('\ufeffLabel, note ,PATH\r\ncat,,"a, b.png"\r\n\r\n4,x,c/d.png\r\n', encoding="utf-8")
    assert classes_by_path(list(labels_from_csv(table, ANIMALS)), tmp_path) == [("a, b.png", 2), ("c/d.png", 4)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "E0805"),
        ("a.png,cat\n", "lacks the columns `path` and `label`: it has `a.png`, `cat` | start the file with"),
        ("path,label\n", "has no rows"),
        ("path,label\na.png\n", "line 2 of"),
        ("path,label\na.png,dog\nb.png,dog\nc.png,catt\n", "the label `dog` is not a class of `m.onnx` (and 1 more)"),
        (f"path,label\na.png,{'x' * 200_000}\n", "is not CSV: field larger than field limit"),
    ],
)
def test_a_table_of_another_form_is_reported(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text(text)
    assert expected in problem(lambda: labels_from_csv(tmp_path / "truth.csv", ANIMALS))
