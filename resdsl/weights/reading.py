"""Files of weights: mapped, for the parts that say where tensors are, and read in pieces, for the tensors.

Pages of a map that were looked at count as memory of the process until the system takes them back; a piece is read into
the same place as the one before it.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resdsl.weights.checkpoint import CheckpointError

if TYPE_CHECKING:
    import numpy as np


class TensorFile:
    """A file that is open to be read at any place, by several threads."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._file = path.open("rb", buffering=0)
        self._seeking = threading.Lock()

    def map(self) -> mmap.mmap:
        """All bytes, none of them read yet. The file must not be empty."""
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def read_into(self, buffer: memoryview, start: int) -> None:
        """Fill ``buffer`` with the bytes from ``start`` on. Raises ``CheckpointError`` where there are none."""
        done = 0
        while done < len(buffer):
            length = self._read_at(buffer[done:], start + done)
            if not length:
                raise CheckpointError.damaged(self._name, "it became shorter while it was read")
            done += length

    def _read_at(self, buffer: memoryview, start: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [buffer], start)
        # Windows has one position for all.
        with self._seeking:
            self._file.seek(start)
            return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class Stretch:
    """The bytes of a tensor in a file: ``length`` of them from ``start`` on, its elements one after another."""

    file: TensorFile
    start: int
    length: int

    def windows(self, size: int) -> Iterator[memoryview]:
        """The bytes, ``size`` at a time, each time in the same place."""
        buffer = memoryview(bytearray(min(size, self.length)))
        for done in range(0, self.length, size):
            window = buffer[: self.length - done]
            self.file.read_into(window, self.start + done)
            yield window

    def arrays(self, dtype: np.dtype, count: int) -> Iterator[np.ndarray]:
        """The elements, ``count`` at a time, each time in the same place."""
        import numpy as np  # windows do without it

        for window in self.windows(count * dtype.itemsize):
            yield np.frombuffer(window, dtype)

    def whole(self, dtype: np.dtype) -> np.ndarray:
        """All elements."""
        import numpy as np

        flat = np.empty(self.length // dtype.itemsize, dtype)
        self.file.read_into(flat.view(np.uint8).data, self.start)
        return flat
