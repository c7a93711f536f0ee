"""Object stores: their addresses, and reads that fail. The store is a folder here; tests/ray has a real one."""

from __future__ import annotations

import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.runtime import stores
from resdsl.runtime.parquet import Rows
from resdsl.runtime.sources import items_of
from resdsl.tools.predict.partitions import Done, PartitionFolder
from resdsl.tools.predict.sinks import format_of

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow comes with the extra `parquet`")
parquet = pytest.importorskip("pyarrow.parquet")
fs = pytest.importorskip("pyarrow.fs")

IMAGES, GROUP = 12, 4


class Flaky:
    """A file system whose reads fail ``left`` times, as if connections were reset."""

    def __init__(self) -> None:
        self.left = 0
        self.reads: Counter[str] = Counter()

    def get_file_info(self, what: Any) -> Any:
        return fs.LocalFileSystem().get_file_info(what)

    def open_input_file(self, path: str) -> Any:
        system = self

        class Stream:
            inner = fs.LocalFileSystem().open_input_file(path)

            def size(self) -> int:
                return int(self.inner.size())

            def read_at(self, count: int, place: int) -> bytes:
                system.reads[Path(path).name] += 1
                if system.left:
                    system.left -= 1
                    raise OSError("AWS Error NETWORK_CONNECTION during GetObject operation: connection was reset")
                return bytes(self.inner.read_at(count, place))

            def close(self) -> None:
                self.inner.close()

        return Stream()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flaky:
    """The store of ``s3://bucket/``: files, a Parquet file, and an archive of the same images."""
    made = Flaky()
    monkeypatch.setattr(stores, "_system", lambda _: (made, str(tmp_path)))
    monkeypatch.setattr(stores, "_PAUSES", (0.0, 0.0))
    (tmp_path / "files").mkdir()
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        for number in range(IMAGES):
            file = tmp_path / f"files/{number:02}.png"
            Image.fromarray(np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)).save(file)
            archive.add(file, file.name)
    data = [file.read_bytes() for file in sorted((tmp_path / "files").iterdir())]
    parquet.write_table(
        pyarrow.table({"image": data}), tmp_path / "0.parquet", row_group_size=GROUP, compression="none"
    )
    return made


def values(source: str) -> list[bytes]:
    loaded = [item.load(10**6) for item in items_of(source)]
    return [one.tobytes() for one in loaded if isinstance(one, Image.Image)]


@pytest.mark.parametrize("name", ["files", "0.parquet", "0.tar"])
def test_a_read_that_fails_in_the_middle_is_tried_again(store: Flaky, tmp_path: Path, name: str) -> None:
    store.left = 2
    assert values(f"s3://bucket/{name}") == values(str(tmp_path / name))
    assert store.left == 0


@pytest.mark.parametrize("name", ["files", "0.parquet", "0.tar"])
def test_a_store_that_keeps_failing_is_no_result_of_an_image(store: Flaky, name: str) -> None:
    store.left = 10**6
    with pytest.raises(UnavailableError, match="connection was reset") as error:
        values(f"s3://bucket/{name}")
    assert error.value.diagnostic.code.id == "E0880"


def test_parts_do_not_depend_on_whether_the_store_answers(store: Flaky) -> None:
    rows = Rows("s3://bucket/0.parquet")
    assert len(list(rows.parts(GROUP))) == IMAGES // GROUP
    store.left = 10**6
    for act in (lambda: list(rows.parts(GROUP)), rows.count):
        with pytest.raises(UnavailableError):
            act()


def test_an_archive_is_read_in_large_pieces(store: Flaky) -> None:
    assert len(values("s3://bucket/0.tar")) == IMAGES and store.reads["0.tar"] == 1


@pytest.mark.usefixtures("store")
def test_damaged_pages_of_parquet_are_rows_with_errors(tmp_path: Path) -> None:
    file = tmp_path / "0.parquet"
    start = parquet.ParquetFile(file).metadata.row_group(1).column(0).data_page_offset
    content = bytearray(file.read_bytes())
    content[start : start + 20] = b"\xff" * 20
    file.write_bytes(content)
    for source in (str(file), "s3://bucket/0.parquet"):
        failed = []
        for number, item in enumerate(items_of(source)):
            assert item.name == f"{source}[{number}]" and item.place == number % GROUP
            try:
                item.load(10**6)
            except RunError as error:
                assert "cannot be read as Parquet" in error.diagnostic.message
                failed.append(number)
        assert failed == [4, 5, 6, 7] and number == IMAGES - 1


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://photos/a?b.jpg?region=eu-west-1&scheme=http", "s3://photos/a?b.jpg"),
        ("s3://KEY:secret@photos/a", "s3://photos/a"),
        ("s3://KEY:sec/ret@photos/a", "s3://photos/a"),
        ("s3://photos/user@home.jpg", "s3://photos/user@home.jpg"),
        ("abfss://photos:secret@account.dfs.core.windows.net/a", "abfss://photos@account.dfs.core.windows.net/a"),
        ("gs://anonymous@photos/a?x.jpg", "gs://photos/a?x.jpg"),
    ],
)
def test_credentials_are_no_part_of_a_name(address: str, shown: str) -> None:
    assert stores.plain(address) == shown


def test_a_secret_that_ends_the_address_is_explained_and_not_shown() -> None:
    with pytest.raises(UnavailableError, match="the secret in its address has a `/`") as error:
        stores.store_of("s3://KEY:sec/ret@photos/a")
    assert "ret@" not in str(error.value.diagnostic) and "KEY" not in str(error.value.diagnostic)
    with pytest.raises(UnavailableError) as error:
        stores.store_of("s3://KEY:secret@photos/a?nosuch=1")
    assert "secret" not in str(error.value.diagnostic)


def test_a_file_in_a_store_is_written_by_a_cluster_only() -> None:
    with pytest.raises(RunError, match="by a cluster only"):
        format_of(Path("s3://results/rows.jsonl"), None, None)
    assert format_of(Path("s3/rows.jsonl"), None, None) == "jsonl"


class Unmovable:
    """A store that copies, but does not move, and whose errors have a type of their own."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(fs.LocalFileSystem(), name)

    def move(self, *_: str) -> None:
        raise self.error or NotImplementedError("Move() is not implemented")


def test_partitions_are_written_to_a_store_that_cannot_move_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Unmovable()
    monkeypatch.setattr(stores, "_system", lambda _: (store, str(tmp_path)))
    folder = PartitionFolder("abfs://results@account.dfs.core.windows.net/rows", "jsonl")
    assert folder.begin("digest", resume=False) == (frozenset(), None)
    folder.end("digest", Done(0, 0))
    assert folder.earlier("digest", resume=True) == (frozenset(), Done(0, 0))
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["_run.json"]
    store.error = pyarrow.ArrowException("Unknown error: no token")
    with pytest.raises(UnavailableError, match="cannot be reached: unknown error: no token"):
        folder.end("digest", Done(0, 0))
