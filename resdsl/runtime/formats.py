"""File formats of results: JSON Lines, CSV, Parquet, and features as a NumPy array."""

from __future__ import annotations

import importlib
import io
import json
from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.arrow import pyarrow
from resdsl.runtime.csv_lines import cells_of, csv_line, escape_lone_surrogates
from resdsl.runtime.results import Failure, Features, FeatureType, Prediction, Result, result_data
from resdsl.untrusted import printable

LINES = ("jsonl", "csv")
"""Formats with one row per image, so that interrupted runs can be resumed."""

FORMATS = ("text", *LINES, "parquet", "npy")

_SHOWN = 6
_MOST_SHOWN = 1000
"""Characters of a name in the text format."""

_GROUP_BYTES = 32 * 2**20


class Lines(ABC):
    """A line-oriented format. Rows are independent of each other."""

    header = b""
    separator = b""
    """Written between two rows."""

    @abstractmethod
    def line(self, row: Result) -> bytes:
        """A row with its line end."""

    @abstractmethod
    def is_complete(self, line: bytes) -> bool:
        """Whether ``line`` is a complete row, rather than one that continues on the next line."""

    @abstractmethod
    def read(self, line: bytes) -> tuple[str, bool]:
        """The name of the image in a row, and whether it failed. Raises ``ValueError`` for anything else."""


class TextLines(Lines):
    """Readable text: the name of the image, then its classes. Failures go to standard error instead."""

    separator = b"\n"

    def line(self, row: Result) -> bytes:
        match row:
            case Prediction():
                text = "\n".join([_heading(row), *_ranking(row), ""])
            case Features():
                text = f"{_heading(row)}\n  {_short(row.values)}\n"
            case _:
                text = ""
        return text.encode(errors="backslashreplace")

    def is_complete(self, line: bytes) -> bool:
        return True

    def read(self, line: bytes) -> tuple[str, bool]:
        raise ValueError("text cannot be parsed")


def _heading(row: Prediction | Features) -> str:
    milliseconds = 1000 * row.seconds
    return f"{printable(row.image, most=_MOST_SHOWN)} ({milliseconds:.{0 if milliseconds >= 10 else 1}f} ms)"


def _ranking(row: Prediction) -> list[str]:
    names = [printable(ranked.label or f"class {ranked.index}", most=_MOST_SHOWN) for ranked in row.classes]
    width = max(map(len, names), default=0)
    return [f"  {name.ljust(width)}  {one.probability:7.2%}" for name, one in zip(names, row.classes, strict=True)]


def _short(values: npt.NDArray[Any]) -> str:
    """``[2048]: 0.12 0.5 ..``"""
    first = " ".join(f"{value:.4g}" for value in values.ravel()[:_SHOWN])
    sizes = ", ".join(map(str, values.shape))
    return f"[{sizes}]: {first}{' ..' if values.size > _SHOWN else ''}"


class JsonLines(Lines):
    """One JSON object per line, see ``result_data``."""

    def line(self, row: Result) -> bytes:
        # File names need not be Unicode: their other bytes become escapes such as `\udc80`.
        return json.dumps(result_data(row), ensure_ascii=False).encode(errors="backslashreplace") + b"\n"

    def is_complete(self, line: bytes) -> bool:
        return True  # JSON escapes line ends

    def read(self, line: bytes) -> tuple[str, bool]:
        data = json.loads(line)
        if not isinstance(data, dict) or not isinstance(data.get("image"), str):
            raise ValueError("not a row")
        return data["image"], "error" in data


class CsvLines(Lines):
    """``image,class_1,label_1,probability_1,..,error``, one row per image; text as ``csv_lines`` writes it."""

    def __init__(self, top: int) -> None:
        self._top = top
        columns = [f"{name}_{rank}" for rank in range(1, top + 1) for name in ("class", "label", "probability")]
        self.header = csv_line(["image", *columns, "error"])

    def line(self, row: Result) -> bytes:
        cells: list[str | int | float] = []
        if isinstance(row, Prediction):
            for ranked in row.classes:
                cells += [ranked.index, ranked.label or "", ranked.probability]
        error = f"{row.diagnostic.code.id}: {row.diagnostic.message}" if isinstance(row, Failure) else ""
        return csv_line([row.image, *cells, *[""] * (3 * self._top - len(cells)), error])

    def is_complete(self, line: bytes) -> bool:
        return line.count(b'"') % 2 == 0  # quotes in a cell are doubled

    def read(self, line: bytes) -> tuple[str, bool]:
        cells = cells_of(line)
        if len(cells) != 3 * self._top + 2:
            raise ValueError("not a row")
        return cells[0], cells[-1] != ""


