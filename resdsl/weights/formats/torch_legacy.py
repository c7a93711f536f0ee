"""PyTorch's container before 1.6, which many published weights use.

Five consecutive pickles: a magic number, the protocol, the writing machine, the object, and the keys of its storages.
Then for each key the number of elements (8 bytes) and the elements, always little endian.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from resdsl.diagnostics import catalogue
from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.formats.inert_pickle import Window
from resdsl.weights.formats.torch_checkpoint import StorageLocation, TorchCheckpoint
from resdsl.weights.formats.torch_objects import ITEM_SIZES, read_object
from resdsl.weights.tensor_file import TensorFile

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


def open_torch_legacy(path: Path) -> TorchCheckpoint:
    """A checkpoint in PyTorch's old container."""
    file = TensorFile(path)
    try:
        with file.map() as mapped:
            content, locations = _open(path, mapped)
        return TorchCheckpoint(path, file, content, locations, big_endian=False)
    except BaseException:
        file.close()
        raise


def _open(path: Path, mapped: mmap.mmap) -> tuple[object, dict[str, StorageLocation]]:
    pickles = _Pickles(path.name, mapped)
    if pickles.next() != MAGIC:
        raise CheckpointError.of(
            catalogue.NOT_A_CHECKPOINT,
            f"`{path.name}` is a pickle that was not written by PyTorch",
            helps=("save the weights as `.safetensors`, `.npz` or with `torch.save(model.state_dict(), ...)`",),
        )
    if pickles.next() != PROTOCOL:
        raise CheckpointError.damaged(path.name, f"its protocol is not {PROTOCOL}, the only known one")
    pickles.next()  # the writing machine
    content = pickles.next()
    keys = pickles.next()
    if not isinstance(keys, list):
        raise CheckpointError.damaged(path.name, "its list of storages is not a list")
    return content, _locations(path.name, mapped, pickles.position, keys, pickles.storages)


class _Pickles:
    """The consecutive pickles at the start of the file, each with its own limits."""

    def __init__(self, name: str, mapped: mmap.mmap) -> None:
        self._name = name
        self._mapped = mapped
        self.position = 0
        self.storages: dict[str, str] = {}

    def next(self) -> object:
        window = Window(self._mapped, self.position, self._name)
        value = read_object(window, self._name, self.storages)
        self.position = window.tell()
        return value


def _locations(
    name: str, mapped: mmap.mmap, position: int, keys: list[object], storages: dict[str, str]
) -> dict[str, StorageLocation]:
    locations: dict[str, StorageLocation] = {}
    for key in keys:
        dtype = storages.get(key) if isinstance(key, str) else None
        if dtype is None:
            raise CheckpointError.damaged(name, "it lists a storage that no tensor uses")
        header = mapped[position : position + 8]
        length = int.from_bytes(header, "little", signed=True) * ITEM_SIZES[dtype]
        position += 8
        if len(header) < 8 or not 0 <= length <= len(mapped) - position:
            raise CheckpointError.damaged(
                name, f"storage `{key!s:.40}` at byte {position:,} claims {length:,} bytes of {len(mapped):,}"
            )
        locations[str(key)] = StorageLocation(position, length)
        position += length
    return locations
