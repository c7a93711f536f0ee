"""Files in object stores, by their addresses: ``s3://``, ``gs://`` and ``abfs://``, through pyarrow's file systems."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.runtime.arrow import pyarrow

Result = TypeVar("Result")

_ADDRESS = re.compile(r"(?:s3|gs|gcs|abfs|abfss)://", re.ASCII)
_QUERY = re.compile(r"\?\w+=[^?]*\Z", re.ASCII)
"""The query of an address. Names of objects may have question marks too."""
_REFUSED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE|credential|Forbidden|HTTP 40[13]|"
    r"PERMISSION_DENIED|UNAUTHENTICATED|Authentication|Authorization",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"(\w+://)[^\s'/@]*:[^\s'/@]*@", re.ASCII)
_GCS_SECONDS = 10

_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds before a read is tried again, beyond what the client of the store does itself."""


def is_address(name: str) -> bool:
    """Whether ``name`` is the address of something in an object store, not a path."""
    return _ADDRESS.match(name) is not None


def names_a_store(path: Path) -> bool:
    """Whether a path was made of an address, which is no path."""
    return bool(path.parts) and is_address(f"{path.parts[0]}//")


def store_of(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it.

    Credentials, regions and endpoints come from where the store's own tools take them (``AWS_ACCESS_KEY_ID``,
    ``AWS_ENDPOINT_URL``, ``AZURE_STORAGE_KEY``, ..), or from the query of the address (``s3://photos/a?region=eu-west-1``).
    """
    place, query = _split(address)
    scheme, _, path = place.partition("://")
    bucket, _, key = path.partition("/")
    if _is_cut(scheme, bucket):
        raise UnavailableError.of(
            catalogue.STORE,
            f"`{plain(address)}` cannot be reached: the secret in its address has a `/`",
            helps=("write it as `%2F`, or put the credentials into the environment",),
        )
    system, root = tried_again(lambda: _system(f"{scheme}://{bucket}{query}"), plain(address))
    return system, "/".join(part for part in (root.rstrip("/"), key.rstrip("/")) if part)


@lru_cache(maxsize=32)
def _system(root: str) -> tuple[Any, str]:
    files = pyarrow("object stores need pyarrow", name="pyarrow.fs")
    place, query = _split(root)
    options = dict(parse_qsl(query.removeprefix("?")))
    if root.startswith(("gs", "gcs")) and "retry_limit_seconds" not in options:
        # By default the client tries for a quarter of an hour.
        root = f"{root}{'&' if query else '?'}retry_limit_seconds={_GCS_SECONDS}"
    system, path = files.FileSystem.from_uri(root)
    # What Azure's own tools take too, and pyarrow only as arguments.
    key, token = os.environ.get("AZURE_STORAGE_KEY"), os.environ.get("AZURE_STORAGE_SAS_TOKEN")
    if root.startswith("abfs") and (key or token):
        user, _, host = place.partition("://")[2].rpartition("@")
        scheme = "http" if options.get("enable_tls") == "false" else "https"
        names = {name: value for name, value in options.items() if name.endswith("_storage_authority")}
        system = files.AzureFileSystem(
            host.partition(".")[0] if "." in host else user.partition(":")[0] or os.environ["AZURE_STORAGE_ACCOUNT"],
            **({"account_key": key} if key else {"sas_token": token}),
            **names,
            blob_storage_scheme=scheme,
            dfs_storage_scheme=scheme,
        )
    return system, path


def plain(address: str) -> str:
    """The address as names and messages have it: without what may hold credentials, its query and its user."""
    place, _ = _split(address)
    scheme, separator, path = place.partition("://")
    owner, slash, key = path.partition("/")
    if _is_cut(scheme, owner):
        owner, slash, key = path.rpartition("@")[2].partition("/")
    user, at, host = owner.rpartition("@")
    if scheme.startswith("abfs"):
        user = user.partition(":")[0]  # the container, or the account
    else:
        user = at = ""
    return f"{scheme}{separator}{user}{at}{host}{slash}{key}"


def _is_cut(scheme: str, owner: str) -> bool:
    """Whether what stands before the first `/` is part of credentials that have one: no bucket has a `:`."""
    return not scheme.startswith("abfs") and ":" in owner and "@" not in owner


def _split(address: str) -> tuple[str, str]:
    """An address without its query, and the query."""
    found = _QUERY.search(address)
    return (address[: found.start()], found[0]) if found else (address, "")


def beside(address: str, name: str) -> str:
    """The address of what is called ``name`` where ``address`` is, with the same query."""
    place, query = _split(address)
    return f"{place.rpartition('/')[0]}/{name}{query}"


def files_at(address: str) -> Iterator[tuple[str, str]]:
    """The names and addresses of the files at an address: itself, or all below it, except hidden ones, sorted.

    Raises ``RunError`` if there is nothing, ``UnavailableError`` if the store does not answer.
    """
    files = pyarrow("object stores need pyarrow", name="pyarrow.fs")
    system, path = store_of(address)
    shown = plain(address)
    place, query = _split(address)
    (here,) = tried_again(lambda: system.get_file_info([path]), shown)
    if here.type == files.FileType.File:
        yield shown, address
        return
    selector = files.FileSelector(path, recursive=True, allow_not_found=True)
    below = tried_again(lambda: system.get_file_info(selector), shown)
    found = sorted(one.path for one in below if one.type == files.FileType.File)
    if not found:
        raise RunError.of(catalogue.FILE_NOT_FOUND, f"there is nothing at `{shown}`", helps=("check the address",))
    for one in found:
        rest = one.removeprefix(path).lstrip("/")
        if not any(part.startswith((".", "_")) for part in rest.split("/")):
            yield f"{shown.rstrip('/')}/{rest}", f"{place.rstrip('/')}/{rest}{query}"


class ObjectFile(io.RawIOBase):
    """The bytes of an object, from any position. A read that fails is tried again, from where it began.

    Raises ``RunError`` if the object does not exist, ``UnavailableError`` if the store does not answer.
    """

    def __init__(self, address: str) -> None:
        self._shown = plain(address)
        self._system, self._path = store_of(address)
        self._stream: Any = None
        self._place = 0
        self._size: int = tried_again(lambda: self._opened().size(), self._shown)

    def _opened(self) -> Any:
        if self._stream is None:
            self._stream = self._system.open_input_file(self._path)
        return self._stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        count = max(min(len(buffer), self._size - self._place), 0)
        if count:
            buffer[:count] = self.read_at(count, self._place)
        self._place += count
        return count

    def read_at(self, count: int, place: int) -> bytes:
        """``count`` bytes from ``place``, all of which exist."""

        def read() -> bytes:
            try:
                data: bytes = self._opened().read_at(count, place)
            except OSError:
                self._stream = None
                raise
            if len(data) != count:
                raise OSError(f"{len(data)} of {count} bytes arrived")
            return data

        return tried_again(read, self._shown)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        super().close()


def read_object(address: str, most: int) -> bytes:
    """The bytes of an object, which may have at most ``most``.

    Raises ``RunError`` if it does not exist or is larger, ``UnavailableError`` if the store does not answer.
    """
    with ObjectFile(address) as stream:
        size = stream.seek(0, io.SEEK_END)
        if size > most:
            raise RunError.of(
                catalogue.IMAGE_TOO_LARGE,
                f"`{plain(address)}` has {size:_} bytes; the limit is {most:_}",
                helps=("store a smaller image",),
            )
        return stream.read_at(size, 0) if size else b""


def tried_again(act: Callable[[], Result], shown: str) -> Result:
    """The result of ``act``, tried a few times while the store fails. Raises as ``explained_store``."""
    with explained_store(shown):
        for pause in _PAUSES:
            try:
                return act()
            except FileNotFoundError:
                raise
            except OSError as error:
                if _REFUSED.search(str(error)):
                    raise
                time.sleep(pause)
        return act()


def _is_of_arrow(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] == "pyarrow"


@contextmanager
def explained_store(shown: str) -> Iterator[None]:
    """Raise errors of a store as diagnostics: ``RunError`` for what is not there, otherwise ``UnavailableError``.

    A store that fails says nothing about the image, so its error ends the run and is no result of the image.
    """
    try:
        yield
    except FileNotFoundError:
        raise RunError.of(catalogue.FILE_NOT_FOUND, f"`{shown}` does not exist", helps=("check the address",)) from None
    except Exception as error:
        if not isinstance(error, OSError | ValueError | NotImplementedError) and not _is_of_arrow(error):
            raise
        reason = _CREDENTIALS.sub(r"\1", " ".join(str(error).split()))[:500]
        refused = _REFUSED.search(reason)
        raise UnavailableError.of(
            catalogue.STORE,
            f"`{shown}` cannot be reached: {reason[:1].lower()}{reason[1:]}",
            helps=(
                "check the credentials, which are read from the environment, and what they allow"
                if refused
                else "check the connection and the endpoint, then run the command again",
            ),
        ) from None
