"""Sources of images: which images, in which order, and errors if there are none."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resdsl.diagnostics.errors import RunError
from resdsl.runtime.item import Item
from resdsl.runtime.sources import count_of, items_of

RED = (255, 0, 0)


def png(color: tuple[int, int, int] = RED) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (2, 2), color).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with images at several depths and other things among them."""
    for name in ("b.png", "a.JPG", "c/10.png", "c/9.png", "c/d/e.webp", "c.txt", ".hidden.png", ".git/x.png", "f.npy"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png())
    np.save(tmp_path / "photos" / "f.npy", np.zeros((2, 3, 4, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(items: Iterator[Item]) -> list[str]:
    return [item.name for item in items]


def problem_text(item: Item) -> str:
    with pytest.raises(RunError) as caught:
        item.load(10**6)
    return f"{caught.value.diagnostic.code.id}: {caught.value.diagnostic.message}"


def standard_input(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))


@pytest.mark.usefixtures("tree")
def test_a_folder_is_all_images_below_it_by_their_names() -> None:
    below = ["a.JPG", "b.png", "c/10.png", "c/9.png", "c/d/e.webp", "f.npy[0]", "f.npy[1]"]
    assert names(items_of("photos")) == [f"photos/{name}" for name in below]


@pytest.mark.usefixtures("tree")
def test_what_is_named_comes_in_the_order_of_its_naming() -> None:
    assert names(items_of(["photos/c/9.png", "photos/b.png", "photos/c"])) == [
        "photos/c/9.png",
        "photos/b.png",
        "photos/c/10.png",
        "photos/c/9.png",
        "photos/c/d/e.webp",
    ]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("photos/*.png", ["photos/b.png"]),
        ("photos/c/[0-9].png", ["photos/c/9.png"]),
        ("photos/**/*.png", ["photos/b.png", "photos/c/10.png", "photos/c/9.png"]),
    ],
)
@pytest.mark.usefixtures("tree")
def test_a_pattern_is_the_files_that_match_it(pattern: str, found: list[str]) -> None:
    assert names(items_of(pattern)) == found


def test_a_file_may_be_called_like_a_pattern(tree: Path) -> None:
    (tree / "x[1].png").write_bytes(png())
    assert names(items_of("x[1].png")) == ["x[1].png"]
    (item,) = items_of(["x[1].png"])
    assert np.asarray(item.load(100)).tolist() == [[[255, 0, 0]] * 2] * 2


def test_links_to_folders_are_followed_but_not_in_circles(tree: Path) -> None:
    (tree / "linked").mkdir()
    (tree / "linked" / "up").symlink_to(tree / "linked", target_is_directory=True)
    (tree / "linked" / "down").symlink_to(tree / "photos" / "c" / "d", target_is_directory=True)
    assert names(items_of("linked")) == ["linked/down/e.webp"]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("absent.png", "E0801: `absent.png` does not exist"),
        ("nothing*.png", "E0801: no file matches `nothing*.png`"),
        ("photos/.git/..", None),
        ("empty", "E0801: the folder `empty` has no images"),
        ("a\0b", "E0803: "),
        ("n" * 5000, "E0803: "),
    ],
)
def test_a_source_without_images_is_one_item_with_the_reason(named: str, said: str | None, tree: Path) -> None:
    (tree / "empty").mkdir()
    found = list(items_of(named))
    if said is None:
        assert len(found) > 1
        return
    (item,) = found
    assert item.name == named
    assert problem_text(item).startswith(said)


@pytest.mark.parametrize(
    ("content", "null"),
    [
        (b"photos/b.png\nphotos/c/9.png\n", False),
        (b"photos/b.png\r\n\r\nphotos/c/9.png", False),
        (b"photos/b.png\0photos/c/9.png\0", True),
    ],
)
@pytest.mark.usefixtures("tree")
def test_standard_input_is_a_list_of_paths(content: bytes, null: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    standard_input(content, monkeypatch)
    assert names(items_of("-", null=null)) == ["photos/b.png", "photos/c/9.png"]


def test_a_path_between_zero_bytes_may_have_the_end_of_a_line_in_it(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "two\nlines.png").write_bytes(png())
    standard_input(b"two\nlines.png\0", monkeypatch)
    (item,) = items_of("-", null=True)
    assert item.name == "two\nlines.png"
    item.load(100)


@pytest.mark.usefixtures("tree")
def test_names_in_a_list_are_no_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    standard_input(b"photos/*.png\n", monkeypatch)
    (item,) = items_of("-")
    assert problem_text(item).startswith("E0801: `photos/*.png` does not exist")


@pytest.mark.usefixtures("tree")
def test_a_list_that_is_longer_than_a_buffer_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [f"photos/{number:060}.png" for number in range(5000)]
    standard_input("\n".join(wanted).encode(), monkeypatch)
    assert names(items_of("-")) == wanted


def test_standard_input_may_be_an_image_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    standard_input(png(), monkeypatch)
    (item,) = items_of("-")
    assert item.name == "standard input"
    assert np.asarray(item.load(100)).tolist() == [[[255, 0, 0]] * 2] * 2


def test_a_name_that_is_not_unicode_is_found(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = b"\xff\xfe.png"
    try:
        (tree / os.fsdecode(name)).write_bytes(png())
    except OSError:
        pytest.skip("this file system has names in Unicode alone")
    standard_input(name + b"\n", monkeypatch)
    (item,) = items_of("-")
    item.load(100)


def test_images_in_memory_stand_for_themselves() -> None:
    grey = Image.new("L", (3, 2), 51)
    found = list(items_of([grey, np.full((2, 3, 3), 51, np.uint8)]))
    assert [item.name for item in found] == ["image 0", "image 1"]
    for item in found:
        np.testing.assert_array_equal(np.asarray(item.load(100)), np.full((2, 3, 3), 51))
        assert problem_text(Item(item.name, lambda _, item=item: item.load(5))).startswith("E0821")


@pytest.mark.usefixtures("tree")
def test_images_are_counted_where_that_needs_no_standard_input() -> None:
    assert count_of(["photos", "photos/b.png"]) == 8
    assert count_of(["photos", "-"]) is None
