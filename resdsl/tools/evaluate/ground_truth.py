"""What images really show: told by the folders that they lie in, or by a table."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from resdsl.diagnostics import Option, Placeholder, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.diagnostics.suggest import closest
from resdsl.labels import synsets_of
from resdsl.runtime.files import require_file
from resdsl.runtime.sources import Item, file_item, files_below

_MOST_TOLD = 5
_COLUMNS = ("path", "label")
_INDEX = re.compile(r"\d{1,9}", re.ASCII)

Truth = tuple[Item, int]
"""An image, and the index of its class."""


class Classes:
    """The classes of a model by what people call them: label, index, or WordNet identifier where the labels have them.

    Case, blanks, ``_`` and ``-`` in a label don't count, and neither do further names after a comma:
    ``great_white_shark`` is ``great white shark, white shark``.
    """

    def __init__(self, model: str, labels: Sequence[str], count: int | None) -> None:
        self.model = model
        self.labels = tuple(labels)
        self.count = count if count is not None else len(labels) or None
        self._synsets = synsets_of(labels)
        self._ways: list[tuple[Callable[[str], str], Mapping[str, list[int]]]] = [
            (str, _places(labels)),
            (_plain, _places(map(_plain, labels))),
            (_plain, _places(_plain(label.split(",")[0]) for label in labels)),
            (str, _places(self._synsets)),
        ]

    def find(self, name: str) -> int | None:
        """The index of the class that is called so. Raises ``RunError`` where several are."""
        name = name.strip()
        for written, places in self._ways:
            found = places.get(written(name), [])
            if len(found) > 1:
                raise RunError.of(
                    catalogue.TRUTH,
                    f"`{name}` may be each of the classes {', '.join(map(str, found))} of `{self.model}`",
                    helps=("call the class by its index",),
                )
            if found:
                return found[0]
        if _INDEX.fullmatch(name) and (self.count is None or int(name) < self.count):
            return int(name)
        return None

    def require(self, names: Iterable[str], what: str, *helps: str) -> dict[str, int]:
        """The index of the class of every name. ``what`` they are in messages: ``the folder``."""
        found = {name: self.find(name) for name in names}
        unknown = [name for name, index in found.items() if index is None]
        if unknown:
            raise RunError.of(
                catalogue.TRUTH,
                f"{what} `{unknown[0]}` is no class of `{self.model}`"
                + (f", and {len(unknown) - 1} more are not" if len(unknown) > 1 else ""),
                notes=tuple(self._told(name, what) for name in unknown[:_MOST_TOLD]),
                helps=(*helps, self._known()),
            )
        return {name: index for name, index in found.items() if index is not None}

    def _told(self, name: str, what: str) -> str:
        near = closest(name, self.labels)
        if near is None and _INDEX.fullmatch(name):
            return f"{what} `{name}`: the last class is {(self.count or 1) - 1}"
        return f"{what} `{name}`: did you mean `{near}`?" if near else f"{what} `{name}` is like no label"

    def _known(self) -> str:
        if not self.labels:
            return f"`{self.model}` has no names for its classes: call them by their indices, from 0"
        first = ", ".join(f"`{label}`" for label in self.labels[:3])
        identifiers = " or WordNet identifiers" if self._synsets else ""
        return f"the labels of `{self.model}` begin with {first}; indices from 0{identifiers} do as well"


def truths_in(folder: Path, classes: Classes) -> Iterator[Truth]:
    """The images below a folder with one folder for each class, in the order of their names.

    Raises ``RunError`` at once where a folder is called as no class is.
    """
    if not folder.is_dir():
        if folder.exists():
            raise _untold(
                f"`{folder}` is not a folder",
                Text("pass a CSV file of paths and labels as ", Option("truth", Placeholder("FILE"))),
            )
        raise RunError.of(catalogue.FILE_NOT_FOUND, f"the folder `{folder}` does not exist", helps=("check the path",))
    names = [entry.name for entry in sorted(folder.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    filled = [name for name in names if next(files_below(folder / name), None) is not None]
    if not filled:
        raise _untold(
            f"`{folder}` has no folders with images in them",
            "put the images of each class into a folder called as the class is",
            Text("or list them in a CSV file of `path,label`: ", Option("truth", Placeholder("FILE"))),
        )
    inner = [name for name in filled if _holds_classes(folder / name, classes)]
    helps = (f"`{folder / inner[-1]}` has folders of classes in it: name that one",) if inner else ()
    indices = classes.require(filled, "the folder", *helps)
    return ((file_item(str(file)), indices[name]) for name in filled for file in files_below(folder / name))


def truths_of(table: Path, classes: Classes) -> Iterator[Truth]:
    """The images in a CSV file with the columns ``path`` and ``label``, in its order; other columns don't matter.

    Paths begin at the folder of the file. It is read once to find every label that is no class, for which
    ``RunError`` is raised at once, as for a file of another form.
    """
    labels = dict.fromkeys(label for _, label in _rows(table))
    if not labels:
        raise _untold(f"`{table}` has no rows", "write the path and the label of each image")
    indices = classes.require(labels, "the label")
    return ((file_item(str(table.parent / path)), indices[label]) for path, label in _rows(table))


def _rows(table: Path) -> Iterator[tuple[str, str]]:
    require_file(table, "a CSV file")
    with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        reader = csv.reader(stream)
        try:
            heading = [cell.strip().lower() for cell in next(reader, [])]
            if not set(_COLUMNS) <= set(heading):
                told = ", ".join(f"`{cell[:40]}`" for cell in heading[:_MOST_TOLD]) or "nothing"
                raise _untold(
                    f"the first line of `{table}` does not name the columns `path` and `label`: it has {told}",
                    "begin the file with the line `path,label`",
                )
            path, label = (heading.index(name) for name in _COLUMNS)
            for row in reader:
                if not row:
                    continue
                if len(row) <= max(path, label):
                    raise _untold(f"line {reader.line_num} of `{table}` has {len(row)} cells", "complete it")
                yield row[path], row[label].strip()
        except csv.Error as error:
            raise _untold(f"line {reader.line_num} of `{table}` is not CSV: {error}", "mend the line") from None


def _holds_classes(folder: Path, classes: Classes) -> bool:
    names = [entry.name for entry in sorted(folder.iterdir()) if entry.is_dir()]
    try:
        return bool(names) and all(classes.find(name) is not None for name in names)
    except RunError:
        return False


def _places(names: Iterable[str]) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        found[name].append(index)
    return dict(found)


def _plain(name: str) -> str:
    return re.sub(r"[ _-]+", " ", name).strip().casefold()


def _untold(fact: str, *helps: str) -> RunError:
    return RunError.of(catalogue.TRUTH, fact, helps=helps)
