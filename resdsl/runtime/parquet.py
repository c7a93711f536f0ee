"""Images in Parquet files: a column of encoded images or of paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from resdsl.diagnostics import Diagnostic, Option, Placeholder, Text, catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.diagnostics.suggest import closest
from resdsl.inputs import record_input
from resdsl.runtime.arrow import pyarrow
from resdsl.runtime.files import require_file
from resdsl.runtime.images import MAX_FILE_BYTES, decode_image
from resdsl.runtime.item import Item, error_item, file_item
from resdsl.runtime.stores import ObjectFile, beside, is_address, plain
from resdsl.untrusted import parse_json

_PATHS = ("image", "path", "image_path", "file", "file_name", "filename", "uri", "url")
"""Names of columns of text that hold paths."""

_AT_ONCE = 16
"""Rows that are read at once: their images are in memory."""

_MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class Rows:
    """The images of row groups of a Parquet file: those from ``first`` up to ``last``, or all.

    ``column`` holds them: encoded images (binary, or a struct with ``bytes``, as data sets on the hub have it) or
    paths, relative to the file. Without it, the first column of images is used, or else one named like paths.
    """

    file: str
    column: str | None = None
    first: int = 0
    last: int | None = None

    @property
    def key(self) -> str:
        return f"{plain(self.file)} {self.column} {self.first} {self.last}"

    def items(self) -> Iterator[Item]:
        """The images in order. An unreadable file is an item whose ``load`` raises the reason."""
        try:
            source = _open(self.file)
            column, is_path = _column(source.schema_arrow, self.column, plain(self.file))
        except UnavailableError:
            raise
        except RunError as error:
            yield error_item(plain(self.file), error.diagnostic)
            return
        with source:
            number = sum(source.metadata.row_group(group).num_rows for group in range(self.first))
            for group in self._groups(source):
                rows, place = source.metadata.row_group(group).num_rows, 0
                try:
                    for place, value in enumerate(_values(source, group, column, self.file), 1):
                        yield replace(self._item(value, number + place - 1, is_path), place=place - 1)
                except UnavailableError:
                    raise
                except RunError as error:
                    for rest in range(place, rows):
                        yield replace(error_item(f"{plain(self.file)}[{number + rest}]", error.diagnostic), place=rest)
                number += rows

    def parts(self, size: int) -> Iterator[Rows]:
        """The same images in parts of whole row groups: as many as have ``size`` rows together, at least one."""
        try:
            source = _open(self.file)
        except UnavailableError:
            raise  # otherwise the parts would depend on whether the store answered
        except RunError:
            yield self
            return
        with source:
            rows, first = 0, self.first
            for group in self._groups(source):
                more = source.metadata.row_group(group).num_rows
                if rows and rows + more > size:
                    yield replace(self, first=first, last=group)
                    rows, first = 0, group
                rows += more
            yield replace(self, first=first, last=self._groups(source).stop)

    def count(self) -> int:
        """The number of images."""
        try:
            source = _open(self.file)
        except UnavailableError:
            raise
        except RunError:
            return 1
        with source:
            total: int = sum(source.metadata.row_group(group).num_rows for group in self._groups(source))
        return total

    def _groups(self, source: Any) -> range:
        return range(self.first, source.num_row_groups if self.last is None else self.last)

    def _item(self, value: Any, number: int, is_path: bool) -> Item:
        name = f"{plain(self.file)}[{number}]"
        if value is None:
            fact = f"`{name}` is null"
            return error_item(name, Diagnostic(catalogue.IMAGE_UNREADABLE, fact, helps=("remove the row",)))
        if not is_path:
            return Item(name, partial(_decode, value, name))
        if is_address(value) or Path(value).is_absolute():
            return file_item(value)
        if is_address(self.file):
            return file_item(beside(self.file, value))
        return file_item(str(Path(self.file).parent / value))


def _decode(data: Any, name: str, max_pixels: int) -> Image.Image:
    return decode_image(data if isinstance(data, bytes) else bytes(data), name, max_pixels=max_pixels)


def _open(file: str) -> Any:
    """An open ``pyarrow.parquet.ParquetFile``. Raises ``RunError`` for any other file."""
    parquet = pyarrow("Parquet files need pyarrow", name="pyarrow.parquet")
    if not is_address(file):
        require_file(Path(file), "a Parquet file", regular=True)
        record_input(file, keep=False)
    try:
        return parquet.ParquetFile(ObjectFile(file) if is_address(file) else file)
    except (pyarrow("Parquet files need pyarrow").ArrowException, OSError) as error:
        raise _damaged(plain(file), error) from None


def column_of(file: str, choose: Callable[[list[str]], str]) -> tuple[list[Any], tuple[str, ...]]:
    """The values of the column that ``choose`` gives of all, and the names of classes that the model hub gives them.

    Raises ``RunError`` for another file, and as ``choose``.
    """
    with _open(file) as source:
        name = choose(source.schema_arrow.names)
        try:
            values: list[Any] = source.read(columns=[name]).column(name).to_pylist()
        except (pyarrow("Parquet files need pyarrow").ArrowException, OSError) as error:
            raise _damaged(plain(file), error) from None
        return values, class_names(source.schema_arrow.metadata or {}, name)


def class_names(metadata: Mapping[bytes, bytes], column: str) -> tuple[str, ...]:
    """The names of the classes, as the library of data sets on the model hub stores them in a file."""
    found: Any = None
    try:
        found = parse_json(metadata.get(b"huggingface", b"null"))
        found = found["info"]["features"][column]["names"]
    except (ValueError, TypeError, KeyError):
        return ()
    return tuple(found) if isinstance(found, list) and all(isinstance(name, str) for name in found) else ()


def _damaged(name: str, error: Exception) -> RunError:
    reason = " ".join(str(error).split())[:300]
    return RunError.of(
        catalogue.IMAGE_UNREADABLE,
        f"`{name}` cannot be read as Parquet: {reason[:1].lower()}{reason[1:]}",
        helps=("write it again",),
    )


def _column(schema: Any, wanted: str | None, name: str) -> tuple[str, bool]:
    """The column of images, and whether it has paths."""
    arrow = pyarrow("Parquet files need pyarrow")
    kinds = {field.name: _kind(arrow, field.type) for field in schema}
    if wanted is not None:
        kind = kinds.get(wanted)
        if kind is None:
            raise _no_column(name, schema, f"has no column `{wanted}` of images or paths", closest(wanted, kinds))
        return (f"{wanted}.bytes" if kind == "struct" else wanted), kind == "path"
    for column, kind in kinds.items():
        if kind in ("bytes", "struct"):
            return (f"{column}.bytes" if kind == "struct" else column), False
    for column in _PATHS:
        if kinds.get(column) == "path":
            return column, True
    raise _no_column(name, schema, "has no column of images, and none named like paths", None)


def _kind(arrow: ModuleType, type: Any) -> str | None:
    kinds = arrow.types
    if kinds.is_binary(type) or kinds.is_large_binary(type):
        return "bytes"
    if kinds.is_struct(type) and any(
        field.name == "bytes" and (kinds.is_binary(field.type) or kinds.is_large_binary(field.type)) for field in type
    ):
        return "struct"
    return "path" if kinds.is_string(type) or kinds.is_large_string(type) else None


def _no_column(name: str, schema: Any, fact: str, near: str | None) -> RunError:
    columns = ", ".join(f"`{field.name}` ({field.type})"[:200] for field in [*schema][:_MOST_LISTED])
    return RunError.of(
        catalogue.IMAGE_UNREADABLE,
        f"`{name}` {fact}",
        helps=(
            *((f"did you mean `{near}`?",) if near else ()),
            f"its columns are {columns}",
            Text("name a column of encoded images (binary) or of paths: ", Option("column", Placeholder("NAME"))),
        ),
    )


def _values(source: Any, group: int, column: str, file: str) -> Iterator[Any]:
    """The values of a column in a row group, a few at a time."""
    arrow = pyarrow("Parquet files need pyarrow")
    name, _, field = column.partition(".") if column not in source.schema_arrow.names else (column, "", "")
    batches = source.iter_batches(_AT_ONCE, row_groups=[group], columns=[column], use_threads=False)
    while True:
        try:
            batch = next(batches, None)
        except (arrow.ArrowException, OSError) as error:
            raise _damaged(plain(file), error) from None
        if batch is None:
            return
        for value in batch.column(name):
            one = value.as_py()
            one = one.get(field) if field and one is not None else one
            yield None if isinstance(one, bytes) and len(one) > MAX_FILE_BYTES else one
