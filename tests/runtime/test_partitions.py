"""Folders of partitions: everything that a cluster does with one, in this process."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import resdsl
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.parts import parts_of
from resdsl.runtime.rows import PredictOptions
from resdsl.runtime.session import Session, open_session
from resdsl.tools.predict.partitions import Done, Partition, PartitionFolder, PredictJob, digits, kind_of

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow comes with the extra `parquet`")
parquet = pytest.importorskip("pyarrow.parquet")

NETWORK = """
model net(classes = 7) {
  input image: f32[N, 3, 16, 16]
  preprocess { resize(16); crop(16); normalize(mean = [0.5], std = [0.25]) }
  conv1: conv(8, 3x3);  relu
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""
OPTIONS = PredictOptions(batch_size=4, top=3)
IMAGES = 21
SIZE = 8


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    resdsl.compile(resdsl.loads(NETWORK), path, seed=1)
    return path


@pytest.fixture(scope="module")
def session(model: Path) -> Session:
    return open_session(model, device="cpu", threads=1)


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(IMAGES):
        values = np.random.default_rng(number).integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(values).save(folder / f"{number:02}.png")
    (folder / "05.png").write_bytes(b"no image")
    monkeypatch.chdir(tmp_path)


def partitions() -> Iterator[Partition]:
    return (Partition(number, part) for number, part in enumerate(parts_of("photos", SIZE)))


def run(session: Session, folder: PartitionFolder, *, resume: bool = False) -> Done:
    """What the driver of a cluster does, with partitions in any order, and tasks that cross to another process."""
    done, whole = folder.begin(digits("model"), resume=resume)
    assert whole is None
    write = pickle.loads(pickle.dumps(PredictJob(folder, OPTIONS))).start(session)
    todo = [one for one in partitions() if not folder.has(one, done)]
    counts = [write(pickle.loads(pickle.dumps(one))) for one in reversed(todo)]
    counts += folder.counts([one.file(folder.kind) for one in partitions() if folder.has(one, done)])
    total = Done(sum(one.images for one in counts), sum(one.failed for one in counts))
    folder.end(digits("model"), total)
    return total


def results(kind: str) -> list[Path]:
    return sorted(Path("rows").glob(f"part-*.{kind}"))


def test_partitions_in_order_are_the_file_of_a_run_without_them(session: Session, model: Path) -> None:
    assert run(session, PartitionFolder("rows", "jsonl")) == Done(IMAGES, 1)
    resdsl.predict_to("rows.jsonl", model, "photos", device="cpu", threads=1, **OPTIONS)
    assert [path.name[:12] for path in results("jsonl")] == ["part-000000-", "part-000001-", "part-000002-"]
    assert b"".join(path.read_bytes() for path in results("jsonl")) == Path("rows.jsonl").read_bytes()
    assert sorted(path.name for path in Path("rows").iterdir())[0] == "_run.json"
    assert not Path("rows/_temporary").exists()


def test_partitions_of_parquet_are_one_data_set(session: Session, model: Path) -> None:
    dataset = pytest.importorskip("pyarrow.dataset")
    run(session, PartitionFolder("rows", "parquet"))
    resdsl.predict_to("rows.parquet", model, "photos", device="cpu", threads=1, **OPTIONS)
    # Readers leave out files that begin with `_`.
    assert dataset.dataset("rows").to_table().equals(parquet.read_table("rows.parquet"))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_run_is_resumed_with_the_partitions_that_are_missing(session: Session, kind: str) -> None:
    folder = PartitionFolder("rows", kind)
    run(session, folder)
    whole = {path: path.read_bytes() for path in results(kind)}
    # As a process leaves it that is killed before the second partition is in its place.
    lost = results(kind)[1]
    lost.unlink()
    Path("rows/_run.json").write_text(json.dumps({"digest": digits("model"), "format": kind}))
    Path("rows/_temporary").mkdir()
    Path(f"rows/_temporary/{lost.name}.0123").write_bytes(whole[lost][:10])
    kept = {path: path.stat().st_mtime_ns for path in results(kind)}
    assert run(session, folder, resume=True) == Done(IMAGES, 1)
    assert {path: path.read_bytes() for path in results(kind)} == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert folder.begin(digits("model"), resume=True)[1] == Done(IMAGES, 1)


def refusal(folder: PartitionFolder, digest: str, *, resume: bool) -> str:
    with pytest.raises(RunError) as caught:
        folder.begin(digest, resume=resume)
    return caught.value.diagnostic.message


def test_results_of_other_runs_are_not_mixed(session: Session) -> None:
    folder = PartitionFolder("rows", "jsonl")
    run(session, folder)
    assert "the results of an earlier run" in refusal(folder, digits("model"), resume=False)
    assert "another model or other options" in refusal(folder, digits("other"), resume=True)
    assert "files that are not results" in refusal(PartitionFolder("photos", "jsonl"), "x", resume=False)
    Path("file").write_text("x")
    assert "is a file" in refusal(PartitionFolder("file", "jsonl"), "x", resume=False)


def test_other_images_are_noticed(session: Session) -> None:
    folder = PartitionFolder("rows", "jsonl")
    run(session, folder)
    Path("photos/07.png").rename("photos/07a.png")
    done, _ = folder.begin(digits("model"), resume=True)
    with pytest.raises(RunError, match="the images of partition 0 of `rows` have changed"):
        list(filter(lambda one: folder.has(one, done), partitions()))


def test_a_run_that_fails_leaves_no_partition(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = PartitionFolder("rows", "jsonl")
    folder.begin(digits("model"), resume=False)

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("resdsl.tools.predict.partitions.shutil.copyfileobj", full)
    monkeypatch.setattr("resdsl.runtime.stores._PAUSES", ())
    with pytest.raises(RunError, match="no space left"):
        PredictJob(folder, OPTIONS).start(session)(next(partitions()))
    assert results("jsonl") == []


@pytest.mark.skipif(os.name == "nt", reason="a name that is not Unicode")
def test_names_of_any_bytes_are_identified() -> None:
    Path("photos/\udcff.png").write_bytes(b"x")
    assert len({one.file("jsonl") for one in partitions()}) == 3


def test_the_format_follows_from_the_name_of_the_folder() -> None:
    assert [kind_of(name, None) for name in ("rows", "rows.jsonl", "s3://b/rows.parquet?x=1")] == [
        "parquet",
        "jsonl",
        "parquet",
    ]
    with pytest.raises(RunError, match="not `csv`"):
        kind_of("rows", "csv")
