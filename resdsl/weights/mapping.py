"""Files of weights as memory maps: read where they are looked at, and let go of afterwards."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def map_file(path: Path) -> mmap.mmap:
    """The bytes of a file that is not empty, without reading them yet."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def unmap(mapped: mmap.mmap) -> None:
    """Let go of a map. Where an array still looks at it, as in the trace of a reading that failed, it goes later."""
    with contextlib.suppress(BufferError):
        mapped.close()


@dataclass(frozen=True, slots=True)
class Stretch:
    """The bytes of a tensor in a map: ``length`` of them from ``start`` on, its elements one after another."""

    mapped: mmap.mmap
    start: int
    length: int

    def windows(self, size: int) -> Iterator[memoryview]:
        """The bytes, ``size`` at a time. Each window holds until the next is asked for, and is then forgotten."""
        with memoryview(self.mapped) as whole:
            for part in self._parts(size):
                with whole[part.start : part.start + part.length] as window:
                    yield window
                part.forget()

    def arrays(self, dtype: np.dtype, count: int) -> Iterator[np.ndarray]:
        """The elements, ``count`` at a time. Each array holds until the next is asked for, and is then forgotten."""
        for part in self._parts(count * dtype.itemsize):
            yield part.whole(dtype)
            part.forget()

    def whole(self, dtype: np.dtype) -> np.ndarray:
        """The elements, not copied."""
        import numpy as np  # noqa: PLC0415  windows do without it

        if not self.length:
            return np.empty(0, dtype)
        return np.frombuffer(self.mapped, dtype, self.length // dtype.itemsize, self.start)

    def forget(self) -> None:
        """Take the bytes out of this process's memory; they come again where they are read again."""
        # Windows counts pages of a file otherwise, and has no such call.
        if self.length and hasattr(self.mapped, "madvise"):
            page = self.start - self.start % mmap.PAGESIZE
            self.mapped.madvise(mmap.MADV_DONTNEED, page, self.start + self.length - page)

    def _parts(self, size: int) -> Iterator[Stretch]:
        for done in range(0, self.length, size):
            yield Stretch(self.mapped, self.start + done, min(size, self.length - done))
