"""Rows as files: lines of JSON, CSV, Parquet, and features alone as a NumPy array."""

from __future__ import annotations

import csv
import importlib
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Diagnostic, Option, Text, catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.runtime.rows import Failure, Features, Prediction, Row, row_data

LINES = ("jsonl", "csv")
"""Formats of one line a row: what is written so far of them can be gone on with."""

FORMATS = ("text", *LINES, "parquet", "npy")

_SHOWN = 6
_GROUP_BYTES = 32 * 2**20


class Lines(ABC):
    """A format of lines. No row depends on another one."""

    header = b""
    separator = b""
    """Stands between two rows."""

    @abstractmethod
    def line(self, row: Row) -> bytes:
        """A row, ended as lines are."""

    @abstractmethod
    def is_whole(self, line: bytes) -> bool:
        """Whether a line is a row, rather than the beginning of one, which another line goes on with."""

    @abstractmethod
    def read(self, line: bytes) -> tuple[str, bool]:
        """The name of the image in a row, and whether it failed. Raises ``ValueError`` where it is no row."""


class TextLines(Lines):
    """For people: the name of the image, below it the classes. It is not read again; failures are told elsewhere."""

    separator = b"\n"

    def line(self, row: Row) -> bytes:
        match row:
            case Prediction():
                text = "\n".join([_heading(row), *_ranking(row), ""])
            case Features():
                text = f"{_heading(row)}\n  {_short(row.values)}\n"
            case _:
                text = ""
        return text.encode(errors="backslashreplace")

    def is_whole(self, line: bytes) -> bool:
        return True

    def read(self, line: bytes) -> tuple[str, bool]:
        raise ValueError("text is not read again")


def _heading(row: Prediction | Features) -> str:
    milliseconds = 1000 * row.seconds
    return f"{row.image} ({milliseconds:.{0 if milliseconds >= 10 else 1}f} ms)"


def _ranking(row: Prediction) -> list[str]:
    names = [ranked.label or f"class {ranked.index}" for ranked in row.classes]
    width = max(map(len, names), default=0)
    return [f"  {name.ljust(width)}  {one.probability:7.2%}" for name, one in zip(names, row.classes, strict=True)]


def _short(values: npt.NDArray[Any]) -> str:
    """``[2048]: 0.12 0.5 ..``"""
    first = " ".join(f"{value:.4g}" for value in values.ravel()[:_SHOWN])
    sizes = ", ".join(map(str, values.shape))
    return f"[{sizes}]: {first}{' ..' if values.size > _SHOWN else ''}"


class JsonLines(Lines):
    """One JSON object a line, as ``row_data`` says."""

    def line(self, row: Row) -> bytes:
        # Names of files need not be Unicode. JSON writes what they have instead of it as `\udc80`.
        return json.dumps(row_data(row), ensure_ascii=False).encode(errors="backslashreplace") + b"\n"

    def is_whole(self, line: bytes) -> bool:
        return True  # JSON escapes the ends of lines

    def read(self, line: bytes) -> tuple[str, bool]:
        data = json.loads(line)
        if not isinstance(data, dict) or not isinstance(data.get("image"), str):
            raise ValueError("not a row")
        return data["image"], "error" in data


class CsvLines(Lines):
    """``image,class_1,label_1,probability_1,..,error``: as many classes as are asked for, and one line an image."""

    def __init__(self, top: int) -> None:
        self._top = top
        places = [f"{name}_{place}" for place in range(1, top + 1) for name in ("class", "label", "probability")]
        self.header = _csv_line(["image", *places, "error"])

    def line(self, row: Row) -> bytes:
        cells: list[object] = []
        if isinstance(row, Prediction):
            for ranked in row.classes:
                cells += [ranked.index, ranked.label or "", ranked.probability]
        error = f"{row.diagnostic.code.id}: {row.diagnostic.message}" if isinstance(row, Failure) else ""
        return _csv_line([row.image, *cells, *[""] * (3 * self._top - len(cells)), error])

    def is_whole(self, line: bytes) -> bool:
        return line.count(b'"') % 2 == 0  # a quote inside of a cell is written twice

    def read(self, line: bytes) -> tuple[str, bool]:
        try:
            (cells,) = csv.reader(io.StringIO(line.decode(errors="surrogateescape"), newline=""), strict=True)
        except csv.Error as error:
            raise ValueError(str(error)) from None
        if len(cells) != 3 * self._top + 2:
            raise ValueError("not a row")
        return cells[0], cells[-1] != ""


