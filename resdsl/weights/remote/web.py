"""Files of the web: cached, resumed, and checked against a digest.

Python's own HTTP client is used: one file over one connection, with the system's proxies and certificates. No library
that was looked at does all of this; ``docs/decisions.md`` lists what each lacks.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from email.message import Message
from hashlib import sha256 as new_digest
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from filelock import FileLock

from resdsl.files import write_file
from resdsl.untrusted import bounded_int, parse_json, printable
from resdsl.version import __version__
from resdsl.weights.checkpoint import CheckpointError, Progress
from resdsl.weights.remote.address import LOOPBACK, WebAddress
from resdsl.weights.remote.fetched import FetchedFile, digest_differs, download_failed, sha256_of, without_errno

TIMEOUT = 30.0
"""Seconds without a byte after which a server counts as unreachable."""

ATTEMPTS = 5
"""Maximum number of consecutive requests that transfer less than ``PROGRESS`` new bytes in total."""

PROGRESS = 1 << 20
"""Bytes."""

LARGEST = 1 << 37
"""Bytes of a file whose length the server states: 128 GiB, more than any convolutional network has."""

LARGEST_UNSTATED = 1 << 32
"""Bytes of a file whose length the server does not state: it may send without end."""

_CHUNK = 1 << 20
_RECORD_LIMIT = 10_000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ETAG = re.compile(r'(?:W/)?"[!#-~]{0,200}"')
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,20})-[0-9]{1,20}/(?:[0-9]{1,20}|\*)")


@dataclass(frozen=True, slots=True)
class _CacheRecord:
    """What is stored about a cached file: its size and digest, and the server's tag for this version."""

    size: int
    sha256: str
    etag: str | None


class _InvalidResponseError(Exception):
    """A server sent a header that cannot be used. Retrying does not help."""


def cache_folder() -> Path:
    """``RESDSL_CACHE``, or ``resdsl`` in the system's folder for caches."""
    if given := os.environ.get("RESDSL_CACHE"):
        return Path(given)
    if os.name == "nt" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "resdsl" / "cache"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "resdsl"


