"""Labelled images in Parquet files, archives of WebDataset, and object stores."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import resdsl
from resdsl.diagnostics.errors import RunError
from resdsl.runtime import stores
from resdsl.runtime.classifier import Classifier
from resdsl.runtime.labelled import labelled_images, labelled_pieces
from resdsl.runtime.session import open_session

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow comes with the extra `parquet`")
parquet = pytest.importorskip("pyarrow.parquet")
fs = pytest.importorskip("pyarrow.fs")

NETWORK = """
model net(classes = 3) {
  input image: f32[N, 3, 4, 4]
  preprocess { resize(4); crop(4); normalize(mean = [0.5], std = [0.25]) }
  labels ["cat", "dog", "owl"]
  flatten
  fc: linear(classes)
  output logits
}
"""
NAMES = ["dog", "cat", "owl", "dog", "dog"]
INDICES = [1, 0, 2, 1, 1]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "net.onnx"
    resdsl.compile(resdsl.loads(NETWORK), path, seed=1)
    return path


@pytest.fixture(scope="module")
def classifier(model: Path) -> Classifier:
    return Classifier.of(open_session(model, device="cpu", threads=1))


def png(number: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def table(path: Path, labels: list[Any], column: str = "label", names: list[str] | None = None) -> Path:
    made = pyarrow.table({"image": [png(number) for number in range(len(labels))], column: labels})
    if names is not None:
        info = {"info": {"features": {column: {"names": names}}}}
        made = made.replace_schema_metadata({"huggingface": json.dumps(info)})
    parquet.write_table(made, path, row_group_size=2)
    return path


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return path


def found(classifier: Classifier, source: object, **options: str) -> list[tuple[int, int]]:
    """The pixels and the class of each image."""
    images = []
    for item, index in labelled_images(classifier, str(source), None, **options):
        image = item.load(100)
        assert isinstance(image, Image.Image)
        images.append((image.getpixel((0, 0))[0], index))  # type: ignore[index]
    return images


def test_labels_are_a_column_of_names_or_indices(classifier: Classifier, tmp_path: Path) -> None:
    expected = list(enumerate(INDICES))
    assert found(classifier, table(tmp_path / "a.parquet", NAMES)) == expected
    assert found(classifier, table(tmp_path / "b.parquet", INDICES)) == expected
    assert found(classifier, table(tmp_path / "c.parquet", INDICES, "kind"), label_column="kind") == expected
    # The file numbers the classes otherwise than the model.
    theirs = ["owl", "dog", "cat"]
    numbers = [theirs.index(name) for name in NAMES]
    assert found(classifier, table(tmp_path / "d.parquet", numbers, names=theirs)) == expected


def test_parts_of_a_table_have_its_labels(classifier: Classifier, tmp_path: Path) -> None:
    (rows,) = labelled_pieces(classifier, str(table(tmp_path / "a.parquet", NAMES)), None)
    assert not isinstance(rows, tuple)
    assert [[index for _, index in part.items()] for part in rows.parts(2)] == [[1, 0], [2, 1], [1]]


def test_labels_of_archives_stand_beside_the_images(classifier: Classifier, tmp_path: Path) -> None:
    files = {
        "a/0.png": png(0), "a/0.cls": b"1\n", "a/1.cls": b"cat", "a/1.png": png(1), "a/1.json": b"{}",
        "b/0.png": png(2), "b/0.cls": b"2",
    }  # fmt: skip
    assert found(classifier, archive(tmp_path / "0.tar", files)) == [(0, 1), (1, 0), (2, 2)]


def test_a_folder_of_tables_and_archives_is_all_of_them(classifier: Classifier, tmp_path: Path) -> None:
    table(tmp_path / "1.parquet", NAMES)
    archive(tmp_path / "0.tar", {"0.png": png(7), "0.cls": b"owl"})
    assert found(classifier, tmp_path) == [(7, 2), *enumerate(INDICES)]


def test_what_has_no_label_is_named(classifier: Classifier, tmp_path: Path) -> None:
    for source, options, said in (
        (table(tmp_path / "a.parquet", ["dog", "bird"]), {}, "the label `bird` is not a class"),
        (table(tmp_path / "b.parquet", [0, 3]), {}, "the label `3` is not a class"),
        (table(tmp_path / "c.parquet", [0.5]), {}, r"the label of `.*c.parquet\[0\]` is 0.5"),
        (table(tmp_path / "d.parquet", NAMES, "kind"), {}, "no column named like labels"),
        (tmp_path / "d.parquet", {"label_column": "kinds"}, "no column `kinds`"),
        (
            archive(tmp_path / "0.tar", {"0.png": png(0), "1.png": png(1), "1.cls": b"1"}),
            {},
            "`.*0.tar/0.png` has no l",
        ),
        (archive(tmp_path / "1.tar", {"0.png": png(0), "0.cls": b"bird"}), {}, "`bird` is not a class"),
    ):
        with pytest.raises(RunError, match=said):
            found(classifier, source, **options)


def test_a_damaged_archive_is_a_failed_image(classifier: Classifier, model: Path, tmp_path: Path) -> None:
    file = archive(tmp_path / "0.tar", {"0.png": png(0), "0.cls": b"1", "1.png": png(1), "1.cls": b"1"})
    file.write_bytes(file.read_bytes()[:2600])
    evaluation = resdsl.evaluate(model, file, device="cpu", threads=1)
    assert (evaluation.images, evaluation.failed) == (1, 1)
    assert classifier.labels


def test_folders_of_classes_may_be_in_a_store(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_system", lambda _: (fs.LocalFileSystem(), str(tmp_path)))
    for number, name in enumerate(("owl/a/0.png", "cat/1.png", "cat/2.png", "cat/README.md")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png(number))
    assert found(classifier, "s3://val/") == [(1, 0), (2, 0), (0, 2)]
    table(tmp_path / "a.parquet", NAMES)
    assert found(classifier, "s3://val/a.parquet?region=x") == list(enumerate(INDICES))
    (tmp_path / "bird").mkdir()
    (tmp_path / "bird/0.png").write_bytes(png(0))
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(RunError, match="the folder `bird` is not a class"):
        found(classifier, "s3://val")
