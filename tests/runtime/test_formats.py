"""Results as files, read back by independent readers."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.formats import CsvLines, JsonLines, Lines, NpyTable, ParquetTable, TextLines
from resdsl.runtime.results import Failure, Features, FeatureType, Prediction, Ranked, Result

SEEN = Prediction("a.png", (Ranked(3, 0.75, 'cat, "big"'), Ranked(0, 0.25, None)), "cpu", 0.0123)
FAILED = Failure("b\n.png", Diagnostic(catalogue.IMAGE_UNREADABLE, "`b` is damaged"))
LATIN = Failure("\udcff.png", Diagnostic(catalogue.FILE_NOT_FOUND, "gone"))


def features(*values: float, name: str = "a.png") -> Features:
    return Features(name, "flatten", np.array(values, np.float32), "cpu", 0.5)


def written(lines: Lines, *rows: Result) -> bytes:
    return lines.header + b"".join(map(lines.line, rows))


def test_lines_of_json_are_json() -> None:
    one, two, three = written(JsonLines(), SEEN, FAILED, features(0.5, -2)).splitlines()
    assert json.loads(one) == {
        "image": "a.png",
        "classes": [
            {"index": 3, "label": 'cat, "big"', "probability": 0.75},
            {"index": 0, "label": None, "probability": 0.25},
        ],
    }
    assert json.loads(two) == {"image": "b\n.png", "error": {"code": "E0820", "message": "`b` is damaged"}}
    assert json.loads(three) == {"image": "a.png", "output": "flatten", "features": [0.5, -2.0]}


def test_csv_is_csv() -> None:
    text = written(CsvLines(3), SEEN, FAILED).decode()
    seen, failed = csv.DictReader(io.StringIO(text, newline=""))
    assert (seen["image"], seen["class_1"], seen["label_1"], seen["probability_1"]) == (
        "a.png",
        "3",
        'cat, "big"',
        "0.75",
    )
    assert (seen["class_2"], seen["label_2"], seen["class_3"], seen["error"]) == ("0", "", "", "")
    assert (failed["image"], failed["class_1"], failed["error"]) == ("b\n.png", "", "E0820: `b` is damaged")


@pytest.mark.parametrize("lines", [JsonLines(), CsvLines(2)])
@pytest.mark.parametrize("row", [SEEN, FAILED, LATIN])
def test_a_line_has_the_image_and_whether_it_failed(lines: Lines, row: Result) -> None:
    line = lines.line(row)
    assert lines.read(line) == (row.image, isinstance(row, Failure))
    # A row is whole at its last line and not before.
    parts = line.splitlines(keepends=True)
    beginnings = [b"".join(parts[: number + 1]) for number in range(len(parts))]
    assert [lines.is_complete(one) for one in beginnings] == [False] * (len(parts) - 1) + [True]


@pytest.mark.parametrize("lines", [JsonLines(), CsvLines(2)])
@pytest.mark.parametrize(
    "line", [b"\n", b"{}\n", b"[]\n", b'{"image": 3}\n', b"a,b\n", b"\0\0\0\n", b'"a\n', b"\xff\n"]
)
def test_what_is_no_row_is_not_taken_for_one(lines: Lines, line: bytes) -> None:
    with pytest.raises(ValueError):
        lines.read(line)


def test_text_is_for_people() -> None:
    text = written(TextLines(), SEEN).decode()
    assert text == 'a.png (12 ms)\n  cat, "big"   75.00%\n  class 0      25.00%\n'
    assert written(TextLines(), features(*range(8))).decode() == "a.png (500 ms)\n  [8]: 0 1 2 3 4 5 ..\n"


def test_parquet_holds_the_rows() -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow comes with the extra `parquet`")
    stream = io.BytesIO()
    table = ParquetTable(stream, None)
    for row in (SEEN, FAILED):
        table.write(row)
    table.close()
    seen, failed = parquet.read_table(io.BytesIO(stream.getvalue())).to_pylist()
    assert seen == {
        "image": "a.png",
        "class": [3, 0],
        "label": ['cat, "big"', None],
        "probability": [0.75, 0.25],
        "error": None,
    }
    assert (failed["class"], failed["error"]) == (None, "E0820: `b` is damaged")


def test_parquet_stores_features_and_their_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow comes with the extra `parquet`")
    # Some rows go out before the last one comes, as with more of them than memory is to hold.
    monkeypatch.setattr("resdsl.runtime.formats._GROUP_BYTES", 1000)
    stream = io.BytesIO()
    table = ParquetTable(stream, FeatureType("map", (2, 1, 3), np.dtype(np.float32)))
    values = np.arange(60, dtype=np.float32).reshape(10, 2, 1, 3)
    for number, value in enumerate(values):
        table.write(Features(str(number), "map", value, "cpu", 0.0))
    table.close()
    found = parquet.read_table(io.BytesIO(stream.getvalue()))
    assert found.schema.metadata[b"shape"] == b"[2, 1, 3]"
    assert parquet.ParquetFile(io.BytesIO(stream.getvalue())).num_row_groups > 1
    assert found["features"].to_pylist() == values.reshape(10, -1).tolist()


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([features(1, 2), features(3, 4)], [[1, 2], [3, 4]]),
        ([FAILED, FAILED, features(1, 2), FAILED], [[np.nan] * 2, [np.nan] * 2, [1, 2], [np.nan] * 2]),
        ([features(1)] * 1001, [[1]] * 1001),
        ([], np.empty((0, 0))),
        ([FAILED], np.empty((1, 0))),
    ],
)
def test_an_array_has_a_row_for_every_image(rows: list[Result], wanted: object) -> None:
    stream = io.BytesIO()
    table = NpyTable(stream)
    for row in rows:
        table.write(row)
    table.close()
    stream.seek(0)
    array = np.load(stream)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, np.array(wanted, np.float32))
    assert not stream.read()


def test_an_array_refuses_rows_of_several_sizes() -> None:
    table = NpyTable(io.BytesIO())
    table.write(features(1, 2))
    with pytest.raises(RunError, match="are \\[3\\], earlier ones \\[2\\]"):
        table.write(features(1, 2, 3))