def is_offline() -> bool:
    """Whether ``HF_HUB_OFFLINE``, the hub's own switch, is set."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON")


def fetch_from_web(address: WebAddress, progress: Progress | None) -> FetchedFile:
    """The file, from the cache if that has the expected digest or the server's current version.

    A lock serialises processes that fetch the same file. A partial file is kept and resumed.
    """
    folder = cache_folder() / "weights" / new_digest(address.url.encode()).hexdigest()[:32]
    try:
        (folder / "content").mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            download = _Download(address, folder, progress)
            record = download.run()
    except OSError as error:
        raise download_failed(
            address,
            f"the cache `{folder}` cannot be used: {(error.strerror or str(error)).lower()}",
            "set RESDSL_CACHE to another folder",
        ) from None
    return FetchedFile(download.target, f"{address.url}#sha256={record.sha256}")


class _Download:
    def __init__(self, address: WebAddress, folder: Path, progress: Progress | None) -> None:
        # In a folder of its own, as the address may name it like one of the files below.
        self.target = folder / "content" / address.name
        self._address = address
        self._part = folder / "part"
        self._part_etag = folder / "part.etag"
        self._record = folder / "record.json"
        self._progress = progress
        self._etag: str | None = None
        self._opener = urllib.request.build_opener(_SafeRedirects)

    def run(self) -> _CacheRecord:
        record = self._cached()
        if record is not None and (self._address.digest or is_offline()):
            return record
        if is_offline():
            raise download_failed(
                self._address,
                "it is not in the cache, and HF_HUB_OFFLINE is set",
                "download it once with HF_HUB_OFFLINE unset",
            )
        try:
            if record is not None and not self._has_changed(record):
                return record
            self._receive()
        except _InvalidResponseError as error:
            raise download_failed(
                self._address, f"its server sent {error}", "download it with another program and pass its path"
            ) from None
        return self._accept()

    def _cached(self) -> _CacheRecord | None:
        """The record of the cached file, if its content still has the digest in it."""
        try:
            with self._record.open("rb") as file:
                content = parse_json(file.read(_RECORD_LIMIT))
            if not isinstance(content, dict):
                return None
            size, digest, etag = (content.get(key) for key in ("size", "sha256", "etag"))
            if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
                return None
            if self.target.stat().st_size != size or not digest.startswith(self._address.digest or ""):
                return None
            # Not its time of change: a model's metadata claim this digest of what is read here.
            if sha256_of(self.target) != digest:
                return None
            return _CacheRecord(size, digest, _valid_etag(etag))
        except (OSError, ValueError):
            return None

    def _has_changed(self, record: _CacheRecord) -> bool:
        """Whether the server has another version. An unreachable server has not."""
        if record.etag is None:
            return True
        try:
            with self._open({"If-None-Match": record.etag}, method="HEAD") as response:
                return _valid_etag(response.headers.get("ETag")) != record.etag
        except urllib.error.HTTPError as error:
            error.close()
            return error.code != 304
        except (OSError, http.client.HTTPException):
            return False

    def _receive(self) -> None:
        """Download the missing part of the file, with retries while they make progress."""
        failures, most = 0, self._size()
        while True:
            start = self._size()
            try:
                self._receive_once(start)
                return
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != 416 or not start:
                    raise self._refused(error) from None
                self._part.unlink(missing_ok=True)  # longer than the file, which has changed
                reason: object = error
            except (http.client.HTTPException, urllib.error.URLError, TimeoutError, ConnectionError) as error:
                reason = getattr(error, "reason", None) or error
            # Only bytes beyond all that came before are progress: a server may make us start again for ever.
            if self._size() >= most + PROGRESS:
                failures, most = 0, self._size()
            failures += 1
            if isinstance(reason, ssl.SSLError) or failures >= ATTEMPTS:
                raise self._interrupted(reason) from None

    def _receive_once(self, start: int) -> None:
        etag = _valid_etag(self._part_etag.read_text(encoding="utf-8")) if self._part_etag.is_file() else None
        if not start or etag is None or etag.startswith("W/"):
            start = 0
        with self._open({"Range": f"bytes={start}-", "If-Range": etag} if start and etag else {}) as response:
            self._etag = _valid_etag(response.headers.get("ETag"))
            length = _content_length(response.headers)
            if response.status == 206:
                if not start or _start_of(response.headers) != start or self._etag not in (None, etag):
                    self._part.unlink(missing_ok=True)
                    raise ConnectionError("the server sent another part or another version of the file")
                self._etag = etag
            elif response.status == 200:
                start = 0
            else:
                raise _InvalidResponseError(f"the status {response.status}")
            total = None if length is None else start + length
            self._check_size(total)
            if self._etag:
                self._part_etag.write_text(self._etag, encoding="utf-8")
            else:
                self._part_etag.unlink(missing_ok=True)
            with self._part.open("ab" if start else "wb") as file:
                self._copy(response, file, start, total)
            if total is not None and self._size() < total:
                raise ConnectionError(f"{total - self._size():,} bytes are missing")

    def _check_size(self, total: int | None) -> None:
        if total is not None and total > LARGEST:
            raise download_failed(self._address, f"it has {total:,} bytes; {LARGEST:,} is the limit")
        free = shutil.disk_usage(self._part.parent).free + self._size()
        if total is not None and total > free:
            raise download_failed(
                self._address,
                f"it has {total:,} bytes, and `{self._part.parent}` has room for {free:,}",
                "free some space, or set RESDSL_CACHE to a folder on another disk",
            )

    def _copy(self, response: http.client.HTTPResponse, file: IO[bytes], done: int, total: int | None) -> None:
        # Not `read`, which reads everything at once for a chunk whose size is -1.
        buffer = memoryview(bytearray(_CHUNK))
        while length := response.readinto(buffer):
            done += length
            if total is None and done > LARGEST_UNSTATED:
                self._part.unlink()
                raise download_failed(
                    self._address, f"its server states no length and sent more than {LARGEST_UNSTATED:,} bytes"
                )
            file.write(buffer[:length])
            if self._progress is not None and total:
                self._progress(done, total)

    def _accept(self) -> _CacheRecord:
        """Check the digest of the complete file and move it to its name."""
        record = _CacheRecord(self._size(), sha256_of(self._part), self._etag)
        self._part_etag.unlink(missing_ok=True)
        if not record.sha256.startswith(self._address.digest or ""):
            self._part.unlink()
            raise digest_differs(self._address, self._address.digest or "", record.sha256)
        self._part.replace(self.target)
        write_file(self._record, json.dumps(asdict(record)).encode())
        return record

    def _open(self, headers: Mapping[str, str], method: str = "GET") -> http.client.HTTPResponse:
        request = urllib.request.Request(
            self._address.url,
            headers={"User-Agent": f"resdsl/{__version__}", "Accept-Encoding": "identity", **headers},
            method=method,
        )
        try:
            opened = self._opener.open(request, timeout=TIMEOUT)
        except http.client.HTTPException:
            raise
        except ValueError as error:
            # What urllib and the codecs for host names raise for addresses; ours was parsed before.
            raise _InvalidResponseError(f"an invalid redirect ({printable(str(error))})") from None
        assert isinstance(opened, http.client.HTTPResponse)
        return opened

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _refused(self, error: urllib.error.HTTPError) -> CheckpointError:
        status = printable(f"{error.code} {error.reason}")
        if error.code in (401, 403):
            return download_failed(
                self._address, f"access is denied ({status})", "download it where you are signed in and pass its path"
            )
        if error.code in (404, 410):
            return download_failed(self._address, f"its server has no such file ({status})", "check the address")
        return download_failed(self._address, f"its server answered {status}", "try again later")

    def _interrupted(self, reason: object) -> CheckpointError:
        received = self._size()
        kept = f"; {received:,} bytes are kept and resumed" if received else ""
        text = printable(without_errno(str(reason)).lower(), most=200) or type(reason).__name__
        if isinstance(reason, http.client.IncompleteRead):
            text = "the connection was closed early"
        return download_failed(
            self._address,
            f"{text}{kept}",
            "check the connection (and HTTPS_PROXY, if it is set) and try again",
        )


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to ``https`` only; from this machine's own ``http`` also to itself."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        fp.close()  # or urllib reads the body, which has no bound, into memory
        parts = urlsplit(newurl)
        is_local = req.type == "http" and parts.scheme == "http" and parts.hostname in LOOPBACK
        if parts.scheme != "https" and not is_local:
            raise _InvalidResponseError(f"a redirect to `{printable(newurl, most=200)}`, which is not `https`")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _valid_etag(value: object) -> str | None:
    return value if isinstance(value, str) and _ETAG.fullmatch(value) else None


def _content_length(headers: Message) -> int | None:
    """The length that a server states, or ``None``."""
    text = headers.get("Content-Length")
    if text is None:
        return None
    length = bounded_int(text.strip(" \t"))
    if length is None:
        raise _InvalidResponseError(f"the Content-Length `{printable(text, most=40)}`")
    return length


def _start_of(headers: Message) -> int | None:
    """The offset of a part of a file: 500 for ``bytes 500-999/1000``."""
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range") or "")
    return int(match[1]) if match else None
