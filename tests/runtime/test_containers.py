"""Images in Parquet files and tar archives, and the parts that a cluster takes."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resdsl.diagnostics.errors import RunError
from resdsl.runtime.item import Item
from resdsl.runtime.parts import parts_of
from resdsl.runtime.sources import count_of, items_of

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow comes with the extra `parquet`")
parquet = pytest.importorskip("pyarrow.parquet")

EVERYTHING = 10**9


def pixels(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (6, 5, 3), np.uint8)


def encoded(number: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels(number)).save(stream, "PNG")
    return stream.getvalue()


def loaded(item: Item) -> np.ndarray | str:
    """The pixels of an item, or the code of its error."""
    try:
        return np.asarray(item.load(EVERYTHING))
    except RunError as error:
        return error.diagnostic.code.id


def assert_numbers(items: list[Item], numbers: list[int | str]) -> None:
    """The items are the images of these numbers; a text stands for an error."""
    for item, number in zip(items, numbers, strict=True):
        found = loaded(item)
        if isinstance(number, str):
            assert isinstance(found, str) and found == number, item.name
        else:
            np.testing.assert_array_equal(found, pixels(number))


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_column_of_bytes_is_images() -> None:
    column = [encoded(0), None, b"no image", encoded(3)]
    parquet.write_table(pyarrow.table({"id": [1, 2, 3, 4], "jpg": column}), "a.parquet", row_group_size=3)
    items = list(items_of("a.parquet"))
    assert [item.name for item in items] == [f"a.parquet[{number}]" for number in range(4)]
    # Batches begin with row groups.
    assert [item.place for item in items] == [0, 1, 2, 0]
    assert_numbers(items, [0, "E0820", "E0820", 3])
    assert count_of(["a.parquet"]) == 4


def test_a_column_of_the_hub_is_images() -> None:
    cells = [{"bytes": encoded(number), "path": f"{number}.png"} for number in range(2)]
    parquet.write_table(pyarrow.table({"label": [0, 1], "image": [*cells]}), "a.parquet")
    assert_numbers(list(items_of("a.parquet")), [0, 1])


def test_a_column_of_paths_is_relative_to_the_file() -> None:
    Path("data").mkdir()
    Path("data/0.png").write_bytes(encoded(0))
    parquet.write_table(pyarrow.table({"caption": ["x", "y"], "path": ["0.png", "gone.png"]}), "data/a.parquet")
    items = list(items_of("data/a.parquet"))
    assert [item.name for item in items] == ["data/0.png", "data/gone.png"]
    assert_numbers(items, [0, "E0801"])


def test_a_column_can_be_named() -> None:
    table = pyarrow.table({"mask": [encoded(1)], "photo": [encoded(2)], "n": [3]})
    parquet.write_table(table, "a.parquet")
    assert_numbers(list(items_of("a.parquet", column="photo")), [2])
    (item,) = items_of("a.parquet", column="photos")
    with pytest.raises(RunError) as caught:
        item.load(EVERYTHING)
    assert "did you mean `photo`?" in caught.value.diagnostic.helps
    (item,) = items_of("a.parquet", column="n")
    assert loaded(item) == "E0820"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 200 + b"PAR1"])
def test_a_file_that_is_not_parquet_is_one_failure(content: bytes) -> None:
    Path("a.parquet").write_bytes(content)
    (item,) = items_of("a.parquet")
    assert isinstance(loaded(item), str)
    assert len(list(parts_of("a.parquet", 8))) == 1


@pytest.mark.parametrize(("suffix", "mode"), [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz")])
def test_an_archive_is_its_images_in_order(suffix: str, mode: str) -> None:
    members = {"b.png": encoded(0), "b.cls": b"7", "a/c.PNG": encoded(1), ".hidden.png": b"", "bad.jpg": b"no"}
    write_tar(Path(f"s.{suffix}"), members, mode)
    items = list(items_of(f"s.{suffix}"))
    assert [item.name for item in items] == [f"s.{suffix}/{name}" for name in ("b.png", "a/c.PNG", "bad.jpg")]
    assert_numbers(items, [0, 1, "E0820"])


def test_a_truncated_archive_gives_what_is_whole_and_one_failure() -> None:
    write_tar(Path("whole.tar"), {f"{number}.png": encoded(number) for number in range(3)})
    data = Path("whole.tar").read_bytes()
    Path("s.tar").write_bytes(data[: 2 * 1024 + 600])
    items = list(items_of("s.tar"))
    assert [isinstance(loaded(item), str) for item in items] == [False, False, True]
    assert "after 2 images" in str(error_of(items[2]))


def error_of(item: Item) -> str:
    with pytest.raises(RunError) as caught:
        item.load(EVERYTHING)
    return caught.value.diagnostic.message


def test_an_archive_without_images_and_a_header_without_end_are_failures() -> None:
    write_tar(Path("none.tar"), {"a.txt": b"x"})
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 2**33
    Path("long.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(10240))
    for name, expected in (("none.tar", "no images"), ("long.tar", "a header has 8_589_934_592 bytes")):
        (item,) = items_of(name)
        assert expected in error_of(item)


def test_files_of_many_images_are_found_in_folders() -> None:
    Path("d").mkdir()
    Path("d/1.png").write_bytes(encoded(1))
    write_tar(Path("d/0.tar"), {"x.png": encoded(0)})
    parquet.write_table(pyarrow.table({"image": [encoded(2)]}), "d/2.parquet")
    np.save("d/3.npy", pixels(3)[None])
    items = list(items_of("d"))
    assert [item.name for item in items] == ["d/0.tar/x.png", "d/1.png", "d/2.parquet[0]", "d/3.npy[0]"]
    assert_numbers(items, [0, 1, 2, 3])
    assert count_of(["d"]) is None


def test_parts_are_the_same_images_at_the_same_places() -> None:
    Path("files").mkdir()
    for number in range(11):
        Path(f"files/{number:02}.png").write_bytes(encoded(number))
    parquet.write_table(pyarrow.table({"image": [encoded(n) for n in range(10)]}), "r.parquet", row_group_size=3)
    write_tar(Path("s.tar"), {f"{number}.png": encoded(number) for number in range(5)})
    np.save("x.npy", np.stack([pixels(number) for number in range(5)]))
    sources = ["files", "r.parquet", "files/00.png", "s.tar", "x.npy", "gone.png"]
    # A part crosses to another process.
    parts = [pickle.loads(pickle.dumps(part)) for part in parts_of(sources, 4)]
    assert [part.count() for part in parts] == [4, 4, 3, 3, 3, 4, 1, None, 4, 1, 1]
    items = [item for part in parts for item in part.items()]
    whole = list(items_of(sources))
    assert [(item.name, item.place) for item in items] == [(item.name, item.place) for item in whole]
    for one, other in zip(items, whole, strict=True):
        np.testing.assert_array_equal(loaded(one), loaded(other))
    assert len({part.key for part in parts}) == len(parts)
