"""Files by their address on the web: cached, resumed where they were broken off, checked.

Python's own HTTP client is enough for this: one file, one connection, proxies and certificates as the system has them.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from email.message import Message
from hashlib import sha256 as digest_of
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from filelock import FileLock

from resdsl.diagnostics import catalogue
from resdsl.files import whole_file
from resdsl.version import __version__
from resdsl.weights.checkpoint import CheckpointError, Progress
from resdsl.weights.remote.address import LOOPBACK, WebAddress
from resdsl.weights.remote.fetched import FetchedFile, digest_differs, download_failed, sha256_of, without_errno

TIMEOUT = 30.0
"""Seconds without a byte after which a server counts as silent."""

ATTEMPTS = 5
"""How often in a row a download may break off before it brought anything new."""

LARGEST = 1 << 37
"""Bytes of a file: 128 GiB, more than any convolutional network has."""

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Known:
    """What is kept beside a cached file: its size and digest, and how its server calls this version of it."""

    size: int
    sha256: str
    etag: str | None


def cache_folder() -> Path:
    """``RESDSL_CACHE``, or ``resdsl`` in the folder that the system has for caches."""
    if given := os.environ.get("RESDSL_CACHE"):
        return Path(given)
    if os.name == "nt" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "resdsl" / "cache"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "resdsl"


def is_offline() -> bool:
    """Whether the user wants nothing to be asked: the hub's own switch, which people have set already."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON")


def fetch_from_web(address: WebAddress, progress: Progress | None) -> FetchedFile:
    """The file, from the cache where that has what the address promises or what the server still has.

    Two processes that want the same file take turns. What has come of a file stays when a download breaks off.
    """
    folder = cache_folder() / "weights" / digest_of(address.url.encode()).hexdigest()[:32]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            known = _Download(address, folder, progress).run()
    except OSError as error:
        raise download_failed(
            address,
            f"the cache `{folder}` cannot be used: {(error.strerror or str(error)).lower()}",
            "name another folder in RESDSL_CACHE",
        ) from None
    return FetchedFile(folder / address.name, f"{address.url}#sha256={known.sha256}")


