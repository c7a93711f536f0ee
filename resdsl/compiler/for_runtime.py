"""Write a model that ONNX Runtime has optimised for this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.diagnostics.errors import OutputError
from resdsl.files import explained, is_stream, pending_file, real_target, temporary_folder
from resdsl.ir import metadata
from resdsl.onnx import Emitted
from resdsl.onnx.emit import remove_files, side_files_of
from resdsl.runtime.optimised import this_machine, write_optimised

WritePlain = Callable[[Path, Mapping[str, str]], object]
"""Writes a model to a file, with additional metadata entries."""


def write_for_runtime(path: Path, write_plain: WritePlain) -> Emitted:
    """Optimise the model of ``write_plain`` with ONNX Runtime and write it atomically, with its weights file.

    The name of the weights file contains a hash of the model and the machine, so a new pair never breaks an old one.
    Raises ``OutputError``, and ``UnavailableError`` if ONNX Runtime fails.
    """
    if is_stream(path) or path == Path("-"):
        raise no_stream_for_runtime(path)
    target = real_target(path)
    made_for = metadata.RUNTIME.write(this_machine())
    with pending_file(path) as pending, explained(path):
        # In the same folder, so that the files are renamed and not copied.
        with temporary_folder(target) as folder:
            plain = folder / "plain.onnx"
            write_plain(plain, metadata.RUNTIME.of(this_machine()))
            data_path = target.with_name(f"{target.stem}.{_digest(folder, made_for)}.data")
            optimised = folder / "optimised.onnx"
            write_optimised(plain, optimised, data_path.name)
            content = optimised.read_bytes()
            pending.stream.write(content)
            made = folder / data_path.name
            has_data = made.exists()
            if has_data:
                made.replace(data_path)
        superseded = side_files_of(target) - {data_path}
        pending.commit(target)
    remove_files(superseded)
    size = data_path.stat().st_size if has_data else 0
    return Emitted(path, len(content), data_path if has_data else None, size)


def no_stream_for_runtime(path: Path) -> OutputError:
    """The error for an output that cannot have a weights file beside it."""
    return OutputError(
        Diagnostic(
            catalogue.SIDE_FILE,
            f"`{path}` is not a file, and `--for-runtime` writes the weights to a file beside the model",
            helps=("name a file to write to",),
        )
    )


def _digest(folder: Path, made_for: str) -> str:
    """A hash of all files in a folder, sorted by name."""
    digest = hashlib.blake2b(made_for.encode(), digest_size=4)
    for file in sorted(folder.iterdir()):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
