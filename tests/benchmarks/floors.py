"""What no program that writes weights can do without, as commands to measure against.

`floors.py normals COUNT FILE`: draw COUNT normal numbers on all cores, and write as many bytes.
`floors.py copy FROM TO`: copy a file. Both end when the bytes are on the disk, as our own files are (`--no-sync`: when
the system has taken them).
"""

import os
import sys
import threading
from pathlib import Path

CHUNK = 1 << 20


def normals(count: int, path: Path, *, sync: bool) -> None:
    import numpy as np

    threads = os.cpu_count() or 1
    buffers = [np.empty(CHUNK // 4, np.float32) for _ in range(threads)]

    def draw(number: int) -> None:
        generator = np.random.Generator(np.random.PCG64(number))
        for start in range(0, count // threads, CHUNK // 4):
            part = buffers[number][: min(CHUNK // 4, count // threads - start)]
            generator.standard_normal(dtype=np.float32, out=part)

    working = [threading.Thread(target=draw, args=(number,)) for number in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    with path.open("wb", buffering=0) as file:
        for start in range(0, 4 * count, CHUNK):
            file.write(buffers[0].data.cast("B")[: min(CHUNK, 4 * count - start)])
        if sync:
            os.fsync(file.fileno())


def copy(source: Path, target: Path, *, sync: bool) -> None:
    with source.open("rb", buffering=0) as read, target.open("wb", buffering=0) as written:
        buffer = memoryview(bytearray(CHUNK))
        while length := read.readinto(buffer):
            written.write(buffer[:length])
        if sync:
            os.fsync(written.fileno())


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "--no-sync"]
    sync = "--no-sync" not in sys.argv
    match words:
        case ["normals", count, path]:
            normals(int(count), Path(path), sync=sync)
        case ["copy", source, target]:
            copy(Path(source), Path(target), sync=sync)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
