"""Ground-truth labels from class folders or a CSV file."""

from __future__ import annotations

import csv
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from resdsl.diagnostics import Option, Placeholder, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.diagnostics.suggest import closest
from resdsl.inputs import record_input
from resdsl.labels import synsets_of
from resdsl.runtime.files import require_file
from resdsl.runtime.item import Item, file_item
from resdsl.runtime.sources import files_below
from resdsl.runtime.stores import is_address

_MOST_SHOWN = 5
_LONGEST_LINE = 1_000_000
_COLUMNS = ("path", "label")
_INDEX = re.compile(r"\d{1,9}", re.ASCII)

LabelledImage = tuple[Item, int]
"""An image, and the index of its class."""


class ClassNames:
    """Finds the classes of a model by label, index, or WordNet ID (for ImageNet labels).

    Labels are compared ignoring case, spaces, ``_`` and ``-``, and further names after a comma:
    ``great_white_shark`` is ``great white shark, white shark``.
    """

    def __init__(self, model: str, labels: Sequence[str], count: int | None) -> None:
        self.model = model
        self.labels = tuple(labels)
        self.count = count if count is not None else len(labels) or None
        self._synsets = synsets_of(labels)
        self._indices: list[tuple[Callable[[str], str], Mapping[str, list[int]]]] = [
            (str, _by_name(labels)),
            (_normalized, _by_name(map(_normalized, labels))),
            (_normalized, _by_name(_normalized(label.split(",")[0]) for label in labels)),
            (str, _by_name(self._synsets)),
        ]

    def find(self, name: str) -> int | None:
        """The index of the class of this name. Raises ``RunError`` if it is ambiguous."""
        name = name.strip()
        for normalize, by_name in self._indices:
            matches = by_name.get(normalize(name), [])
            if len(matches) > 1:
                raise RunError.of(
                    catalogue.TRUTH,
                    f"`{name}` is ambiguous: it matches the classes {', '.join(map(str, matches))} of `{self.model}`",
                    helps=("use the index of the class",),
                )
            if matches:
                return matches[0]
        if _INDEX.fullmatch(name) and (self.count is None or int(name) < self.count):
            return int(name)
        return None

    def require(self, names: Iterable[str], what: str, *helps: str) -> dict[str, int]:
        """The index of the class of each name. ``what`` is used in messages: ``the folder``."""
        indices = {name: self.find(name) for name in names}
        unknown = [name for name, index in indices.items() if index is None]
        if unknown:
            raise RunError.of(
                catalogue.TRUTH,
                f"{what} `{unknown[0]}` is not a class of `{self.model}`"
                + (f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""),
                notes=tuple(self._suggestion(name, what) for name in unknown[:_MOST_SHOWN]),
                helps=(*helps, self._known()),
            )
        return {name: index for name, index in indices.items() if index is not None}

    def _suggestion(self, name: str, what: str) -> str:
        near = closest(name, self.labels)
        if near is None and _INDEX.fullmatch(name):
            return f"{what} `{name}`: the last class is {(self.count or 1) - 1}"
        return f"{what} `{name}`: did you mean `{near}`?" if near else f"{what} `{name}` resembles no label"

    def _known(self) -> str:
        if not self.labels:
            return f"`{self.model}` has no labels: use the indices of the classes, from 0"
        first = ", ".join(f"`{label}`" for label in self.labels[:3])
        identifiers = " and WordNet IDs" if self._synsets else ""
        return f"the first labels of `{self.model}` are {first}; indices from 0{identifiers} are accepted too"