class _Download:
    def __init__(self, address: WebAddress, folder: Path, progress: Progress | None) -> None:
        self._address = address
        self._target = folder / address.name
        self._part = folder / "part"
        self._part_etag = folder / "part.etag"
        self._facts = folder / "facts.json"
        self._progress = progress
        self._etag: str | None = None

    def run(self) -> _Known:
        known = self._cached()
        if known is not None and (self._address.digest or is_offline()):
            return known
        if is_offline():
            raise download_failed(
                self._address,
                "it is not in the cache, and HF_HUB_OFFLINE keeps its server from being asked",
                "fetch it once with HF_HUB_OFFLINE unset",
            )
        if known is not None and not self._has_changed(known):
            return known
        self._receive()
        return self._accept()

    def _cached(self) -> _Known | None:
        try:
            known = _Known(**json.loads(self._facts.read_bytes()))
            is_whole = self._target.stat().st_size == known.size
        except (OSError, ValueError, TypeError):
            return None
        is_promised = known.sha256.startswith(self._address.digest or "")
        return known if is_whole and is_promised else None

    def _has_changed(self, known: _Known) -> bool:
        """Whether the server has another version by now. One that cannot be asked has none."""
        if known.etag is None:
            return True
        try:
            with self._open({"If-None-Match": known.etag}, method="HEAD") as response:
                return bool(response.headers.get("ETag") != known.etag)
        except urllib.error.HTTPError as error:
            with error:
                return error.code != 304
        except (OSError, http.client.HTTPException):
            return False

    def _receive(self) -> None:
        """Fetch what is missing of the file, as often as something new comes."""
        failures = 0
        while True:
            before = self._size()
            try:
                self._receive_once(before)
                return
            except urllib.error.HTTPError as error:
                if error.code == 416 and before:
                    error.close()
                    self._part.unlink(missing_ok=True)  # longer than the file, which has changed
                    continue
                with error:
                    raise self._refused(error) from None
            except (http.client.HTTPException, urllib.error.URLError, TimeoutError, ConnectionError) as error:
                failures = 0 if self._size() > before else failures + 1
                reason = getattr(error, "reason", None) or error
                if isinstance(reason, ssl.SSLError) or failures == ATTEMPTS:
                    raise self._broken_off(reason) from None

    def _receive_once(self, start: int) -> None:
        headers: dict[str, str] = {}
        if start and self._part_etag.is_file():
            headers = {"Range": f"bytes={start}-", "If-Range": self._part_etag.read_text(encoding="utf-8")}
        with self._open(headers) as response:
            resumes = response.status == 206 and _start_of(response.headers) == start
            start = start if resumes else 0
            self._etag = response.headers.get("ETag")
            total = start + int(response.headers.get("Content-Length") or 0)
            if total > LARGEST:
                raise download_failed(self._address, f"it has {total:,} bytes; {LARGEST:,} is the limit")
            if self._etag and not self._etag.startswith("W/"):
                self._part_etag.write_text(self._etag, encoding="utf-8")
            else:
                self._part_etag.unlink(missing_ok=True)
            with self._part.open("ab" if resumes else "wb") as file:
                self._copy(response, file, start, total)
            if response.headers.get("Content-Length") and self._size() < total:
                raise ConnectionError(f"{total - self._size():,} bytes are missing")

    def _copy(self, response: http.client.HTTPResponse, file: IO[bytes], done: int, total: int) -> None:
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            if done > LARGEST:
                raise download_failed(self._address, f"it has more than {LARGEST:,} bytes, the limit")
            if self._progress is not None and total:
                self._progress(done, total)

    def _accept(self) -> _Known:
        """Check what came, and give it its name."""
        known = _Known(self._size(), sha256_of(self._part), self._etag)
        self._part_etag.unlink(missing_ok=True)
        if not known.sha256.startswith(self._address.digest or ""):
            self._part.unlink()
            raise digest_differs(self._address, self._address.digest or "", known.sha256)
        self._part.replace(self._target)
        with whole_file(self._facts) as stream:
            stream.write(json.dumps(asdict(known)).encode())
        return known

    def _open(self, headers: Mapping[str, str], method: str = "GET") -> http.client.HTTPResponse:
        request = urllib.request.Request(
            self._address.url,
            headers={"User-Agent": f"resdsl/{__version__}", "Accept-Encoding": "identity", **headers},
            method=method,
        )
        opened = urllib.request.build_opener(_SafeRedirects).open(request, timeout=TIMEOUT)
        assert isinstance(opened, http.client.HTTPResponse)
        return opened

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _refused(self, error: urllib.error.HTTPError) -> CheckpointError:
        if error.code in (401, 403):
            return download_failed(
                self._address,
                f"its server does not give it to everybody ({error.code} {error.reason})",
                "download it where you are signed in, and name the file",
            )
        if error.code in (404, 410):
            return download_failed(
                self._address, f"its server has no such file ({error.code} {error.reason})", "check the address"
            )
        return download_failed(self._address, f"its server says {error.code} {error.reason}", "try again later")

    def _broken_off(self, reason: object) -> CheckpointError:
        came = self._size()
        kept = f"; the {came:,} bytes that came are kept" if came else ""
        return download_failed(
            self._address,
            f"{without_errno(str(reason)).lower() or type(reason).__name__}{kept}",
            "check the connection (and HTTPS_PROXY, where it is set) and try again",
        )


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirection from an encrypted address to one that is not."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        parts = urlsplit(newurl)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            fp.close()
            raise CheckpointError.of(
                catalogue.DOWNLOAD_FAILED,
                f"`{req.full_url}` cannot be fetched: its server sends on to `{newurl}`, which is not encrypted",
                helps=("ask its owner for an address that stays on https",),
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _start_of(headers: Mapping[str, str] | Message) -> int | None:
    """Where the part of a file that comes begins: ``bytes 500-999/1000``."""
    unit, _, rest = (headers.get("Content-Range") or "").partition(" ")
    start = rest.partition("-")[0]
    return int(start) if unit == "bytes" and start.isdigit() else None
