"""The result of a download: a file in a cache, or one of the errors that both kinds of address share."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from resdsl.diagnostics import catalogue
from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.remote.address import HubAddress, WebAddress


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file in a cache. ``origin`` is the address with everything that pins it: a commit, a digest."""

    path: Path
    origin: str


def sha256_of(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def without_errno(reason: str) -> str:
    """``[Errno 111] Connection refused`` without the number."""
    return re.sub(r"^\[Errno -?\d+\] ", "", reason)


def download_failed(address: HubAddress | WebAddress, fact: str, *helps: str) -> CheckpointError:
    """The error for an address whose file cannot be fetched."""
    return CheckpointError.of(catalogue.DOWNLOAD_FAILED, f"`{address}` cannot be fetched: {fact}", helps=helps)


def digest_differs(address: HubAddress | WebAddress, expected: str, actual: str) -> CheckpointError:
    """The error for content whose digest is not the published one; the caller has deleted the file."""
    return CheckpointError.of(
        catalogue.DOWNLOAD_ALTERED,
        f"the file fetched from `{address}` is not the published one: its SHA-256 is"
        f" {actual[: max(16, len(expected))]}, not {expected}",
        helps=("the file was deleted; try again, and if the digest is the same, ask the publisher",),
    )
