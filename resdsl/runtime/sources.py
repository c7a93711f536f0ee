"""Image sources: files, folders, glob patterns, lists on standard input, arrays, images in memory."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.runtime.archives import SUFFIXES as TAR
from resdsl.runtime.archives import Archive
from resdsl.runtime.arrays import Arrays, image_or_input
from resdsl.runtime.images import MAX_FILE_BYTES, decode_image, rgb, suffixes
from resdsl.runtime.item import Item, Prepared, error_item, file_item
from resdsl.runtime.parquet import Rows
from resdsl.runtime.stores import files_at, is_address, plain

STANDARD_INPUT = "-"

_CHUNK = 1 << 16
_LONGEST_PATH = 1 << 16
PARQUET = ".parquet"
_CHECK = ("check the path",)
_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\v\f\r"))

Source = str | os.PathLike[str] | Image.Image | npt.NDArray[Any]


class Container(Protocol):
    """A file of many images, which begin a batch of their own."""

    @property
    def key(self) -> str:
        """What identifies its images."""

    def items(self) -> Iterator[Item]:
        """Its images in order."""

    def parts(self, size: int) -> Iterator[Container]:
        """The same images as containers of about ``size`` images, where that is possible."""

    def count(self) -> int | None:
        """The number of its images, if that is known without reading them."""


def items_of(sources: Source | Iterable[Source], *, null: bool = False, column: str | None = None) -> Iterator[Item]:
    """The images of ``sources``, in order; lazy.

    A folder stands for all images below it (recognised by their suffixes) except hidden ones, sorted by name. A path
    with ``*``, ``?`` or ``[..]`` that does not exist is a glob pattern (``**``: folders of any depth); its files are
    sorted. An ``.npy`` file stands for the images or inputs in it (see ``Arrays``). ``-`` is standard input: an
    image, or a list of paths (without patterns), one per line, or with ``null`` each terminated by a zero byte. Pillow
    images and arrays are named ``image 0``, by their position.

    A Parquet file stands for the images in ``column`` (see ``Rows``), a tar file for those in it. An address
    (``s3://photos/2024``, ``gs://``, ``abfs://``) is an object or all below it, sorted by name.

    A source without images is an item whose ``load`` raises the reason.
    """
    place = 0
    for piece in pieces_of(sources, null=null, column=column):
        if isinstance(piece, Item):
            yield replace(piece, place=place)
            place += 1
        else:
            yield from piece.items()
            place = 0


def pieces_of(
    sources: Source | Iterable[Source], *, null: bool = False, column: str | None = None
) -> Iterator[Item | Container]:
    """As ``items_of``, with the files that contain many images unopened."""
    several = [sources] if isinstance(sources, str | os.PathLike | Image.Image | np.ndarray) else sources
    for number, source in enumerate(several):
        if isinstance(source, Image.Image | np.ndarray):
            yield Item(f"image {number}", partial(_in_memory, source, f"image {number}"))
        elif os.fspath(source) == STANDARD_INPUT:
            yield from _standard_input(null, column)
        else:
            yield from _named(os.fspath(source), column, patterns=True)


def count_of(sources: Iterable[str]) -> int | None:
    """The number of images of the paths ``sources``; ``None`` if it is not known before they are read."""
    if STANDARD_INPUT in sources:
        return None
    total = 0
    for piece in pieces_of(sources):
        count = 1 if isinstance(piece, Item) else piece.count()
        if count is None:
            return None
        total += count
    return total


def _named(name: str, column: str | None, *, patterns: bool = False) -> Iterator[Item | Container]:
    if not name:
        # The empty path is the current folder, but an empty argument is an unset variable.
        yield error_item(name, Diagnostic(catalogue.FILE_NOT_FOUND, "the path of an image is empty", helps=_CHECK))
        return
    if is_address(name):
        yield from _in_store(name, column)
        return
    path = Path(name)
    try:
        is_folder = path.is_dir()
        is_pattern = patterns and glob.has_magic(name) and not path.exists()
    except (OSError, ValueError):
        is_folder = is_pattern = False  # loading it reports the reason
    if is_folder:
        yield from _or_error(_below(path, column), name, f"the folder `{name}` has no images")
    elif is_pattern:
        matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207  absolute or relative
        files = (file for file in matches if not Path(file).is_dir())
        yield from _or_error(
            (piece for file in files for piece in _file(file, column)), name, f"no file matches `{name}`"
        )
    else:
        # A pipe is an image only where it is an argument, such as <(curl ...): in a folder it would block the run.
        yield from _file(name, column, regular=not patterns)


def _file(name: str, column: str | None, *, regular: bool = True) -> Iterator[Item | Container]:
    lower = (plain(name) if is_address(name) else name).lower()
    if lower.endswith(".npy"):
        yield Arrays(name)
    elif lower.endswith(PARQUET):
        yield Rows(name, column)
    elif lower.endswith(TAR):
        yield Archive(name)
    else:
        yield file_item(name, regular=regular)


def _below(folder: Path, column: str | None) -> Iterator[Item | Container]:
    for file in files_below(folder, containers=True):
        yield from _file(str(file), column)


def _in_store(address: str, column: str | None) -> Iterator[Item | Container]:
    shown = plain(address)
    try:
        files = files_at(address)
        first = next(files)
    except UnavailableError:
        raise  # it is not the address that is wrong
    except RunError as error:
        yield error_item(shown, error.diagnostic)
        return
    known = (*suffixes(), PARQUET, *TAR)
    found = (one for name, one in chain([first], files) if name == shown or name.lower().endswith(known))
    pieces = (piece for one in found for piece in _file(one, column))
    yield from _or_error(pieces, shown, f"there are no images at `{shown}`")


def files_below(folder: Path, *, containers: bool = False) -> Iterator[Path]:
    """The images below a folder, recognised by their suffixes, sorted by name. Raises no ``OSError``.

    With ``containers`` also Parquet and tar files.
    """
    known = (*_suffixes(), PARQUET, *TAR) if containers else _suffixes()
    # The path from the top to the current folder: symbolic links are followed, but not in circles.
    open_folders: list[tuple[str, Iterator[os.DirEntry[str]]]] = [(os.path.realpath(folder), _entries(folder))]
    while open_folders:
        entry = next(open_folders[-1][1], None)
        if entry is None:
            open_folders.pop()
        elif _is_folder(entry):
            real = os.path.realpath(entry.path)
            if all(real != above for above, _ in open_folders):
                open_folders.append((real, _entries(Path(entry.path))))
        elif entry.name.lower().endswith(known):
            yield Path(entry.path)


@cache
def _suffixes() -> tuple[str, ...]:
    return (*suffixes(), ".npy")


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return iter(sorted((one for one in entries if not one.name.startswith(".")), key=lambda one: one.name))
    except OSError:
        return iter(())


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _standard_input(null: bool, column: str | None) -> Iterator[Item | Container]:
    stream = sys.stdin.buffer
    beginning = stream.read1(_CHUNK) if hasattr(stream, "read1") else stream.read(_CHUNK)
    # Every image format has control characters in its first bytes, and no list of paths has them.
    if not null and len(beginning) != len(beginning.translate(None, _CONTROLS)):
        data = beginning + stream.read(MAX_FILE_BYTES)
        yield Item("standard input", lambda max_pixels: decode_image(data, "standard input", max_pixels=max_pixels))
        return
    for line in _lines(beginning, stream, b"\0" if null else b"\n"):
        name = os.fsdecode(line if null else line.removesuffix(b"\r"))
        if name.strip():
            yield from _named(name, column)


def _lines(beginning: bytes, stream: Any, end: bytes) -> Iterator[bytes]:
    """The parts of the stream between the ``end`` bytes, as they arrive."""
    rest = beginning
    while chunk := rest:
        *lines, rest = chunk.split(end)
        yield from lines
        more = stream.read1(_CHUNK) if hasattr(stream, "read1") else stream.read(_CHUNK)
        if not more:
            yield rest
            return
        # A longer line is not a path; opening its beginning reports that.
        rest = rest[:_LONGEST_PATH] + more


def _in_memory(source: Image.Image | npt.NDArray[Any], name: str, max_pixels: int) -> Image.Image | Prepared:
    if isinstance(source, np.ndarray):
        return image_or_input(source, name, max_pixels)
    return rgb(source, name, max_pixels=max_pixels)


def _or_error(pieces: Iterator[Item | Container], name: str, why_not: str) -> Iterator[Item | Container]:
    first = next(pieces, None)
    if first is None:
        yield error_item(name, Diagnostic(catalogue.FILE_NOT_FOUND, why_not, helps=_CHECK))
        return
    yield first
    yield from pieces
