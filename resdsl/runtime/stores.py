"""Files in object stores, by their addresses: ``s3://``, ``gs://`` and ``abfs://``, through pyarrow's file systems."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.runtime.arrow import pyarrow

Result = TypeVar("Result")

_ADDRESS = re.compile(r"(?:s3|gs|gcs|abfs|abfss)://", re.ASCII)
_REFUSED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE|credential|Forbidden|HTTP 40[13]",
    re.IGNORECASE,
)
_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds before a read is tried again, beyond what the client of the store does itself."""


def is_address(name: str) -> bool:
    """Whether ``name`` is the address of something in an object store, not a path."""
    return _ADDRESS.match(name) is not None


def store_of(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it.

    Credentials, regions and endpoints come from where the store's own tools take them (``AWS_ACCESS_KEY_ID``,
    ``AWS_ENDPOINT_URL``, ..), or from the query of the address (``s3://photos/a?region=eu-west-1``).
    """
    place, question, query = address.partition("?")
    scheme, _, path = place.partition("://")
    bucket, _, key = path.partition("/")
    with explained_store(plain(address)):
        system, root = _system(f"{scheme}://{bucket}{question}{query}")
    return system, f"{root}/{key}".rstrip("/") if key else root


@lru_cache(maxsize=32)
def _system(root: str) -> tuple[Any, str]:
    files = pyarrow("object stores need pyarrow", name="pyarrow.fs")
    system, path = files.FileSystem.from_uri(root)
    return system, path


def plain(address: str) -> str:
    """The address without its query, as names and messages have it: the query may hold credentials."""
    return address.partition("?")[0]


def files_at(address: str) -> Iterator[tuple[str, str]]:
    """The names and addresses of the files at an address: itself, or all below it, except hidden ones, sorted.

    Raises ``RunError`` if there is nothing, ``UnavailableError`` if the store does not answer.
    """
    files = pyarrow("object stores need pyarrow", name="pyarrow.fs")
    system, path = store_of(address)
    shown = plain(address)
    _, question, query = address.partition("?")
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
            name = f"{shown.rstrip('/')}/{rest}"
            yield name, f"{name}{question}{query}"


def read_object(address: str, most: int) -> bytes:
    """The bytes of an object, which may have at most ``most``.

    Raises ``RunError`` if it does not exist or is larger, ``UnavailableError`` if the store does not answer.
    """
    shown = plain(address)

    def read() -> bytes:
        system, path = store_of(address)
        with system.open_input_file(path) as stream:
            size: int = stream.size()
            if size > most:
                raise RunError.of(
                    catalogue.IMAGE_TOO_LARGE,
                    f"`{shown}` has {size:_} bytes; the limit is {most:_}",
                    helps=("store a smaller image",),
                )
            data: bytes = stream.read()
        if len(data) != size:
            raise OSError(f"{len(data)} of {size} bytes arrived")
        return data

    return tried_again(read, shown)


def tried_again(act: Callable[[], Result], shown: str) -> Result:
    """The result of ``act``, tried a few times while the store fails. Raises as ``explained_store``."""
    for pause in _PAUSES:
        try:
            return act()
        except FileNotFoundError:
            break
        except OSError as error:
            if _REFUSED.search(str(error)):
                break
            time.sleep(pause)
    with explained_store(shown):
        return act()


@contextmanager
def explained_store(shown: str) -> Iterator[None]:
    """Raise errors of a store as diagnostics: ``RunError`` for what is not there, otherwise ``UnavailableError``.

    A store that fails says nothing about the image, so its error ends the run and is no result of the image.
    """
    try:
        yield
    except FileNotFoundError:
        raise RunError.of(catalogue.FILE_NOT_FOUND, f"`{shown}` does not exist", helps=("check the address",)) from None
    except (OSError, ValueError, NotImplementedError) as error:  # pyarrow's are of these types
        reason = " ".join(str(error).split())[:500]
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
