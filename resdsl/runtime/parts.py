"""Images in parts that can be run independently of each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from resdsl.runtime.item import Item
from resdsl.runtime.sources import Container, Source, pieces_of


@dataclass(frozen=True, slots=True)
class Files:
    """Images that are files of their own."""

    images: tuple[Item, ...]

    @property
    def key(self) -> str:
        return "\n".join(item.name for item in self.images)

    def items(self) -> Iterator[Item]:
        """The images in order."""
        return iter(self.images)

    def parts(self, size: int) -> Iterator[Files]:
        """The same images in parts of ``size``."""
        return (Files(self.images[first : first + size]) for first in range(0, len(self.images), size))

    def count(self) -> int:
        """The number of images."""
        return len(self.images)


def parts_of(
    sources: Source | Iterable[Source], size: int, *, null: bool = False, column: str | None = None
) -> Iterator[Container]:
    """The images of ``items_of`` in parts of ``size``, in order; whole row groups of Parquet, whole archives.

    ``size`` is a multiple of the images in a batch, so that no batch is in two parts. Parts can be pickled.
    """
    files: list[Item] = []
    place = 0
    for piece in pieces_of(sources, null=null, column=column):
        if isinstance(piece, Item):
            files.append(replace(piece, place=place))
            place += 1
        if files and (len(files) == size or not isinstance(piece, Item)):
            yield Files(tuple(files))
            files = []
        if not isinstance(piece, Item):
            place = 0
            yield from piece.parts(size)
    if files:
        yield Files(tuple(files))
