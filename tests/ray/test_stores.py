"""Object stores that refuse, throttle, and reset connections: a clear error, or a read that is tried again."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from resdsl.cli.app import app
from resdsl.runtime.sources import items_of

pytest.importorskip("moto", reason="tests/with_ray.sh installs moto")
from tests.ray.object_store import Store, guarded, object_store

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FILES, GROUP, IN_ARCHIVE = 40, 30, 70
KINDS = ("files", "images.parquet", "0.tar")


@pytest.fixture(scope="module")
def copies(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photographs as files, as a Parquet file, and as an archive."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    folder = tmp_path_factory.mktemp("copies")
    files = sorted(photos.iterdir())
    (folder / "files").mkdir()
    for file in files[:FILES]:
        (folder / "files" / file.name).write_bytes(file.read_bytes())
    table = pyarrow.table({"image": [file.read_bytes() for file in files]})
    parquet.write_table(table, folder / "images.parquet", row_group_size=GROUP)
    with tarfile.open(folder / "0.tar", "w") as archive:
        for file in files[:IN_ARCHIVE]:
            archive.add(file, file.name)
    return folder


@pytest.fixture(scope="module")
def store(copies: Path) -> Iterator[Store]:
    with object_store() as made:
        client = made.client()
        client.create_bucket(Bucket="photos")
        client.create_bucket(Bucket="results")
        for file in copies.rglob("*.*"):
            client.upload_file(str(file), "photos", file.relative_to(copies).as_posix())
        yield made


@pytest.fixture(autouse=True)
def sound(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.throttled, store.resets = {}, {}
    store.requests.clear()
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def run(*arguments: object) -> Result:
    options = ["predict", "--threads", "1", "--device", "cpu", "--format", "jsonl", *map(str, arguments)]
    result = CliRunner().invoke(app, options)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def address(store: Store, name: str, user: str = "x:x", bucket: str = "photos") -> str:
    return f"s3://{user}@{bucket}/{name}{store.query}"


def written(store: Store, folder: str) -> bytes:
    client = store.client()
    found = client.list_objects_v2(Bucket="results", Prefix=f"{folder}/part-")["Contents"]
    return b"".join(client.get_object(Bucket="results", Key=one["Key"])["Body"].read() for one in found)


def expected(model: Path, copies: Path, kind: str) -> bytes:
    """The rows of the same images on a local disk, under the names that they have in the store."""
    run(model, copies / kind, "-o", "local.jsonl")
    return Path("local.jsonl").read_bytes().replace(str(copies).encode(), b"s3://photos")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("failure", ["503", "429", "reset"])
def test_reads_that_fail_are_tried_again(store: Store, model: Path, copies: Path, kind: str, failure: str) -> None:
    wanted = expected(model, copies, kind)
    failing = {(f"{name}.jpg" if kind == "files" else kind): 3 for name in ("0001", "0017")}
    if failure == "reset":
        store.resets = failing
    else:
        store.status, store.throttled = int(failure), failing
    assert run(model, address(store, kind), "-o", "rows.jsonl").exit_code == 1
    assert not any(failing.values())
    assert Path("rows.jsonl").read_bytes() == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_cluster_are_complete_in_a_store_that_fails(
    store: Store, cluster: str, model: Path, copies: Path, kind: str
) -> None:
    image = "0001.jpg" if kind == "files" else kind
    store.throttled = {image: 3, "_run.json": 2}
    store.resets = {image: 2}
    target = address(store, f"rows-{kind}", bucket="results")
    options = ["--engine", "ray", "--address", cluster, "--partition", 32, "-o", target]
    result = run(model, address(store, kind), *options)
    assert result.exit_code == 1, result.output
    assert not store.throttled[image] and not store.resets[image]
    assert written(store, f"rows-{kind}") == expected(model, copies, kind)
    assert "x:x" not in result.output and "endpoint_override" not in result.output
    assert "all were complete" in run(model, address(store, kind), *options, "--resume").stderr


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_credentials_are_an_error_that_says_so(store: Store, cluster: str, model: Path, kind: str) -> None:
    with guarded(store) as (key, secret):
        assert len(list(items_of(address(store, kind, f"{key}:{secret}")))) >= FILES
        for user in (f"{key}:wrong", "AKIAWRONG:wrong"):
            for options in (["-o", "rows.jsonl"], ["--engine", "ray", "--address", cluster, "-o", "rows.d"]):
                result = run(model, address(store, kind, user), *options)
                assert result.exit_code == 3, result.output
                assert f"error[E0880]: `s3://photos/{kind}` cannot be reached" in result.stderr
                assert "check the credentials" in result.stderr and "wrong" not in result.output
    assert not Path("rows.jsonl").exists() and not Path("rows.d").exists()


def test_results_that_may_not_be_written_are_an_error(store: Store, cluster: str, model: Path) -> None:
    with guarded(store) as (key, secret):
        options = ["--engine", "ray", "--address", cluster, "-o"]
        images = address(store, "files", f"{key}:{secret}")
        result = run(model, images, *options, address(store, "no", f"{key}:wrong", "results"))
    assert result.exit_code == 3 and "`s3://results/no` cannot be reached" in result.stderr, result.output


def test_an_archive_is_read_in_large_pieces(store: Store) -> None:
    assert len(list(items_of(address(store, "0.tar")))) == IN_ARCHIVE
    assert store.requests["GET", "/photos/0.tar"] == 1


def test_a_store_that_keeps_failing_ends_the_run_which_can_be_resumed(
    store: Store, model: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resdsl.runtime.stores._PAUSES", ())
    store.throttled = {"0017.jpg": 10**6}
    result = run(model, address(store, "files"), "-o", "rows.jsonl")
    assert result.exit_code == 3 and "error[E0880]: `s3://photos/files/0017.jpg`" in result.stderr, result.output
    store.throttled = {}
    assert run(model, address(store, "files"), "-o", "rows.jsonl", "--resume").exit_code == 1
    assert Path("rows.jsonl").read_bytes() == expected(model, copies, "files")


def test_names_of_objects_may_have_question_marks_and_spaces(store: Store, photos: Path) -> None:
    for key in ("odd/a b.jpg", "odd/c?.jpg", "odd/d#%20.jpg"):
        store.client().upload_file(str(photos / "0000.jpg"), "photos", key)
    items = list(items_of(address(store, "odd")))
    assert [item.name for item in items] == [f"s3://photos/odd/{name}.jpg" for name in ("a b", "c?", "d#%20")]
    assert {item.load(10**6).size for item in items} == {(48, 40)}


def test_missing_objects_are_rows(store: Store, model: Path) -> None:
    result = run(model, address(store, "nosuch.jpg"), address(store, "files/0000.jpg"), "-o", "rows.jsonl")
    assert result.exit_code == 2  # as for a path that does not exist
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    assert [row["image"] for row in rows] == ["s3://photos/nosuch.jpg", "s3://photos/files/0000.jpg"]
    assert "error" in rows[0] and "error" not in rows[1], rows
