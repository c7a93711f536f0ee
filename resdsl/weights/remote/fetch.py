"""From an address to a file on this machine."""

from __future__ import annotations

from resdsl.diagnostics import catalogue
from resdsl.weights.checkpoint import CheckpointError, Progress
from resdsl.weights.remote.address import HubAddress, WebAddress
from resdsl.weights.remote.fetched import FetchedFile


def fetch(address: HubAddress | WebAddress, progress: Progress | None = None) -> FetchedFile:
    """The file at an address: from the cache, or downloaded into it and checked.

    Needs the extra ``hub``. Raises ``CheckpointError`` if the file cannot be fetched or its digest is not the expected
    one.
    """
    try:
        if isinstance(address, HubAddress):
            from resdsl.weights.remote.hub import fetch_from_hub  # the client takes 0.3 s to load

            return fetch_from_hub(address, progress)
        from resdsl.weights.remote.web import fetch_from_web

        return fetch_from_web(address, progress)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("huggingface_hub", "filelock"):
            raise
        raise CheckpointError.of(
            catalogue.EXTRA_NEEDED,
            f"fetching `{address}` needs the package `{error.name}`, which is not installed",
            helps=("run `pip install 'resdsl[hub]'`, or download the file yourself and pass its path",),
        ) from None
