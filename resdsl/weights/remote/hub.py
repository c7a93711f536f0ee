"""Files of repositories on the model hub, through the hub's own client.

The client manages the cache (``HF_HOME``), resumes downloads, signs in with the user's token and honours
``HF_HUB_OFFLINE`` and ``HF_ENDPOINT``. It does not verify digests; that is done here.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from resdsl.untrusted import printable
from resdsl.weights.checkpoint import CheckpointError, Progress
from resdsl.weights.formats.safetensors import read_index
from resdsl.weights.remote.address import HubAddress
from resdsl.weights.remote.fetched import FetchedFile, digest_differs, download_failed, sha256_of, without_errno

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
"""File names of weights in repositories, in order of preference."""

CONFIG = "config.json"
MAX_SHARDS = 1_000

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHARD = re.compile(r"\w[\w.-]{0,200}", re.ASCII)


def fetch_from_hub(address: HubAddress, progress: Progress | None) -> FetchedFile:
    """The weights of a repository, with its ``config.json`` in the same folder if it has one.

    The cache names the folder of a snapshot after the commit that the revision resolved to.
    """
    names = (address.file,) if address.file else WEIGHTS
    for name in names:
        path = _download(address, name, progress, optional=name != names[-1])
        if path is not None:
            break
    assert path is not None
    for shard in _shards(path):
        _download(address, str(Path(name).parent / shard), progress)
    pinned = HubAddress(address.repository, path.parents[len(Path(name).parts) - 1].name, name)
    _fetch_config(pinned)
    return FetchedFile(path, str(pinned))


def _fetch_config(address: HubAddress) -> None:
    """Download the ``config.json`` of the same commit into the cache, if there is one and it is not cached."""
    if try_to_load_from_cache(address.repository, CONFIG, revision=address.revision) is None:
        # Optional: the weights are usable without it.
        with contextlib.suppress(CheckpointError):
            _download(address, CONFIG, None, optional=True)


def _download(address: HubAddress, name: str, progress: Progress | None, *, optional: bool = False) -> Path | None:
    """One file; ``None`` if it is ``optional`` and the repository lacks it."""
    before = try_to_load_from_cache(address.repository, name, revision=address.revision)
    if before is None and not constants.HF_HUB_OFFLINE:
        _require_an_answer(address, name)
    try:
        path = Path(hf_hub_download(address.repository, name, revision=address.revision, tqdm_class=_bar(progress)))
    except LocalEntryNotFoundError as error:
        if optional and constants.HF_HUB_OFFLINE:
            return None
        if constants.HF_HUB_OFFLINE:
            raise download_failed(
                address,
                "it is not in the cache, and HF_HUB_OFFLINE is set",
                "download it once with HF_HUB_OFFLINE unset",
            ) from None
        raise _unreachable(address, error) from None
    except EntryNotFoundError:
        if optional:
            return None
        fact = f"the repository has no `{name}`" if address.file else f"the repository has none of {_listed(WEIGHTS)}"
        raise download_failed(address, fact, "choose one of its files on the hub: `hf:OWNER/NAME/FILE`") from None
    except RevisionNotFoundError:
        raise download_failed(
            address, f"the repository has no revision `{address.revision}`", "name a branch, tag or commit"
        ) from None
    except GatedRepoError:
        raise download_failed(
            address,
            "access to the repository must be requested",
            "request access on the repository's page, then sign in with `hf auth login` or set HF_TOKEN",
        ) from None
    except RepositoryNotFoundError:
        raise download_failed(
            address,
            "the hub has no such repository, or it is private",
            "check the name; for a private repository, sign in with `hf auth login` or set HF_TOKEN",
        ) from None
    except HFValidationError as error:
        raise download_failed(address, str(error).lower(), "write `hf:OWNER/NAME`") from None
    except (HfHubHTTPError, OSError) as error:
        raise download_failed(address, _reason(error), "try again; the download resumes") from None
    if not isinstance(before, str):
        _verify(address, path)
    return path


def _require_an_answer(address: HubAddress, name: str) -> None:
    """Send one request. The client itself would retry for half a minute, with messages on stderr."""
    try:
        get_hf_file_metadata(hf_hub_url(address.repository, name, revision=address.revision))
    except (HfHubHTTPError, HFValidationError):
        return  # the hub answered; the download reports the error
    except Exception as error:
        # From the client's HTTP library, which differs between its versions.
        raise _unreachable(address, error) from None


def _unreachable(address: HubAddress, error: BaseException) -> CheckpointError:
    return download_failed(
        address,
        f"the hub does not answer ({_reason(error)}), and it is not in the cache",
        "check the connection (and HF_ENDPOINT and HTTPS_PROXY, where they are set)",
    )


def _verify(address: HubAddress, path: Path) -> None:
    """Compare a downloaded file with its digest, which is the name of a large file's content in the cache."""
    blob = path.resolve()
    if _DIGEST.fullmatch(blob.name) and (actual := sha256_of(blob)) != blob.name:
        path.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)
        raise digest_differs(address, blob.name, actual)


def _shards(path: Path) -> list[str]:
    """The files listed by an index of shards. An invalid index lists none; its reader reports the error."""
    if not path.name.endswith(".index.json"):
        return []
    try:
        names = set(read_index(path).values())
    except CheckpointError:
        return []
    return sorted(name for name in names if _SHARD.fullmatch(name))[:MAX_SHARDS]


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return printable(without_errno(text).rstrip(".").lower(), most=200)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _bar(progress: Progress | None) -> Any:
    """A replacement for the client's progress bar class, which reports to ``progress`` and draws nothing."""

    class Bar:
        def __init__(self, *, total: int | None = None, initial: int = 0, **_: object) -> None:
            self.total = total
            self.n = initial

        def update(self, n: float | None = 1) -> None:
            self.n += int(n or 0)
            if progress is not None and self.total:
                progress(min(self.n, self.total), self.total)

        def close(self) -> None:
            """Nothing to close."""

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

    return Bar
