"""PyTorch's container since 1.6: a zip archive, uncompressed.

``NAME/data.pkl`` is a pickle that refers to storages by key, ``NAME/data/KEY`` are their bytes, ``NAME/byteorder`` is
``little`` or ``big`` (files before 2.1 lack it and are little). TorchScript archives also have ``constants.pkl`` and
code; they hold a program, not weights.
"""

from __future__ import annotations

import mmap
import struct
import zipfile
from pathlib import Path

from resdsl.diagnostics import catalogue
from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.formats.inert_pickle import Window
from resdsl.weights.formats.torch_checkpoint import StorageLocation, TorchCheckpoint
from resdsl.weights.formats.torch_objects import read_object
from resdsl.weights.tensor_file import TensorFile

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1


def list_members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """The directory of a zip archive by name. Reads no member. Raises ``CheckpointError`` for an invalid one."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    # What the standard library raises for invalid directories.
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, OSError, struct.error) as error:
        raise CheckpointError.damaged(path.name, "its zip directory, at the end of the file, cannot be read") from error
    by_name = {member.filename: member for member in members}
    if len(by_name) != len(members):
        # Readers differ in which of the two they use: a scanner could check one and a loader read the other.
        raise CheckpointError.damaged(path.name, "two members of the archive have the same name")
    return by_name


def open_torch_zip(path: Path, members: dict[str, zipfile.ZipInfo]) -> TorchCheckpoint:
    """A checkpoint in PyTorch's zip container. ``members`` is its directory."""
    pickles = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise CheckpointError.damaged(path.name, f"its archive has {len(pickles)} `data.pkl` files, not one")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}constants.pkl" in members or any(name.startswith(f"{root}code/") for name in members):
        raise CheckpointError.of(
            catalogue.CHECKPOINT_FORMAT,
            f"`{path.name}` is a TorchScript program, not a file of weights",
            helps=("save its tensors: `torch.save(torch.jit.load(...).state_dict(), ...)`",),
        )
    file = TensorFile(path)
    try:
        with file.map() as mapped:
            start, _ = _locate(path.name, mapped, members[pickles[0]])
            content = read_object(Window(mapped, start, path.name), path.name, {})
            data = f"{root}data/"
            locations = {
                name.removeprefix(data): _locate(path.name, mapped, member)
                for name, member in members.items()
                if name.startswith(data)
            }
            big_endian = _big_endian(path, mapped, members, root)
        return TorchCheckpoint(path, file, content, locations, big_endian=big_endian)
    except BaseException:
        file.close()
        raise


def _locate(name: str, mapped: mmap.mmap, member: zipfile.ZipInfo) -> StorageLocation:
    """The bytes of a member, which follow its local header of variable length."""
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & _ENCRYPTED:
        raise CheckpointError.of(
            catalogue.CHECKPOINT_FORMAT,
            f"`{member.filename:.80}` in `{name}` is compressed or encrypted, which PyTorch never does",
            helps=("save it again with PyTorch, or download the original file",),
        )
    header = mapped[member.header_offset : member.header_offset + _LOCAL_HEADER.size]
    if len(header) < _LOCAL_HEADER.size:
        raise CheckpointError.damaged(name, f"it ends before the header of `{member.filename:.80}`")
    magic, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    start = member.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    if magic != b"PK\3\4" or start + member.file_size > len(mapped):
        raise CheckpointError.damaged(name, f"the bytes of `{member.filename:.80}` are not at the stated offset")
    return StorageLocation(start, member.file_size)


def _big_endian(path: Path, mapped: mmap.mmap, members: dict[str, zipfile.ZipInfo], root: str) -> bool:
    member = members.get(f"{root}byteorder")
    if member is None:
        return False
    start, length = _locate(path.name, mapped, member)
    order = mapped[start : start + min(length, 8)]
    if order not in (b"little", b"big"):
        raise CheckpointError.damaged(path.name, f"its byte order is {order.decode('latin-1')!r}, not little or big")
    return order == b"big"
