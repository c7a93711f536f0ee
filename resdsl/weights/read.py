"""Open weights from a file, a URL or a repository of the model hub."""

from __future__ import annotations

import os
from pathlib import Path

from resdsl.weights.checkpoint import Checkpoint, Progress
from resdsl.weights.formats.open import open_checkpoint


def read_weights(source: str | os.PathLike[str], *, progress: Progress | None = None) -> Checkpoint:
    """The named tensors of a ``.safetensors``, ``.pth``, ``.pt``, ``.npz`` or ``.onnx`` file, read lazily.

    ``source`` may also be the address of such a file, ``https://...[#sha256=HEX]``, or of a repository on the model
    hub, ``hf:OWNER/NAME[@REVISION][/FILE]``, which is downloaded into a cache once; ``progress`` is called with the
    bytes downloaded so far and their total. Close the result, or use it in a ``with`` block; ``resdsl.compile`` takes
    it as ``weights``. No code in the file is executed, and torch is not needed.

    Raises ``CompileError`` if the file is missing, damaged, in another format, or cannot be downloaded.
    """
    text = os.fspath(source)
    if ":" not in text:
        return open_checkpoint(Path(text))
    from resdsl.weights.remote.address import parse_address  # not needed for a file
    from resdsl.weights.remote.fetch import fetch

    address = parse_address(text)
    if address is None:
        return open_checkpoint(Path(text))
    fetched = fetch(address, progress)
    checkpoint = open_checkpoint(fetched.path)
    # The address says more than the name of the file in the cache.
    checkpoint.name, checkpoint.origin = str(address), fetched.origin
    return checkpoint
