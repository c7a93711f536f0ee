"""Files of weights, read and written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from resdsl.diagnostics import CompileError, Diagnostics
from resdsl.files import OutputError
from resdsl.weights.checkpoint import Checkpoint, CheckpointError, Progress
from resdsl.weights.source import open_weights

if TYPE_CHECKING:
    from resdsl.weights.save import Saved


def read_weights(source: str | os.PathLike[str], *, progress: Progress | None = None) -> Checkpoint:
    """The named tensors of a ``.safetensors``, ``.pth``, ``.pt``, ``.npz`` or ``.onnx`` file, none of them read yet.

    ``source`` may also be the address of such a file, ``https://...[#sha256=HEX]``, or of a repository on the model
    hub, ``hf:OWNER/NAME[@REVISION][/FILE]``: it is fetched into a cache once, and ``progress`` is told how many bytes
    of how many have come. Close the result, or use it in a ``with`` block; ``Specification.compile`` takes it as
    ``weights``. Nothing in the file is run, and torch is not needed. Raises ``CompileError`` where the file is missing,
    damaged, of another format, or cannot be fetched.
    """
    with told_in(Diagnostics()):
        return open_weights(source, progress)


def extract_weights(source: str | os.PathLike[str], output: str | os.PathLike[str]) -> Saved:
    """Write the weights of a model, or of any file or address of weights, as ``.safetensors`` in float32.

    The file appears whole or not at all. Raises ``CompileError`` for a source without weights and where the result
    cannot be written.
    """
    from resdsl.weights.save import save_weights  # noqa: PLC0415  compiling saves none

    with told_in(Diagnostics()):
        return save_weights(source, Path(output))


@contextmanager
def told_in(diagnostics: Diagnostics) -> Iterator[None]:
    """Turn what is wrong with a file, read or written, into a ``CompileError`` that has it among ``diagnostics``."""
    try:
        yield
    except (CheckpointError, OutputError) as error:
        diagnostics.report(error.diagnostic)
        raise CompileError(diagnostics) from None
