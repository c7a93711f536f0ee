"""Rows of a cluster are those of one process."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import resdsl
from resdsl.cli.app import app

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(command: str, *arguments: object) -> Result:
    result = CliRunner().invoke(app, [command, "--threads", "1", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def joined(folder: str = "rows") -> bytes:
    return b"".join(path.read_bytes() for path in sorted(Path(folder).glob("part-*.jsonl")))


def sources(kind: str, photos: Path) -> list[str]:
    """The photographs as files, as rows of Parquet, in archives, or as all of them."""
    import pyarrow
    from pyarrow import parquet

    files = sorted(photos.iterdir())
    if kind in ("parquet", "all"):
        table = pyarrow.table({"image": [file.read_bytes() for file in files]})
        parquet.write_table(table, "images.parquet", row_group_size=30)
        parquet.write_table(pyarrow.table({"path": [str(file) for file in files[:50]]}), "paths.parquet")
    if kind in ("archives", "all"):
        for number in range(3):
            with tarfile.open(f"{number}.tar", "w") as archive:
                for file in files[70 * number : 70 * number + 70]:
                    archive.add(file, file.name)
    found = {"files": [str(photos)], "parquet": ["images.parquet", "paths.parquet"], "archives": ["[0-2].tar"]}
    return [one for name, each in found.items() for one in each if kind in (name, "all")]


@pytest.mark.parametrize("kind", ["files", "parquet", "archives", "all"])
def test_rows_are_those_of_one_process(address: str, model: Path, photos: Path, kind: str) -> None:
    images = sources(kind, photos)
    local = run("predict", model, *images, "--device", "cpu", "-o", "rows.jsonl")
    there = run(
        "predict", model, *images, "--engine", "ray", "--address", address, "--partition", 32, "-o", "rows.jsonl.d",
        "--format", "jsonl",
    )  # fmt: skip
    assert (local.exit_code, there.exit_code) == (1, 1), there.output
    assert joined("rows.jsonl.d") == Path("rows.jsonl").read_bytes()
    assert "2 copies on 1 CPU each" in there.stderr
    assert "error[E0820]" in there.stderr


def test_embeddings_are_those_of_one_process(address: str, model: Path, photos: Path) -> None:
    from pyarrow import dataset, parquet

    options = ["--layer", "conv2", "--pool", "max"]
    run("embed", model, photos, *options, "-o", "rows.parquet")
    run("embed", model, photos, *options, "-o", "rows", "--engine", "ray", "--address", address, "--partition", 50)
    found = dataset.dataset("rows").to_table()
    assert found.equals(parquet.read_table("rows.parquet"))
    assert found.schema.metadata == parquet.read_schema("rows.parquet").metadata
    cluster, device = resdsl.ray.Cluster(address, partition=50), resdsl.DeviceOptions("cpu", threads=1)
    resdsl.embed("python", model, photos, layer="conv2", pool="max", cluster=cluster, device=device)
    assert dataset.dataset("python").to_table().equals(found)


@pytest.mark.parametrize("kind", ["list", "containers"])
def test_accuracy_is_that_of_one_process(address: str, model: Path, photos: Path, kind: str) -> None:
    files = sorted(photos.iterdir())
    if kind == "list":
        lines = [f"{file},{number % 7}" for number, file in enumerate(files)]
        Path("truth.csv").write_text("\n".join(["path,label", *lines]))
    else:
        labelled_containers(Path("val"), files)
    arguments = ["--truth", "truth.csv", "--json"] if kind == "list" else ["val", "--json"]
    local = json.loads(run("evaluate", model, *arguments).stdout)
    there = json.loads(
        run("evaluate", model, *arguments, "--engine", "ray", "--address", address, "--partition", 40).stdout
    )
    assert local["images"] > 100
    for name in ("images", "top1", "top5", "classes", "confusions", "failed"):
        assert there[name] == local[name], name


def labelled_containers(folder: Path, files: list[Path]) -> None:
    """The first hundred photographs as a Parquet file, the others as an archive of WebDataset."""
    import pyarrow
    from pyarrow import parquet

    folder.mkdir()
    table = pyarrow.table(
        {"image": [file.read_bytes() for file in files[:100]], "label": [number % 7 for number in range(100)]}
    )
    parquet.write_table(table, folder / "0.parquet", row_group_size=30)
    with tarfile.open(folder / "1.tar", "w") as archive:
        for number, file in enumerate(files[100:]):
            archive.add(file, file.name)
            label = Path("label")
            label.write_text(str(number % 7))
            archive.add(label, f"{file.stem}.cls")


def test_a_complete_run_is_kept_and_a_partial_one_continued(address: str, model: Path, photos: Path) -> None:
    arguments = [model, photos, "--engine", "ray", "--address", address, "--partition", 32, "-o", "rows.jsonl"]
    assert run("predict", *arguments).exit_code == 1
    whole = joined("rows.jsonl")
    assert "earlier run" in run("predict", *arguments).stderr
    run_file = json.loads(Path("rows.jsonl/_run.json").read_text())
    Path("rows.jsonl/_run.json").write_text(json.dumps({key: run_file[key] for key in ("digest", "format")}))
    for file in sorted(Path("rows.jsonl").glob("part-*"))[2:5]:
        file.unlink()
    result = run("predict", *arguments, "--resume")
    assert "203 images, 3 failed, 107 of them from an earlier run" in result.stderr
    assert joined("rows.jsonl") == whole
    assert "all were complete" in run("predict", *arguments, "--resume").stderr


@pytest.mark.usefixtures("address")
def test_a_client_outside_of_the_cluster_gets_the_same(client_port: int, model: Path, photos: Path) -> None:
    command = [sys.executable, "-m", "resdsl", "predict", model, photos, "--threads", "1", "--format", "jsonl"]
    client = ["--engine", "ray", "--address", f"ray://127.0.0.1:{client_port}", "--partition", "32", "-o", "rows"]
    done = subprocess.run([*command, *client], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "2 copies on 1 CPU each" in done.stderr and "203 images, 3 failed" in done.stderr
    run("predict", model, photos, "--device", "cpu", "-o", "rows.jsonl")
    assert joined() == Path("rows.jsonl").read_bytes()


def test_what_a_cluster_cannot_do_is_an_error(address: str, model: Path, photos: Path) -> None:
    engine = ["--engine", "ray", "--address"]
    for options, expected in (
        ([*engine, address, "--threads", 2], "use fewer: `--threads 1`"),
        ([*engine, address, "--device", "cuda"], "has no GPUs"),
        ([*engine, address, "--device", "cuda:1"], "E0861"),
    ):
        result = run("predict", model, photos, "-o", "rows", *options)
        assert result.exit_code == 3, result.output
        assert expected in result.stderr


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize("column", ["bytes", "path", "image"])
def test_a_pipeline_gets_columns(model: Path, photos: Path, column: str) -> None:
    import ray

    files = [str(file) for file in sorted(photos.iterdir()) if file.stat().st_size > 100][:40]
    files = files[::10] if column == "image" else files
    if column == "image":
        dataset = ray.data.read_images(files, include_paths=True, override_num_blocks=2)
    else:
        dataset = ray.data.read_binary_files(files, include_paths=True, override_num_blocks=3)
    cluster = resdsl.ray.Cluster(actors=1)
    device = resdsl.DeviceOptions("cpu", threads=1)
    rows = resdsl.ray.map_batches(dataset, model, image=column, cluster=cluster, device=device).take_all()
    by_path = {row["path"]: row for row in rows}
    assert by_path.keys() == set(files)
    for prediction in resdsl.predict(model, files, device="cpu", threads=1):
        assert isinstance(prediction, resdsl.Prediction)
        row = by_path[prediction.image]
        assert list(row["class"]) == [one.index for one in prediction.classes]
        np.testing.assert_allclose(row["probability"], [one.probability for one in prediction.classes], rtol=1e-6)
        assert row["error"] is None
