"""Images in tar archives, as WebDataset writes them: read from start to end, never unpacked."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.inputs import record_input
from resdsl.runtime.files import require_file
from resdsl.runtime.images import MAX_FILE_BYTES, decode_image, suffixes
from resdsl.runtime.item import Item, error_item
from resdsl.runtime.stores import ObjectFile, is_address, plain

SUFFIXES = (".tar", ".tar.gz", ".tgz")

_LABEL = ".cls"
_LONGEST_LABEL = 1000
_LONGEST_HEADER = 2**20
_AT_ONCE = 2**23
"""Bytes of an archive in a store that one request reads."""
_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


Labelled = tuple[Item, str | None]
"""An image and its label."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The images of a tar archive, in the order in which it has them."""

    file: str

    @property
    def key(self) -> str:
        return plain(self.file)

    def items(self) -> Iterator[Item]:
        """The images in order. A damaged archive ends with an item whose ``load`` raises the reason."""
        return (item for item, _ in self._read(_images))

    def labelled(self) -> Iterator[tuple[Item, str | None]]:
        """The same with the text of the file ``.cls`` beside each, if there is one."""
        return ((item, label) for item, label in self._read(_labelled))

    def _read(self, of: Callable[[tarfile.TarFile, str], Iterator[Labelled]]) -> Iterator[Labelled]:
        name, place = plain(self.file), 0
        try:
            with _opened(self.file) as archive:
                for place, (item, label) in enumerate(of(archive, name), 1):
                    yield replace(item, place=place - 1), label
        except UnavailableError:
            raise
        except RunError as error:
            yield error_item(name, error.diagnostic), None
        except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
            fact = f"`{name}` is damaged after {place} images: {error}"
            helps = ("copy or write it again",)
            yield error_item(name, Diagnostic(catalogue.IMAGE_UNREADABLE, fact, helps=helps)), None
        else:
            if not place:
                fact = f"`{name}` has no images"
                yield error_item(name, Diagnostic(catalogue.FILE_NOT_FOUND, fact, helps=("check the path",))), None

    def parts(self, size: int) -> Iterator[Archive]:
        """One part: where images begin is known only after reading those before."""
        yield self

    def count(self) -> int | None:
        """``None``: it is known only after reading the archive."""
        return None


class _Member(tarfile.TarInfo):
    """A member whose extended headers, which are read into memory, are of bounded size."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _HEADERS and self.size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header has {self.size:_} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


@contextmanager
def _opened(file: str) -> Iterator[tarfile.TarFile]:
    stream: BinaryIO
    if is_address(file):
        stream = io.BufferedReader(ObjectFile(file), _AT_ONCE)
    else:
        require_file(Path(file), "an archive", regular=True)
        record_input(file, keep=False)
        stream = Path(file).open("rb")  # noqa: SIM115  closed below
    with stream, tarfile.open(fileobj=stream, mode="r|*", tarinfo=_Member) as archive:
        yield archive


def _images(archive: tarfile.TarFile, name: str) -> Iterator[Labelled]:
    for member in _members(archive, suffixes()):
        yield _item(archive, member, name), None


def _labelled(archive: tarfile.TarFile, name: str) -> Iterator[Labelled]:
    """Files of one image follow each other, in any order, and have the same name up to its first dot."""
    key, items, label = "", list[Item](), None
    for member in _members(archive, (*suffixes(), _LABEL)):
        folder, slash, file = member.name.rpartition("/")
        now = f"{folder}{slash}{file.partition('.')[0]}"
        if now != key:
            yield from ((item, label) for item in items)
            key, items, label = now, [], None
        if member.name.lower().endswith(_LABEL):
            label = _content(archive, member)[:_LONGEST_LABEL].decode(errors="replace").strip()
        else:
            items.append(_item(archive, member, name))
    yield from ((item, label) for item in items)


def _members(archive: tarfile.TarFile, known: tuple[str, ...]) -> Iterator[tarfile.TarInfo]:
    for member in archive:
        vars(archive)["members"] = []  # tarfile keeps every member that it has seen
        hidden = Path(member.name).name.startswith(".")
        if member.isreg() and not hidden and member.name.lower().endswith(known):
            yield member


def _item(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Item:
    called = f"{name}/{member.name}"
    if member.size > MAX_FILE_BYTES:
        fact = f"`{called}` has {member.size:_} bytes; the limit is {MAX_FILE_BYTES:_}"
        return error_item(called, Diagnostic(catalogue.IMAGE_TOO_LARGE, fact, helps=("store a smaller image",)))
    return Item(called, partial(_decode, _content(archive, member), called))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    assert stream is not None
    data = stream.read(MAX_FILE_BYTES)
    if len(data) != member.size:
        raise tarfile.ReadError("it ends in the middle of a file")
    return data


def _decode(data: bytes, name: str, max_pixels: int) -> Image.Image:
    return decode_image(data, name, max_pixels=max_pixels)
