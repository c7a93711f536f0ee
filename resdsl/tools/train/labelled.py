"""Labelled images for training: folders of classes, CSV files, ``.npz`` and Parquet files."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Option, Placeholder, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.diagnostics.suggest import closest
from resdsl.inputs import record_input
from resdsl.runtime.arrays import image_or_input
from resdsl.runtime.arrow import pyarrow
from resdsl.runtime.files import require_file
from resdsl.runtime.ground_truth import ClassNames, labels_from_csv, labels_in_csv
from resdsl.runtime.item import Item, file_item
from resdsl.runtime.labelled import LABELS
from resdsl.runtime.parquet import Rows, class_names
from resdsl.runtime.sources import PARQUET, files_below
from resdsl.untrusted import printable

Array = npt.NDArray[Any]

IMAGES = ("images", "image", "x", "data")
_PARTS = {"train": ("train", "training"), "validation": ("validation", "val", "valid", "test")}
_NAMES = ("names", "classes", "label_names", "target_names")
_MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images with their labels, as they are in ``name``.

    ``labels`` are one name or index for each image, or a float32 array ``[N, K]`` of targets. ``names`` are those of
    the classes, if the source has them, by index.
    """

    name: str
    items: tuple[Item, ...]
    labels: Sequence[str | int] | npt.NDArray[np.float32]
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def part(self, places: Sequence[int]) -> Labelled:
        """Some of the images."""
        items = tuple(self.items[place] for place in places)
        if isinstance(self.labels, np.ndarray):
            return replace(self, items=items, labels=self.labels[np.array(places, np.int64)])
        return replace(self, items=items, labels=[self.labels[place] for place in places])


def read_labelled(source: str, *, column: str | None = None, label_column: str | None = None) -> Labelled:
    """The images of a folder of classes, a CSV file (``path,label``), an ``.npz`` or a Parquet file.

    Raises ``RunError`` for what is none of them, has no labels, or has a class without images.
    """
    labelled, _ = read_both(source, column=column, label_column=label_column)
    return labelled


def read_both(
    source: str, *, column: str | None = None, label_column: str | None = None
) -> tuple[Labelled, Labelled | None]:
    """As ``read_labelled``, and the images for validation, if an ``.npz`` file has both."""
    lower = source.lower()
    if lower.endswith(".npz"):
        return _archive(Path(source))
    if lower.endswith(PARQUET):
        return _table(source, column, label_column), None
    if lower.endswith(".csv"):
        return _list(Path(source)), None
    return _folders(source), None


# --- folders and lists -----------------------------------------------------------------------------------------------


def _folders(name: str) -> Labelled:
    folder = Path(name)
    if not name or not folder.is_dir():
        fact = f"`{name}` does not exist" if name and not folder.exists() else f"`{name}` is not a folder"
        raise RunError.of(
            catalogue.FILE_NOT_FOUND if name and not folder.exists() else catalogue.TRAINING_DATA,
            fact if name else "the path of the data is empty",
            helps=("pass a folder with one subfolder for each class, or an .npz, .parquet or .csv file",),
        )
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise _unusable(
            f"`{folder}` has no subfolders",
            "put the images of each class into a subfolder named like the class",
        )
    parts = [next((one for one in classes if one.lower() in names), None) for names in _PARTS.values()]
    if len(classes) <= len(_PARTS) + 1 and parts[0] is not None:
        advice = f"pass `{folder / parts[0]}`" + (f" and --validation {folder / parts[1]}" if parts[1] else "")
        raise _unusable(f"the subfolders of `{folder}` are parts of a data set, not classes", advice)
    items: list[Item] = []
    labels: list[str] = []
    for label in classes:
        files = [file_item(str(file)) for file in files_below(folder / label)]
        if not files:
            raise _unusable(
                f"the class `{label}` has no images: `{folder / label}` is empty",
                "put images into it, or remove the folder",
            )
        items += files
        labels += [label] * len(files)
    return Labelled(name, tuple(items), labels, tuple(classes))


def _list(table: Path) -> Labelled:
    labels = labels_in_csv(table)
    names = tuple(sorted(set(labels)))
    # The labels of the file are its classes; they are compared with those of the network later.
    images = labels_from_csv(table, ClassNames(str(table), names, len(names)))
    items = tuple(item for item, _ in images)
    return Labelled(str(table), items, labels, names)


# --- arrays ----------------------------------------------------------------------------------------------------------


