"""Resumable line-oriented output: a run continues where the last one was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.diagnostics.errors import OutputError, RunError
from resdsl.runtime.formats import CsvLines, JsonLines, Lines
from resdsl.runtime.item import Item
from resdsl.runtime.results import Failure, Prediction, Ranked, Result
from resdsl.tools.predict.resumable import completed_rows, digest_of, resumable_file

DIGEST = "0123abcd"
NAMES = ["a.png", "b,\n.png", 'c"é".png', "d.png"]


def rows(names: list[str] = NAMES) -> list[Result]:
    failed = Diagnostic(catalogue.IMAGE_UNREADABLE, "no,\nimage")
    return [
        Failure(name, failed) if name.startswith("c") else Prediction(name, (Ranked(1, 0.5, "x"),), "cpu", 0.1)
        for name in names
    ]


def items(names: list[str] = NAMES) -> Iterator[Item]:
    return (Item(name, lambda _: pytest.fail("nothing is read")) for name in names)


def run(target: Path, lines: Lines, *, resume: bool = True, names: list[str] = NAMES) -> list[str]:
    """What a whole run does; the names of the images that it still had to see."""
    made = {row.image: row for row in rows(names)}
    seen = []
    with resumable_file(target, lines, DIGEST, resume=resume) as part:
        for item in part.skip(items(names)):
            part.write(made[item.name])
            seen.append(item.name)
        assert (part.done, part.failed) == (len(names), 1)
    return seen


@pytest.mark.parametrize("lines", [JsonLines(), CsvLines(1)])
def test_a_run_cut_off_after_any_byte_is_completed_without_losing_or_repeating_a_row(
    lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)  # hundreds of runs: the disk need not have them all
    target = tmp_path / "rows"
    assert run(target, lines, resume=False) == NAMES
    content = target.read_bytes()
    assert content == lines.header + b"".join(map(lines.line, rows()))
    part = tmp_path / f"rows.{DIGEST}.part"
    for length in range(len(content) + 1):
        target.unlink()
        part.write_bytes(content[:length])
        seen = run(target, lines)
        assert target.read_bytes() == content
        assert not part.exists()
        whole = [bool(row) and content[:length].startswith(row) for row in _beginnings(lines)]
        assert seen == NAMES[sum(whole) :]


def _beginnings(lines: Lines) -> list[bytes]:
    """The file up to the end of its first row, its second, and so on."""
    ends = [lines.header]
    for row in rows():
        ends.append(ends[-1] + lines.line(row))
    return ends[1:]


@pytest.mark.parametrize("lines", [JsonLines(), CsvLines(1)])
def test_what_a_failing_disk_left_is_cut_off(lines: Lines, tmp_path: Path) -> None:
    target = tmp_path / "rows"
    run(target, lines, resume=False)
    content = target.read_bytes()
    target.unlink()
    (tmp_path / f"rows.{DIGEST}.part").write_bytes(_beginnings(lines)[0] + bytes(100) + b"\n" + content)
    run(target, lines)
    assert target.read_bytes() == content


def test_a_run_that_breaks_leaves_its_rows_and_no_file(tmp_path: Path) -> None:
    target = tmp_path / "rows.jsonl"
    with pytest.raises(KeyboardInterrupt), resumable_file(target, JsonLines(), DIGEST, resume=False) as part:
        part.write(rows()[0])
        raise KeyboardInterrupt
    assert not target.exists()
    assert run(target, JsonLines()) == NAMES[1:]


def test_a_run_that_breaks_before_its_first_row_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), resumable_file(tmp_path / "rows", CsvLines(1), DIGEST, resume=False):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_partial_results_are_not_overwritten_unasked(tmp_path: Path) -> None:
    rest = tmp_path / f"rows.{DIGEST}.part"
    rest.write_bytes(b"{")
    with pytest.raises(RunError, match="was interrupted") as caught:
        run(tmp_path / "rows", JsonLines(), resume=False)
    assert caught.value.diagnostic.code.id == "E0815"
    assert "add `resume=True` to continue it" in caught.value.diagnostic.helps
    assert rest.read_bytes() == b"{"


def test_results_of_another_model_are_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "rows.ffffffff.part").write_bytes(JsonLines().line(rows()[0]))
    with pytest.raises(RunError, match="with another model or other options"):
        run(tmp_path / "rows", JsonLines())


@pytest.mark.parametrize(
    ("now", "expected"),
    [(["a.png", "x.png", "c"], "image 2 was `b,\n.png`.* is now `x.png`"), (["a.png"], "and is now missing")],
)
def test_results_of_other_images_are_not_resumed(now: list[str], expected: str, tmp_path: Path) -> None:
    lines = JsonLines()
    (tmp_path / f"rows.{DIGEST}.part").write_bytes(b"".join(map(lines.line, rows()[:3])))
    with pytest.raises(RunError, match=expected):
        run(tmp_path / "rows", lines, names=now)
    # They are still there for a run with the right ones.
    assert run(tmp_path / "rows", lines) == NAMES[3:]


def test_a_file_is_complete_where_no_run_was_cut_off_since(tmp_path: Path) -> None:
    target = tmp_path / "rows"
    assert completed_rows(target, JsonLines()) is None
    run(target, JsonLines(), resume=False)
    found = completed_rows(target, JsonLines())
    assert found is not None
    assert (found.rows, found.failed) == (4, 1)
    (tmp_path / f"rows.{DIGEST}.part").write_bytes(b"{")
    assert completed_rows(target, JsonLines()) is None


def test_an_impossible_output_is_reported_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        run(tmp_path / "no" / "rows", JsonLines())
    assert caught.value.diagnostic.code.id == "E0810"


def test_a_digest_differs_between_models_and_options(tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"a")
    two.write_bytes(b"b")
    digests = {digest_of(one, 5), digest_of(two, 5), digest_of(one, 6), digest_of(one, "5")}
    assert len(digests) == 4
    assert digest_of(one, 5) in digests
