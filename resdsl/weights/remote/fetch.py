"""From an address to a file on this machine."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from resdsl.diagnostics import catalogue
from resdsl.weights.checkpoint import CheckpointError, Progress
from resdsl.weights.remote.address import HubAddress, WebAddress


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that lies in a cache. ``origin`` is the address with all that makes it fixed: a commit, a digest."""

    path: Path
    origin: str


def fetch(address: HubAddress | WebAddress, progress: Progress | None = None) -> Fetched:
    """The file of an address: from the cache, or fetched into it and checked.

    Needs the extra ``hub``. Raises ``CheckpointError`` where it cannot be had or is not what the address promises.
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
            f"to fetch `{address}`, the package `{error.name}` is needed, which is not installed",
            helps=("run `pip install 'resdsl[hub]'`, or download the file yourself and name it",),
        ) from None


def sha256(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def without_number(reason: str) -> str:
    """``[Errno 111] Connection refused`` without what only programs read."""
    return re.sub(r"^\[Errno -?\d+\] ", "", reason)


def failed(address: HubAddress | WebAddress, fact: str, *ways_out: str) -> CheckpointError:
    return CheckpointError.of(catalogue.DOWNLOAD_FAILED, f"`{address}` cannot be fetched: {fact}", helps=ways_out)


def altered(address: HubAddress | WebAddress, wanted: str, found: str) -> CheckpointError:
    """What came has another digest than what was promised. It has been deleted."""
    return CheckpointError.of(
        catalogue.DOWNLOAD_ALTERED,
        f"what came from `{address}` is not what was published: its SHA-256 is {found[: max(16, len(wanted))]}, "
        f"not {wanted}",
        helps=("it was deleted; try again, and if that gives the same, ask whoever published it",),
    )
