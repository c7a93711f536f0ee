"""Labelled images from folders, lists, archives and Parquet files, and the classes that they are."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from resdsl.diagnostics.errors import RunError
from resdsl.runtime.images import MAX_PIXELS
from resdsl.tools.train.classes import classes_of, held_back, samples_of, without_images
from resdsl.tools.train.labelled import read_both, read_labelled


def codes(raised: pytest.ExceptionInfo[RunError]) -> str:
    return raised.value.diagnostic.code.id


def test_a_folder_has_a_class_for_each_subfolder(squares: Callable[..., Path]) -> None:
    data = read_labelled(str(squares("cat", "dog", images=2)))
    assert [(Path(item.name).parent.name, label) for item, label in zip(data.items, data.labels, strict=True)] == [
        ("cat", "cat"),
        ("cat", "cat"),
        ("dog", "dog"),
        ("dog", "dog"),
    ]
    assert data.names == ("cat", "dog")


def test_a_class_without_images_is_reported_with_its_folder(squares: Callable[..., Path]) -> None:
    folder = squares("cat", "dog")
    (folder / "eel").mkdir()
    with pytest.raises(RunError, match="the class `eel` has no images") as raised:
        read_labelled(str(folder))
    assert codes(raised) == "E0890"


def test_folders_that_are_parts_of_a_data_set_are_no_classes(squares: Callable[..., Path]) -> None:
    folder = squares("train", "val")
    with pytest.raises(RunError, match="parts of a data set") as raised:
        read_labelled(str(folder))
    assert str(folder / "val") in raised.value.diagnostic.helps[0]


def test_a_list_has_paths_relative_to_it(squares: Callable[..., Path]) -> None:
    folder = squares("cat", "dog", images=1)
    table = folder / "list.csv"
    table.write_text("path,label\ndog/000.png,dog\ncat/000.png,cat\n")
    data = read_labelled(str(table))
    assert list(data.labels) == ["dog", "cat"]
    assert data.items[0].load(MAX_PIXELS).size == (8, 8)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("names", "held"),
    [
        (("images", "labels"), False),
        (("x_train", "y_train", "x_test", "y_test"), True),
        (("train_images", "train_labels", "val_images", "val_labels"), True),
    ],
)
def test_arrays_are_found_by_usual_names(tmp_path: Path, names: tuple[str, ...], held: bool) -> None:
    images, labels = np.zeros((4, 8, 8, 3), np.uint8), np.arange(4) % 2
    path = tmp_path / "data.npz"
    np.savez(path, **dict(zip(names, (images, labels) * 2, strict=False)))
    data, validation = read_both(str(path))
    assert list(data.labels) == [0, 1, 0, 1]
    assert (validation is not None) == held


def test_greyscale_arrays_are_images(tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    np.savez(path, images=np.full((2, 5, 4), 9, np.uint8), labels=np.array([[1], [0]]))
    data = read_labelled(str(path))
    assert data.items[0].load(MAX_PIXELS).size == (4, 5)  # type: ignore[union-attr]
    assert list(data.labels) == [1, 0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": np.zeros((2, 4, 4, 3), np.uint8)}, "no pair of arrays"),
        (
            {"images": np.zeros((2, 4, 4, 3), np.uint8), "labels": np.zeros(3, int)},
            r"uint8\[2, 4, 4, 3\] and int64\[3\]",
        ),
        ({"images": np.zeros((2, 4, 4, 3), np.uint8), "labels": np.zeros(2)}, "float64"),
        ({"images": np.zeros((1, 4, 4, 3), np.uint8), "labels": np.full((1, 3), 2.0)}, "outside of 0 to 1"),
    ],
)
def test_arrays_that_are_no_labelled_images_are_reported(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "data.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(RunError, match=message):
        read_labelled(str(tmp_path / "data.npz"))


def test_pickles_in_archives_are_not_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", images=np.array([object()]), labels=np.zeros(1))
    with pytest.raises(RunError, match="cannot be read as an archive"):
        read_labelled(str(tmp_path / "data.npz"))


def _png(value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (value, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def test_parquet_files_of_the_model_hub_have_images_labels_and_names(tmp_path: Path) -> None:
    features = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    images = [{"bytes": _png(value), "path": None} for value in (1, 2, 3)]
    table = pa.table({"image": images, "label": [0, 1, 1]}).replace_schema_metadata(
        {"huggingface": json.dumps(features)}
    )
    pq.write_table(table, tmp_path / "data.parquet")
    data = read_labelled(str(tmp_path / "data.parquet"))
    assert (list(data.labels), data.names) == ([0, 1, 1], ("cat", "dog"))
    assert data.items[2].load(MAX_PIXELS).getpixel((0, 0)) == (3, 0, 0)  # type: ignore[union-attr]


def test_a_parquet_file_without_labels_lists_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [_png(1)], "species": ["cat"]}), tmp_path / "data.parquet")
    with pytest.raises(RunError, match="no column named like labels") as raised:
        read_labelled(str(tmp_path / "data.parquet"))
    assert "`species`" in " ".join(raised.value.diagnostic.helps)
    data = read_labelled(str(tmp_path / "data.parquet"), label_column="species")
    assert list(data.labels) == ["cat"]


def test_a_file_that_is_no_parquet_is_reported(tmp_path: Path) -> None:
    (tmp_path / "data.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(RunError, match="cannot be read as Parquet"):
        read_labelled(str(tmp_path / "data.parquet"))


# --- classes ---------------------------------------------------------------------------------------------------------


def test_labels_of_the_network_keep_their_indices(squares: Callable[..., Path]) -> None:
    data = read_labelled(str(squares("Great_White", "cat", images=1)))
    found = classes_of(data, "net", ("cat", "dog", "great white"), 3, may_change=True, new=False)
    assert not found.are_new
    assert list(samples_of(data, found, "net").targets) == [2, 0]


def test_a_class_of_the_network_without_images_is_a_warning(squares: Callable[..., Path]) -> None:
    data = read_labelled(str(squares("cat", "dog", images=1)))
    found = classes_of(data, "net", ("cat", "dog", "eel"), 3, may_change=True, new=False)
    (warning,) = without_images(samples_of(data, found, "net"), found)
    assert warning.code.id == "W0802"
    assert "1 of 3 class has no images" in warning.message
    assert "`eel`" in warning.message


def test_other_labels_are_new_classes_if_the_number_may_change(squares: Callable[..., Path]) -> None:
    data = read_labelled(str(squares("ash", "oak", images=1)))
    found = classes_of(data, "net", ("cat", "dog", "eel"), 3, may_change=True, new=False)
    assert (found.count, found.names, found.are_new) == (2, ("ash", "oak"), True)


def test_a_label_like_one_of_the_network_is_reported_with_it(squares: Callable[..., Path]) -> None:
    data = read_labelled(str(squares("cat", "dgo", images=1)))
    with pytest.raises(RunError, match=r"`dgo` of .* is not a class of `net`") as raised:
        classes_of(data, "net", ("cat", "dog"), 2, may_change=True, new=False)
    assert raised.value.diagnostic.helps[0] == "did you mean `dog`?"
    assert classes_of(data, "net", ("cat", "dog"), 2, may_change=False, new=True).names == ("cat", "dgo")


def test_an_index_beyond_the_classes_is_reported_with_its_image(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", images=np.zeros((3, 4, 4, 3), np.uint8), labels=np.array([0, 7, 1]))
    data = read_labelled(str(tmp_path / "d.npz"))
    with pytest.raises(RunError, match=r"images\[1\]` is 7, and `net` has 5 classes") as raised:
        classes_of(data, "net", (), 5, may_change=False, new=False)
    assert codes(raised) == "E0893"
    assert classes_of(data, "net", (), 5, may_change=True, new=False).count == 8


def test_fewer_indices_than_classes_are_those_of_the_network(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", images=np.zeros((3, 4, 4, 3), np.uint8), labels=np.array([0, 3, 1]))
    data = read_labelled(str(tmp_path / "d.npz"))
    assert classes_of(data, "net", (), 10, may_change=True, new=False).count == 10


def test_negative_labels_are_reported(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", images=np.zeros((2, 4, 4, 3), np.uint8), labels=np.array([0, -1]))
    with pytest.raises(RunError, match=r"images\[1\]` is -1"):
        classes_of(read_labelled(str(tmp_path / "d.npz")), "net", (), 5, may_change=True, new=False)


def test_rows_of_targets_need_as_many_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", images=np.zeros((2, 4, 4, 3), np.uint8), labels=np.eye(2, 3))
    data = read_labelled(str(tmp_path / "d.npz"))
    with pytest.raises(RunError, match="has 3 classes, and `net` has 5"):
        classes_of(data, "net", (), 5, may_change=False, new=False)
    assert samples_of(data, classes_of(data, "net", (), 5, may_change=True, new=False), "net").targets.shape == (2, 3)


def test_a_share_of_each_class_is_held_back_and_the_rest_trained_on(squares: Callable[..., Path]) -> None:
    data = read_labelled(str(squares("cat", "dog", images=10)))
    kept, held = held_back(data, 0.3, seed=1)
    assert held is not None
    assert [list(held.labels).count(label) for label in ("cat", "dog")] == [3, 3]
    assert {item.name for item in kept.items} | {item.name for item in held.items} == {item.name for item in data.items}
    assert len(kept) + len(held) == len(data)
    again = held_back(data, 0.3, seed=1)[1]
    assert again is not None
    assert [item.name for item in again.items] == [item.name for item in held.items]
    assert held_back(data, 0.0, seed=1) == (data, None)


def test_a_class_of_one_image_keeps_it(squares: Callable[..., Path]) -> None:
    kept, held = held_back(read_labelled(str(squares("cat", "dog", images=1))), 0.9, seed=0)
    assert (len(kept), held) == (2, None)
