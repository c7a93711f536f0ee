"""Opening weights from where they are: a file of this machine, the web or the model hub."""

from __future__ import annotations

import os
from pathlib import Path

from resdsl.weights.checkpoint import Checkpoint, Progress
from resdsl.weights.formats.open import open_checkpoint


def open_weights(source: str | os.PathLike[str], progress: Progress | None = None) -> Checkpoint:
    """The tensors of a file, or of what an address leads to, fetched into the cache once.

    Close it, or use it in a ``with`` block. ``progress`` is told how many bytes have come, of how many. Raises
    ``CheckpointError`` where the weights cannot be had, read or trusted.
    """
    text = os.fspath(source)
    if ":" not in text:
        return open_checkpoint(Path(text))
    from resdsl.weights.remote.address import parse_address  # noqa: PLC0415  a file needs nothing of the web
    from resdsl.weights.remote.fetch import fetch  # noqa: PLC0415

    address = parse_address(text)
    if address is None:
        return open_checkpoint(Path(text))
    fetched = fetch(address, progress)
    checkpoint = open_checkpoint(fetched.path)
    # Where it is from says more than how the file in the cache is called.
    checkpoint.name, checkpoint.origin = str(address), fetched.origin
    return checkpoint