class Table(ABC):
    """A format that is written to a stream from start to end."""

    @abstractmethod
    def write(self, row: Result) -> None:
        """Add a row."""

    @abstractmethod
    def close(self) -> None:
        """Write the rest of the file."""


class LinesTable(Table):
    """A line-oriented format, without resuming."""

    def __init__(self, stream: BinaryIO, lines: Lines) -> None:
        self._stream = stream
        self._lines = lines
        self._separator = b""
        stream.write(lines.header)

    def write(self, row: Result) -> None:
        line = self._lines.line(row)
        if line:
            self._stream.write(self._separator + line)
            self._separator = self._lines.separator

    def close(self) -> None:
        self._stream.flush()


class ParquetTable(Table):
    """Columns ``image``, ``error``, and ``class``, ``label``, ``probability`` (lists, the most probable first).

    For ``features``, a column of that name replaces the last three: a list of their type, of fixed length if the model
    states their shape. The file's metadata has ``output``, ``shape``, ``dtype`` and ``pool``. Raises
    ``UnavailableError`` without pyarrow.
    """

    def __init__(self, stream: BinaryIO, features: FeatureType | None) -> None:
        self._arrow = pyarrow("Parquet files need pyarrow", Text(Option("format", "jsonl"), " needs no package"))
        self._schema = _schema(self._arrow, features)
        self._dtype = np.dtype(np.float32) if features is None else features.dtype
        self._names = tuple(self._schema.names[1:-1])
        self._writer = importlib.import_module("pyarrow.parquet").ParquetWriter(stream, self._schema)
        self._rows: list[dict[str, object]] = []
        self._bytes = 0

    def write(self, row: Result) -> None:
        error = f"{row.diagnostic.code.id}: {row.diagnostic.message}" if isinstance(row, Failure) else None
        cells: dict[str, object] = dict.fromkeys(self._names)
        if isinstance(row, Prediction):
            cells["class"] = [one.index for one in row.classes]
            cells["label"] = [None if one.label is None else _unicode(one.label) for one in row.classes]
            cells["probability"] = [one.probability for one in row.classes]
            self._bytes += 64 * len(row.classes)
        elif isinstance(row, Features):
            cells["features"] = row.values.astype(self._dtype, copy=False).ravel()
            self._bytes += row.values.nbytes
        self._rows.append({"image": _unicode(row.image), **cells, "error": None if error is None else _unicode(error)})
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


def _unicode(text: str) -> str:
    """``text`` with escapes for what is not Unicode: bytes of a file name, and lone surrogates."""
    return escape_lone_surrogates(text).encode(errors="surrogateescape").decode(errors="backslashreplace")


def _schema(arrow: ModuleType, features: FeatureType | None) -> Any:
    text = arrow.string()
    if features is None:
        kinds = {"class": arrow.int32(), "label": text, "probability": arrow.float32()}
        columns = [(name, arrow.list_(kind)) for name, kind in kinds.items()]
        return arrow.schema([("image", text), *columns, ("error", text)], metadata={})
    number = arrow.from_numpy_dtype(features.dtype)
    lists = arrow.list_(number) if features.size is None else arrow.list_(number, features.size)
    metadata = {
        "output": features.output,
        "shape": json.dumps(list(features.shape)),
        "dtype": features.dtype.name,
        "pool": features.pool,
    }
    return arrow.schema([("image", text), ("features", lists), ("error", text)], metadata=metadata)


class NpyTable(Table):
    """One array ``[images, ..]`` of the features in input order, with NaN for images that failed.

    The stream must be seekable: the number of rows is written last.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._like: npt.NDArray[Any] | None = None
        self._rows = 0
        self._failed_first = 0

    def write(self, row: Result) -> None:
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
        # NumPy pads the header for a growing first dimension, so its length does not change.
        description = np.lib.format.dtype_to_descr(self._like.dtype)
        header = {"descr": description, "fortran_order": False, "shape": (self._rows, *self._like.shape)}
        np.lib.format.write_array_header_1_0(text, header)
        return text.getvalue()

    def _require_alike(self, row: Features) -> None:
        assert self._like is not None
        if row.values.shape != self._like.shape:
            raise RunError.of(
                catalogue.NO_SUCH_OUTPUT,
                f"the features of `{row.image}` are {list(row.values.shape)}, earlier ones {list(self._like.shape)}",
                helps=(
                    Text(
                        "an array needs features of one shape: use ",
                        Option("format", "jsonl"),
                        ", or an output after global pooling",
                    ),
                ),
            )