def _csv_line(cells: Sequence[object]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode(errors="surrogateescape")


class Table(ABC):
    """Rows on their way into a stream, which is a file only once it is complete."""

    @abstractmethod
    def write(self, row: Row) -> None:
        """Add a row."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left, after which the file is complete."""


class LinesTable(Table):
    """A format of lines, where nothing will go on with it."""

    def __init__(self, stream: BinaryIO, lines: Lines) -> None:
        self._stream = stream
        self._lines = lines
        self._separator = b""
        stream.write(lines.header)

    def write(self, row: Row) -> None:
        line = self._lines.line(row)
        if line:
            self._stream.write(self._separator + line)
            self._separator = self._lines.separator

    def close(self) -> None:
        self._stream.flush()


class ParquetTable(Table):
    """Columns ``image``, ``error``, and ``class``, ``label``, ``probability`` (lists, the most probable first).

    For features it is ``features`` in place of these: a list of float32, of whose ``shape`` the file's metadata
    tells. Raises ``UnavailableError`` without pyarrow.
    """

    def __init__(self, stream: BinaryIO, output: str | None, shape: Sequence[int | None]) -> None:
        self._arrow = _pyarrow()
        arrow = self._arrow
        text, metadata = arrow.string(), {}
        if output is None:
            columns = {"class": arrow.int32(), "label": text, "probability": arrow.float32()}
        else:
            columns = {"features": arrow.float32()}
            metadata = {"output": output, "shape": json.dumps(list(shape))}
        lists = [(name, arrow.list_(kind)) for name, kind in columns.items()]
        self._schema = arrow.schema([("image", text), *lists, ("error", text)], metadata=metadata)
        self._names = tuple(columns)
        self._writer = importlib.import_module("pyarrow.parquet").ParquetWriter(stream, self._schema)
        self._rows: list[dict[str, object]] = []
        self._bytes = 0

    def write(self, row: Row) -> None:
        error = f"{row.diagnostic.code.id}: {row.diagnostic.message}" if isinstance(row, Failure) else None
        cells: dict[str, object] = dict.fromkeys(self._names)
        if isinstance(row, Prediction):
            cells["class"] = [one.index for one in row.classes]
            cells["label"] = [one.label for one in row.classes]
            cells["probability"] = [one.probability for one in row.classes]
            self._bytes += 64 * len(row.classes)
        elif isinstance(row, Features):
            cells["features"] = row.values.astype(np.float32, copy=False).ravel()
            self._bytes += 4 * row.values.size
        # Names of files need not be Unicode, and texts of Parquet must.
        name = row.image.encode(errors="surrogateescape").decode(errors="backslashreplace")
        self._rows.append({"image": name, **cells, "error": error})
        self._bytes += 256
        if self._bytes > _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._arrow.Table.from_pylist(self._rows, self._schema))
        self._rows, self._bytes = [], 0


def _pyarrow() -> ModuleType:
    try:
        return importlib.import_module("pyarrow")
    except ImportError:
        raise UnavailableError(
            Diagnostic(
                catalogue.EXTRA_NEEDED,
                "Parquet files need pyarrow, which is not installed",
                helps=(
                    "install it: `pip install 'resdsl[parquet]'`",
                    Text(Option("format", "jsonl"), " needs nothing"),
                ),
            )
        ) from None


class NpyTable(Table):
    """One array ``[images, ..]`` of the features, in the order of the images; where one failed its row is NaN.

    The stream must be one that seeks: how many there are is written last.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._like: npt.NDArray[Any] | None = None
        self._rows = 0
        self._failed_first = 0

    def write(self, row: Row) -> None:
        self._rows += 1
        if isinstance(row, Features):
            if self._like is None:
                self._begin(np.full_like(row.values, np.nan))
            self._require_alike(row)
            self._stream.write(row.values.tobytes())
        elif self._like is None:
            self._failed_first += 1
        else:
            self._stream.write(self._like.tobytes())

    def close(self) -> None:
        if self._like is None:
            self._begin(np.empty(0, np.float32))
        self._stream.seek(0)
        self._stream.write(self._header())

    def _begin(self, like: npt.NDArray[Any]) -> None:
        self._like = like
        self._stream.write(self._header())
        for _ in range(self._failed_first):
            self._stream.write(like.tobytes())

    def _header(self) -> bytes:
        assert self._like is not None
        text = io.BytesIO()
        # NumPy leaves room for the first size to grow, so that all headers of one array are equally long.
        description = np.lib.format.dtype_to_descr(self._like.dtype)
        header = {"descr": description, "fortran_order": False, "shape": (self._rows, *self._like.shape)}
        np.lib.format.write_array_header_1_0(text, header)
        return text.getvalue()

    def _require_alike(self, row: Features) -> None:
        assert self._like is not None
        if row.values.shape != self._like.shape:
            raise RunError.of(
                catalogue.NO_SUCH_OUTPUT,
                f"the features of `{row.image}` are {list(row.values.shape)}, those before {list(self._like.shape)}",
                helps=(
                    Text(
                        "an array has rows of one size: use ",
                        Option("format", "jsonl"),
                        ", or an output after the global pooling",
                    ),
                ),
            )