def _archive(path: Path) -> tuple[Labelled, Labelled | None]:
    require_file(path, "an archive of arrays", regular=True)
    record_input(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError, MemoryError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise RunError.of(
            catalogue.IMAGE_UNREADABLE,
            f"`{path}` cannot be read as an archive of arrays: {reason[:1].lower()}{reason[1:]}",
            helps=("write it with `numpy.savez(path, images=..., labels=...)`",),
        ) from None
    names = next((tuple(map(str, arrays[name])) for name in _NAMES if name in arrays), ())
    for words in (_PARTS["train"], ()):
        pair = _pair(arrays, words)
        if pair is not None:
            break
    else:
        raise _unusable(
            f"`{path}` has no pair of arrays for images and labels: it has {_listed(arrays)}",
            "name them `images` and `labels`, or `x_train`, `y_train`, `x_test` and `y_test`",
        )
    held = _pair(arrays, _PARTS["validation"]) if words else None
    return _of_arrays(path, *pair, names), _of_arrays(path, *held, names) if held else None


def _pair(arrays: Mapping[str, Array], words: Sequence[str]) -> tuple[str, Array, str, Array] | None:
    """The arrays of images and labels of a part of the data set, with their names."""
    for word in words or ("",):
        found = [
            next((name for name in arrays if name.lower() in _spellings(kinds, word)), None)
            for kinds in (IMAGES, LABELS)
        ]
        if found[0] is not None and found[1] is not None:
            return found[0], arrays[found[0]], found[1], arrays[found[1]]
    return None


def _spellings(kinds: Sequence[str], word: str) -> set[str]:
    if not word:
        return set(kinds)
    return {name for kind in kinds for name in (f"{kind}_{word}", f"{word}_{kind}")}


def _of_arrays(
    path: Path, image_name: str, images: Array, label_name: str, labels: Array, names: tuple[str, ...]
) -> Labelled:
    if images.ndim == 3 and images.dtype == np.uint8:
        images = images[..., None]  # greyscale, as MNIST is stored
    if len(images) != len(labels) or images.ndim != 4 or labels.ndim not in (1, 2) or not len(images):
        raise _unusable(
            f"`{image_name}` and `{label_name}` of `{path}` are {_form(images)} and {_form(labels)}",
            "images are uint8 [N, H, W, C] or preprocessed inputs, float32 [N, C, H, W]; labels are [N] or [N, K]",
        )
    rows = labels.squeeze(1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    items = tuple(
        Item(f"{path}:{image_name}[{place}]", partial(_element, images, place, f"{path}:{image_name}[{place}]"))
        for place in range(len(images))
    )
    if rows.ndim == 2:
        if not np.isfinite(rows.astype(np.float64)).all() or rows.min() < 0 or rows.max() > 1:
            raise _unusable(f"`{label_name}` of `{path}` has values outside of 0 to 1", "targets are rows of 0 and 1")
        return Labelled(str(path), items, rows.astype(np.float32), names)
    if rows.dtype.kind in "US":
        return Labelled(str(path), items, [str(label) for label in rows], names)
    if rows.dtype.kind not in "iu":
        raise _unusable(
            f"`{label_name}` of `{path}` is {_form(labels)}", "labels are integers from 0, or the names of classes"
        )
    return Labelled(str(path), items, [int(label) for label in rows], names)


def _element(images: Array, place: int, name: str, max_pixels: int) -> Any:
    return image_or_input(images[place], name, max_pixels)


# --- Parquet ---------------------------------------------------------------------------------------------------------


def _table(file: str, column: str | None, label_column: str | None) -> Labelled:
    """The images of a Parquet file. Their encoded bytes stay in memory."""
    items = tuple(Rows(file, column).items())
    parquet = pyarrow("Parquet files need pyarrow", name="pyarrow.parquet")
    if len(items) == 1 and not _readable(parquet, file):
        items[0].load(1)  # raises why the file cannot be read
    schema = parquet.read_schema(file)
    chosen = label_column or next((name for name in LABELS if name in schema.names), None)
    if chosen is None or chosen not in schema.names:
        near = closest(label_column, schema.names) if label_column else None
        raise _unusable(
            f"`{file}` has no column `{label_column}`" if label_column else f"`{file}` has no column named like labels",
            *((f"did you mean `{near}`?",) if near else ()),
            f"its columns are {_listed(schema.names)}",
            Text("name the column of labels: ", Option("label_column", Placeholder("NAME"))),
        )
    values = parquet.read_table(file, columns=[chosen]).column(chosen).to_pylist()
    for row, value in enumerate(values):
        if not isinstance(value, int | str) or isinstance(value, bool):
            raise _unusable(
                f"the label of `{file}[{row}]` is {printable(value)}", "labels are integers from 0, or names of classes"
            )
    if len({type(value) for value in values}) > 1:
        raise _unusable(f"the labels of `{file}` are integers and names", "use one of them")
    return Labelled(file, items, values, class_names(schema.metadata or {}, chosen))


def _readable(parquet: Any, file: str) -> bool:
    try:
        parquet.read_schema(file)
    except Exception:  # pyarrow's exceptions have no common base class
        return False
    return True


def facts(labelled: Labelled) -> Iterator[bytes]:
    """What identifies the images and labels of a run that is resumed."""
    rows = labelled.labels
    yield rows.tobytes() if isinstance(rows, np.ndarray) else json.dumps(list(rows)).encode()
    for item in labelled.items:
        yield item.name.encode(errors="surrogateescape")


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    shown = [f"`{printable(name)}`" for name in [*names][:_MOST_LISTED]]
    return ", ".join(shown) or "none"


def _form(array: Array) -> str:
    return f"{array.dtype}[{', '.join(map(str, array.shape))}]"


def _unusable(fact: str, *helps: str) -> RunError:
    return RunError.of(catalogue.TRAINING_DATA, fact, helps=helps)
