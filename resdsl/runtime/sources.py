"""Image sources: files, folders, glob patterns, lists on standard input, arrays, images in memory."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.arrays import arrays_in, image_or_input
from resdsl.runtime.images import MAX_FILE_BYTES, decode_image, load_image, rgb, suffixes

STANDARD_INPUT = "-"

_CHUNK = 1 << 16
_LONGEST_PATH = 1 << 16
_CHECK = ("check the path",)
_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\v\f\r"))

Prepared = npt.NDArray[Any]
"""A preprocessed input, floating-point ``[C, H, W]``."""

Source = str | os.PathLike[str] | Image.Image | npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Item:
    """A named image. ``load(max_pixels)`` reads it, in any thread, or raises ``RunError``."""

    name: str
    load: Callable[[int], Image.Image | Prepared]


def items_of(sources: Source | Iterable[Source], *, null: bool = False) -> Iterator[Item]:
    """The images of ``sources``, in order; lazy.

    A folder stands for all images below it (recognised by their suffixes) except hidden ones, sorted by name. A path
    with ``*``, ``?`` or ``[..]`` that does not exist is a glob pattern (``**``: folders of any depth); its files are
    sorted. An ``.npy`` file stands for the images or inputs in it (see ``arrays_in``). ``-`` is standard input: an
    image, or a list of paths (without patterns), one per line, or with ``null`` each terminated by a zero byte. Pillow
    images and arrays are named ``image 0``, by their position.

    A source without images is an item whose ``load`` raises the reason.
    """
    several = [sources] if isinstance(sources, str | os.PathLike | Image.Image | np.ndarray) else sources
    for number, source in enumerate(several):
        if isinstance(source, Image.Image | np.ndarray):
            yield Item(f"image {number}", partial(_in_memory, source, f"image {number}"))
        elif os.fspath(source) == STANDARD_INPUT:
            yield from _standard_input(null)
        else:
            yield from _named(os.fspath(source), patterns=True)


def count_of(sources: Iterable[str]) -> int | None:
    """The number of images of the paths ``sources``; ``None`` if they include standard input."""
    if STANDARD_INPUT in sources:
        return None
    return sum(1 for _ in items_of(sources))


def _named(name: str, *, patterns: bool = False) -> Iterator[Item]:
    if not name:
        # The empty path is the current folder, but an empty argument is an unset variable.
        yield _error_item(name, Diagnostic(catalogue.FILE_NOT_FOUND, "the path of an image is empty", helps=_CHECK))
        return
    path = Path(name)
    try:
        is_folder = path.is_dir()
        is_pattern = patterns and glob.has_magic(name) and not path.exists()
    except (OSError, ValueError):
        is_folder = is_pattern = False  # loading it reports the reason
    if is_folder:
        yield from _or_error(_below(path), name, f"the folder `{name}` has no images")
    elif is_pattern:
        matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207  absolute or relative
        files = (file for file in matches if not Path(file).is_dir())
        yield from _or_error((item for file in files for item in _file(file)), name, f"no file matches `{name}`")
    else:
        # A pipe is an image only where it is an argument, such as <(curl ...): in a folder it would block the run.
        yield from _file(name, regular=not patterns)


def _file(name: str, *, regular: bool = True) -> Iterator[Item]:
    if name.lower().endswith(".npy"):
        try:
            yield from (Item(*named) for named in arrays_in(Path(name)))
        except RunError as error:
            yield _error_item(name, error.diagnostic)
    else:
        yield file_item(name, regular=regular)


def file_item(name: str, *, regular: bool = True) -> Item:
    """The item of an image file; ``regular`` as for ``load_image``."""
    return Item(name, partial(_load, name, regular))


def _load(name: str, regular: bool, max_pixels: int) -> Image.Image:
    return load_image(name, max_pixels=max_pixels, regular=regular)


def _below(folder: Path) -> Iterator[Item]:
    for file in files_below(folder):
        yield from _file(str(file))


def files_below(folder: Path) -> Iterator[Path]:
    """The images below a folder, recognised by their suffixes, sorted by name. Raises no ``OSError``."""
    known = _suffixes()
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


def _standard_input(null: bool) -> Iterator[Item]:
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
            yield from _named(name)


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


def _or_error(items: Iterator[Item], name: str, why_not: str) -> Iterator[Item]:
    first = next(items, None)
    if first is None:
        yield _error_item(name, Diagnostic(catalogue.FILE_NOT_FOUND, why_not, helps=_CHECK))
        return
    yield first
    yield from items


def _error_item(name: str, diagnostic: Diagnostic) -> Item:
    def load(_: int) -> Image.Image:
        raise RunError(diagnostic)

    return Item(name, load)
