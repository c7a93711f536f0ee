"""Files of repositories on the model hub, through the hub's own client.

The client keeps the cache (``HF_HOME``), resumes what was broken off, signs in with the user's token and honours
``HF_HUB_OFFLINE`` and ``HF_ENDPOINT``. What it does not do is to compare a file with its digest; that happens here.
"""

from __future__ import annotations

import contextlib
import json
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

from resdsl.weights.checkpoint import CheckpointError, Progress
from resdsl.weights.remote.address import HubAddress
from resdsl.weights.remote.fetch import Fetched, altered, failed, sha256, without_number

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
"""What repositories call their weights, the best first."""

CONFIG = "config.json"
MAX_SHARDS = 1_000

_DIGEST = re.compile(r"[0-9a-f]{64}")


def fetch_from_hub(address: HubAddress, progress: Progress | None) -> Fetched:
    """The weights of a repository, with its ``config.json`` beside them where it has one.

    The cache calls the folder of a snapshot by its commit, which is what a revision stood for.
    """
    names = (address.file,) if address.file else WEIGHTS
    for name in names:
        path = _download(address, name, progress, optional=name != names[-1])
        if path is not None:
            break
    assert path is not None
    for shard in _shards(path):
        _download(address, str(Path(name).parent / shard), progress)
    fixed = HubAddress(address.repository, path.parents[len(Path(name).parts) - 1].name, name)
    _companion(fixed)
    return Fetched(path, str(fixed))


def _companion(address: HubAddress) -> None:
    """Put the ``config.json`` of the same commit into the cache, once, where there is one."""
    if try_to_load_from_cache(address.repository, CONFIG, revision=address.revision) is None:
        # The weights are there; a hub that has stopped answering does not take them away.
        with contextlib.suppress(CheckpointError):
            _download(address, CONFIG, None, optional=True)


def _download(address: HubAddress, name: str, progress: Progress | None, *, optional: bool = False) -> Path | None:
    """One file; ``None`` where the repository lacks one that is ``optional``."""
    before = try_to_load_from_cache(address.repository, name, revision=address.revision)
    if before is None and not constants.HF_HUB_OFFLINE:
        _require_an_answer(address, name)
    try:
        path = Path(hf_hub_download(address.repository, name, revision=address.revision, tqdm_class=_bar(progress)))
    except LocalEntryNotFoundError as error:
        if optional and constants.HF_HUB_OFFLINE:
            return None
        if constants.HF_HUB_OFFLINE:
            raise failed(
                address,
                "it is not in the cache, and HF_HUB_OFFLINE keeps the hub from being asked",
                "fetch it once with HF_HUB_OFFLINE unset",
            ) from None
        raise _silent(address, error) from None
    except EntryNotFoundError:
        if optional:
            return None
        fact = f"the repository has no `{name}`" if address.file else f"the repository has none of {_listed(WEIGHTS)}"
        raise failed(address, fact, "look at its files on the hub and name one: `hf:OWNER/NAME/FILE`") from None
    except RevisionNotFoundError:
        raise failed(
            address, f"the repository has no revision `{address.revision}`", "name a branch, tag or commit"
        ) from None
    except GatedRepoError:
        raise failed(
            address,
            "its owner gives access on request only",
            "ask for access on the repository's page, then sign in with `hf auth login` or set HF_TOKEN",
        ) from None
    except RepositoryNotFoundError:
        raise failed(
            address,
            "the hub has no such repository, or shows it to its owner only",
            "check the name; for a private repository, sign in with `hf auth login` or set HF_TOKEN",
        ) from None
    except HFValidationError as error:
        raise failed(address, str(error).lower(), "write `hf:OWNER/NAME`") from None
    except (HfHubHTTPError, OSError) as error:
        raise failed(address, _reason(error), "try again; what has come so far is kept") from None
    if not isinstance(before, str):
        _verify(address, path)
    return path


def _require_an_answer(address: HubAddress, name: str) -> None:
    """Ask once. The client asks for half a minute, on standard error, before it says that nobody answers."""
    try:
        get_hf_file_metadata(hf_hub_url(address.repository, name, revision=address.revision))
    except (HfHubHTTPError, HFValidationError):
        return  # an answer; fetching tells which
    except Exception as error:
        # What the client's own HTTP library raises; which one that is differs from version to version.
        raise _silent(address, error) from None


def _silent(address: HubAddress, error: BaseException) -> CheckpointError:
    return failed(
        address,
        f"the hub does not answer ({_reason(error)}), and it is not in the cache",
        "check the connection (and HF_ENDPOINT and HTTPS_PROXY, where they are set)",
    )


def _verify(address: HubAddress, path: Path) -> None:
    """Compare a file that just came with its digest, which is what the cache calls a large file's content."""
    blob = path.resolve()
    if _DIGEST.fullmatch(blob.name) and (found := sha256(blob)) != blob.name:
        path.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)
        raise altered(address, blob.name, found)


def _shards(path: Path) -> list[str]:
    """The files that an index of shards names; the reader of the index says what is wrong with one."""
    if not path.name.endswith(".index.json"):
        return []
    try:
        found = json.loads(path.read_bytes())["weight_map"].values()
        names = sorted({name for name in found if isinstance(name, str) and re.fullmatch(r"[\w.-]+", name)})
    except (ValueError, KeyError, AttributeError, TypeError):
        return []
    return names[:MAX_SHARDS]


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return without_number(text).rstrip(".").lower()


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _bar(progress: Progress | None) -> Any:
    """A class in place of the client's bars, of whose methods the client calls these: it draws nothing, and tells."""

    class Bar:
        def __init__(self, *, total: int | None = None, initial: int = 0, **_: object) -> None:
            self.total = total
            self.n = initial

        def update(self, n: float | None = 1) -> None:
            self.n += int(n or 0)
            if progress is not None and self.total:
                progress(min(self.n, self.total), self.total)

        def close(self) -> None:
            """Nothing was drawn."""

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

    return Bar
