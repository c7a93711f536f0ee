"""Images with the indices of their classes, from all that can hold both: folders, lists, Parquet files, archives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from resdsl.diagnostics import Option, Placeholder, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.diagnostics.suggest import closest
from resdsl.runtime.archives import SUFFIXES as TAR
from resdsl.runtime.archives import Archive
from resdsl.runtime.classifier import Classifier
from resdsl.runtime.ground_truth import ClassNames, LabelledImage, labels_from_csv, labels_from_folders
from resdsl.runtime.images import suffixes
from resdsl.runtime.item import file_item
from resdsl.runtime.parquet import Rows, column_of
from resdsl.runtime.sources import PARQUET, files_below
from resdsl.runtime.stores import files_at, is_address, plain
from resdsl.untrusted import printable

LABELS = ("labels", "label", "targets", "y", "target", "class")
"""Names of columns of labels."""

_MOST_LISTED = 20


class LabelledContainer(Protocol):
    """A file of many labelled images, which begin a batch of their own. Can be pickled."""

    def items(self) -> Iterator[LabelledImage]:
        """Its images in order."""

    def parts(self, size: int) -> Iterator[LabelledContainer]:
        """The same images as containers of about ``size`` images, where that is possible."""


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Images of a Parquet file, and the indices of their classes."""

    rows: Rows
    labels: tuple[int, ...]

    def items(self) -> Iterator[LabelledImage]:
        """The images in order."""
        # An unreadable file is one item with the reason.
        return zip(self.rows.items(), self.labels, strict=False)

    def parts(self, size: int) -> Iterator[LabelledRows]:
        """Whole row groups."""
        start = 0
        for part in self.rows.parts(size):
            end = start + part.count()
            yield replace(self, rows=part, labels=self.labels[start:end])
            start = end


@dataclass(frozen=True, slots=True)
class LabelledArchive:
    """Images of a WebDataset archive, and what is in the file ``.cls`` beside each: an index or a name."""

    archive: Archive
    classes: ClassNames

    def items(self) -> Iterator[LabelledImage]:
        """The images in order. Raises ``RunError`` for one without a label, and for an unknown class."""
        for item, label in self.archive.labelled():
            if item.name == self.archive.key:
                yield item, 0  # the archive cannot be read: loading it fails
                continue
            if label is None:
                raise RunError.of(
                    catalogue.TRUTH,
                    f"`{item.name}` has no label: there is no file with the same name and the suffix `.cls` beside it",
                    helps=("write one, with the index or the name of the class",),
                )
            yield item, self.classes.require([label], "the label")[label]

    def parts(self, size: int) -> Iterator[LabelledArchive]:
        """One part: where images begin is known only after reading those before."""
        yield self


def labelled_pieces(
    classifier: Classifier,
    folder: str | os.PathLike[str] | None,
    truth: str | os.PathLike[str] | None,
    *,
    column: str | None = None,
    label_column: str | None = None,
) -> Iterator[LabelledImage | LabelledContainer]:
    """The images in ``folder``, or in the CSV file ``truth``.

    ``folder`` has one subfolder for each class, or is a Parquet or tar file, or a folder of such files; a path or an
    address in a store. Raises ``RunError`` for an unknown class: at once, except in an archive.
    """
    count = classifier.output.shape[-1]
    classes = ClassNames(classifier.session.name, classifier.labels, count if isinstance(count, int) else None)
    if folder is None:
        assert truth is not None
        return labels_from_csv(Path(truth), classes)
    name = os.fspath(folder)
    if is_address(name):
        return _in_store(name, classes, column, label_column)
    files = [name] if _is_container(name) and not Path(name).is_dir() else _containers_in(Path(name))
    if files:
        return iter([_container(file, classes, column, label_column) for file in files])
    return labels_from_folders(name, classes)


def labelled_images(
    classifier: Classifier,
    folder: str | os.PathLike[str] | None,
    truth: str | os.PathLike[str] | None,
    *,
    column: str | None = None,
    label_column: str | None = None,
) -> Iterator[LabelledImage]:
    """The same one by one."""
    for piece in labelled_pieces(classifier, folder, truth, column=column, label_column=label_column):
        if isinstance(piece, tuple):
            yield piece
        else:
            yield from piece.items()


def _is_container(name: str) -> bool:
    return _ends_in(name, PARQUET, *TAR)


def _ends_in(name: str, *endings: str) -> bool:
    """Whether a path or an address has one of the suffixes."""
    return (plain(name) if is_address(name) else name).lower().endswith(endings)


def _containers_in(folder: Path) -> list[str]:
    """The Parquet and tar files of a folder that has some at its top; it has no folders of classes then."""
    try:
        at_top = any(_is_container(entry.name) and entry.is_file() for entry in folder.iterdir())
    except OSError:
        return []
    found = files_below(folder, containers=True) if at_top else ()
    return [str(file) for file in found if _is_container(str(file))]


def _in_store(
    address: str, classes: ClassNames, column: str | None, label_column: str | None
) -> Iterator[LabelledImage | LabelledContainer]:
    shown, files = plain(address), list(files_at(address))
    containers = [file for _, file in files if _is_container(file)]
    if containers:
        return iter([_container(file, classes, column, label_column) for file in containers])
    images = []
    for name, file in files:
        label, separator, _ = name.removeprefix(shown).lstrip("/").partition("/")
        if separator and name.lower().endswith(suffixes()):
            images.append((label, file))
    if not images:
        raise RunError.of(
            catalogue.TRUTH,
            f"`{shown}` has no subfolders with images, and no Parquet or tar files",
            helps=("put the images of each class below an address that ends with the name of the class",),
        )
    indices = classes.require(dict.fromkeys(label for label, _ in images), "the folder")
    return ((file_item(file), indices[label]) for label, file in images)


def _container(file: str, classes: ClassNames, column: str | None, label_column: str | None) -> LabelledContainer:
    if not _ends_in(file, PARQUET):
        return LabelledArchive(Archive(file), classes)
    values, names = column_of(file, lambda columns: _label_column(file, columns, label_column))
    for row, value in enumerate(values):
        if not isinstance(value, int | str) or isinstance(value, bool):
            fact = f"the label of `{plain(file)}[{row}]` is {printable(str(value))}"
            raise RunError.of(catalogue.TRUTH, fact, helps=("labels are integers from 0, or names of classes",))
    # Names that the file gives to its integers are those of its classes; the model may have another order.
    called = {
        value: names[value] if isinstance(value, int) and 0 <= value < len(names) else str(value) for value in values
    }
    indices = classes.require(dict.fromkeys(called.values()), "the label")
    return LabelledRows(Rows(file, column), tuple(indices[called[value]] for value in values))


def _label_column(file: str, columns: list[str], wanted: str | None) -> str:
    chosen = wanted or next((name for name in LABELS if name in columns), None)
    if chosen in columns and chosen is not None:
        return chosen
    near = closest(wanted, columns) if wanted else None
    raise RunError.of(
        catalogue.TRUTH,
        f"`{plain(file)}` has no column {f'`{wanted}`' if wanted else 'named like labels'}",
        helps=(
            *((f"did you mean `{near}`?",) if near else ()),
            f"its columns are {', '.join(f'`{printable(name)}`' for name in columns[:_MOST_LISTED])}",
            Text("name the column of labels: ", Option("label_column", Placeholder("NAME"))),
        ),
    )