def labels_from_folders(name: str | os.PathLike[str], classes: ClassNames) -> Iterator[LabelledImage]:
    """The images in a folder that has one subfolder for each class, sorted by name.

    Raises ``RunError`` immediately if a subfolder is not named like a class.
    """
    folder = Path(name)
    if not os.fspath(name):
        # The empty path is the current folder, but an empty argument is an unset variable.
        raise RunError.of(catalogue.FILE_NOT_FOUND, "the path of the folder is empty", helps=("check the path",))
    if not folder.is_dir():
        if folder.exists():
            raise _invalid(
                f"`{folder}` is not a folder",
                Text("pass a CSV file of paths and labels with ", Option("truth", Placeholder("FILE"))),
            )
        raise RunError.of(catalogue.FILE_NOT_FOUND, f"the folder `{folder}` does not exist", helps=("check the path",))
    names = [entry.name for entry in sorted(folder.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    filled = [name for name in names if next(files_below(folder / name), None) is not None]
    if not filled:
        raise _invalid(
            f"`{folder}` has no subfolders with images",
            "put the images of each class into a subfolder named like the class",
            Text("or list the labels in a CSV file of `path,label`: ", Option("truth", Placeholder("FILE"))),
        )
    inner = [name for name in filled if _has_class_folders(folder / name, classes)]
    helps = (f"`{folder / inner[-1]}` has subfolders named like classes: pass that folder",) if inner else ()
    indices = classes.require(filled, "the folder", *helps)
    return ((file_item(str(file)), indices[name]) for name in filled for file in files_below(folder / name))


def labels_from_csv(table: Path, classes: ClassNames) -> Iterator[LabelledImage]:
    """The images listed in a CSV file with the columns ``path`` and ``label``; other columns are ignored.

    Paths are relative to the folder of the file. The file is read twice: first to check every label. Raises
    ``RunError`` immediately for an unknown label or an invalid file.
    """
    indices = classes.require(dict.fromkeys(labels_in_csv(table)), "the label")
    return ((file_item(_place(table, path)), indices[label]) for path, label in _rows(table))


def labels_in_csv(table: Path) -> list[str]:
    """The label of each image that the file lists. Raises ``RunError`` for an invalid file."""
    labels = [label for _, label in _rows(table)]
    if not labels:
        raise _invalid(f"`{table}` has no rows", "add a row with the path and label of each image")
    return labels


def _place(table: Path, path: str) -> str:
    return path if is_address(path) else str(table.parent / path)


def _rows(table: Path) -> Iterator[tuple[str, str]]:
    require_file(table, "a CSV file", regular=True)
    record_input(table)
    with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        reader = csv.reader(_lines(stream, table))
        try:
            heading = [cell.strip().lower() for cell in next(reader, [])]
            if not set(_COLUMNS) <= set(heading):
                columns = ", ".join(f"`{cell[:40]}`" for cell in heading[:_MOST_SHOWN]) or "none"
                raise _invalid(
                    f"the header of `{table}` lacks the columns `path` and `label`: it has {columns}",
                    "start the file with the line `path,label`",
                )
            path, label = (heading.index(name) for name in _COLUMNS)
            for row in reader:
                if not row:
                    continue
                if len(row) <= max(path, label):
                    raise _invalid(f"line {reader.line_num} of `{table}` has {len(row)} cells", "add the missing cells")
                yield row[path], row[label].strip()
        except csv.Error as error:
            raise _invalid(f"line {reader.line_num} of `{table}` is not CSV: {error}", "correct the line") from None


def _lines(stream: TextIO, table: Path) -> Iterator[str]:
    """The lines of a file, none of which may fill memory."""
    number = 0
    while line := stream.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith("\n"):
            raise _invalid(f"line {number} of `{table}` has more than {_LONGEST_LINE:_} characters", "correct the line")
        yield line


def _has_class_folders(folder: Path, classes: ClassNames) -> bool:
    names = [entry.name for entry in sorted(folder.iterdir()) if entry.is_dir()]
    try:
        return bool(names) and all(classes.find(name) is not None for name in names)
    except RunError:
        return False


def _by_name(names: Iterable[str]) -> Mapping[str, list[int]]:
    indices: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        indices[name].append(index)
    return dict(indices)


def _normalized(name: str) -> str:
    return re.sub(r"[ _-]+", " ", name).strip().casefold()


def _invalid(fact: str, *helps: str) -> RunError:
    return RunError.of(catalogue.TRUTH, fact, helps=helps)
