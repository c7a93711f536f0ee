"""Files of weights: memory-mapped to read their headers, and read in pieces for the tensors.

Mapped pages that were read count as memory of the process until the system reclaims them; pieces share one buffer.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resdsl.inputs import record_input
from resdsl.weights.checkpoint import CheckpointError

if TYPE_CHECKING:
    import numpy as np


class TensorFile:
    """A file open for reading at any position, by several threads."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        record_input(path)
        self._file = path.open("rb", buffering=0)
        self._seeking = threading.Lock()

    def map(self) -> mmap.mmap:
        """The whole file, memory-mapped. It must not be empty."""
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def read_into(self, buffer: memoryview, start: int) -> None:
        """Fill ``buffer`` with the bytes from ``start`` on. Raises ``CheckpointError`` at the end of the file."""
        done = 0
        while done < len(buffer):
            length = self._read_at(buffer[done:], start + done)
            if not length:
                raise CheckpointError.damaged(self._name, "it became shorter while being read")
            done += length

    def _read_at(self, buffer: memoryview, start: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [buffer], start)
        # Windows has one file position for all threads.
        with self._seeking:
            self._file.seek(start)
            return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The ``length`` bytes of a tensor from ``start`` on, its elements without gaps."""

    file: TensorFile
    start: int
    length: int

    def windows(self, size: int) -> Iterator[memoryview]:
        """The bytes, ``size`` at a time, in one reused buffer."""
        buffer = memoryview(bytearray(min(size, self.length)))
        for done in range(0, self.length, size):
            window = buffer[: self.length - done]
            self.file.read_into(window, self.start + done)
            yield window

    def arrays(self, dtype: np.dtype, count: int) -> Iterator[np.ndarray]:
        """The elements, ``count`` at a time, in one reused buffer."""
        import numpy as np  # windows need no NumPy

        for window in self.windows(count * dtype.itemsize):
            yield np.frombuffer(window, dtype)

    def whole(self, dtype: np.dtype) -> np.ndarray:
        """All elements."""
        import numpy as np

        flat = np.empty(self.length // dtype.itemsize, dtype)
        self.file.read_into(flat.view(np.uint8).data, self.start)
        return flat
