"""Open a file of weights; its content decides the format."""

from __future__ import annotations

import mmap
from contextlib import closing
from pathlib import Path

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.suggest import closest
from resdsl.inputs import record_input
from resdsl.weights.checkpoint import Checkpoint, CheckpointError
from resdsl.weights.tensor_file import TensorFile

_FORMATS = "`.safetensors`, `.pth`, `.pt`, `.npz` or `.onnx`"

_FOREIGN = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes", "save its arrays with names with `numpy.savez`"),
    (b"version https://git-lfs", "a Git LFS pointer, not the weights themselves", "run `git lfs pull` beside it"),
    (b"\x1f\x8b", "compressed with gzip", "unpack it with `gunzip`"),
    (b"\xfd7zXZ\x00", "compressed with xz", "unpack it with `unxz`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (b"\x93NUMPY", "a single array without a name", "save the arrays with names with `numpy.savez`"),
    (b"GGUF", "a GGUF file, a format of language models", "fetch the weights as `.safetensors`"),
)
"""Other files that are passed as weights: their first bytes, what they are, the fix."""

_MARKUP = (b"<!doctype html", b"<html", b"<?xml", b"<!doc")


def open_checkpoint(path: str | Path) -> Checkpoint:
    """The tensors of a file: safetensors (or an index of its shards), PyTorch's containers, ``.npz`` or ONNX.

    The content decides, not the name. Close it, or use it in a ``with`` block. Raises ``CheckpointError`` for a file
    that is missing, damaged, malicious, or in another format.
    """
    path = Path(path)
    record_input(path)
    with _map(path) as mapped:
        return _open(path, mapped)


def _open(path: Path, mapped: mmap.mmap) -> Checkpoint:
    """Each reader is imported when it is needed: the others import libraries that this file does not need."""
    head = mapped[:512]
    # First: the length at the start of such a file may look like the start of another format.
    if _is_safetensors(head, len(mapped)):
        from resdsl.weights.formats.safetensors import SafetensorsCheckpoint

        return SafetensorsCheckpoint(path)
    if head.startswith(b"PK\3\4"):
        return _open_zip(path)
    if head.startswith(b"\x80"):
        from resdsl.weights.formats.torch_legacy import open_torch_legacy

        return open_torch_legacy(path)
    if head.lstrip()[:1] == b"{":
        from resdsl.weights.formats.safetensors import ShardedCheckpoint

        return ShardedCheckpoint(path)
    _refuse_foreign(path, head)
    # Protobuf has no magic number; an ONNX model starts with field 1, its version.
    if head[0] == 0x08 or path.suffix == ".onnx":
        from resdsl.weights.formats.onnx import OnnxCheckpoint

        return OnnxCheckpoint(path, mapped)
    raise CheckpointError.of(
        catalogue.NOT_A_CHECKPOINT,
        f"`{path}` is not a file of weights in a supported format",
        helps=(f"pass a {_FORMATS} file",),
    )


def _open_zip(path: Path) -> Checkpoint:
    from resdsl.weights.formats.torch_zip import list_members, open_torch_zip

    members = list_members(path)
    if any(name.endswith("data.pkl") for name in members):
        return open_torch_zip(path, members)
    if any(name.endswith(".npy") for name in members):
        from resdsl.weights.formats.npz import NpzCheckpoint

        return NpzCheckpoint(path)
    some = ", ".join(f"`{name:.40}`" for name in list(members)[:3]) or "nothing"
    raise CheckpointError.of(
        catalogue.NOT_A_CHECKPOINT,
        f"`{path}` is a zip archive of {some}, without PyTorch's `data.pkl` or NumPy's arrays",
        helps=(f"unpack it and pass a {_FORMATS} file",),
    )


def _is_safetensors(head: bytes, size: int) -> bool:
    """Whether the file starts with a length and JSON of that length."""
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size


def _refuse_foreign(path: Path, head: bytes) -> None:
    for magic, what, fix in _FOREIGN:
        if head.startswith(magic):
            raise CheckpointError.of(catalogue.CHECKPOINT_FORMAT, f"`{path}` is {what}", helps=(fix,))
    if head.lstrip().lower().startswith(_MARKUP):
        raise CheckpointError.of(
            catalogue.NOT_A_CHECKPOINT,
            f"`{path}` is a web page: the download of the weights failed",
            helps=("open the address in a browser to see the page",),
        )
    if head[257:262] == b"ustar":
        raise CheckpointError.of(
            catalogue.CHECKPOINT_FORMAT,
            f"`{path}` is a tar archive, which PyTorch wrote before version 0.1.10",
            helps=("load it with an old PyTorch and save it again, or unpack it if it contains weights",),
        )


def _map(path: Path) -> mmap.mmap:
    try:
        if path.is_dir():
            raise CheckpointError.of(
                catalogue.NOT_A_FILE,
                f"`{path}` is a folder, not a file of weights",
                helps=(f"pass a {_FORMATS} file in it",),
            )
        if path.exists() and not path.is_file():
            # Opening a pipe would wait for a writer.
            raise CheckpointError.of(
                catalogue.UNREADABLE_FILE,
                f"`{path}` cannot be read: it is a pipe or a device",
                helps=("save the weights to a file and pass its path",),
            )
        if path.is_file() and not path.stat().st_size:
            raise CheckpointError.of(
                catalogue.EMPTY_FILE, f"`{path}` is empty", helps=("download or write it again: it was interrupted",)
            )
        with closing(TensorFile(path)) as file:
            return file.map()
    except FileNotFoundError:
        near = closest(path.name, [entry.name for entry in path.parent.iterdir()]) if path.parent.is_dir() else None
        raise CheckpointError.of(
            catalogue.FILE_NOT_FOUND,
            f"there is no file of weights `{path}`",
            helps=(f"there is `{path.parent / near}`" if near else "check the path",),
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CheckpointError.of(
            catalogue.UNREADABLE_FILE,
            f"`{path}` cannot be read: {reason.lower()}",
            helps=("pass a local file that is readable",),
        ) from None
