"""Opening weights from where they are: a file of this machine, the web or the model hub."""

from __future__ import annotations

import os
from pathlib import Path

from resdsl.weights.checkpoint import Checkpoint
from resdsl.weights.formats.open import open_checkpoint
from resdsl.weights.remote.address import parse_address
from resdsl.weights.remote.fetch import Progress, fetch


def open_weights(source: str | os.PathLike[str], progress: Progress | None = None) -> Checkpoint:
    """The tensors of a file, or of what an address leads to, fetched into the cache once.

    Close it, or use it in a ``with`` block. ``progress`` is told how many bytes have come, of how many. Raises
    ``CheckpointError`` where the weights cannot be had, read or trusted.
    """
    address = parse_address(os.fspath(source))
    if address is None:
        return open_checkpoint(Path(source))
    fetched = fetch(address, progress)
    checkpoint = open_checkpoint(fetched.path)
    # Where it is from says more than how the file in the cache is called.
    checkpoint.name, checkpoint.origin = str(address), fetched.origin
    return checkpoint
