"""Writing models that ONNX Runtime has optimised for this machine."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from resdsl.diagnostics import Diagnostic, Option, Text, catalogue
from resdsl.files import OutputError, explained, is_stream, pending_file, real_target
from resdsl.ir import metadata
from resdsl.onnx import Emitted
from resdsl.onnx.emit import remove_files, side_files_of
from resdsl.runtime.optimised import this_machine, write_optimised

WritePlain = Callable[[Path, Mapping[str, str]], object]
"""Writes a model to a file, with more entries in its metadata than it would have otherwise."""


def write_for_runtime(path: Path, write_plain: WritePlain) -> Emitted:
    """Write the model that ONNX Runtime makes of the one that ``write_plain`` writes; both files whole or not at all.

    The weights' file is named by a hash of the model and the machine, as that of any model with its weights beside it:
    a new pair never breaks an old one. Raises ``OutputError``, and ``UnavailableError`` where ONNX Runtime cannot.
    """
    if is_stream(path) or path == Path("-"):
        raise no_stream_for_runtime(path)
    target = real_target(path)
    made_for = metadata.RUNTIME.write(this_machine())
    with pending_file(path) as pending, explained(path):
        # In the same folder, so that giving the files their names moves no bytes.
        with tempfile.TemporaryDirectory(prefix=f".{target.name[:80]}.", suffix=".tmp", dir=target.parent) as name:
            folder = Path(name)
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
    """What to raise where ``path`` is nothing that a file could lie beside."""
    return OutputError(
        Diagnostic(
            catalogue.SIDE_FILE,
            Text(
                f"`{path}` is not a file, and a model compiled with ",
                Option("for_runtime"),
                " has its weights in a file beside it",
            ),
            helps=("name a file to write to",),
        )
    )


def _digest(folder: Path, made_for: str) -> str:
    """Of all files in a folder, in the order of their names."""
    found = hashlib.blake2b(made_for.encode(), digest_size=4)
    for file in sorted(folder.iterdir()):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                found.update(block)
    return found.hexdigest()
