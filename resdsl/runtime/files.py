"""Reading what was named: a file, or an account of why it is none."""

from __future__ import annotations

import contextlib
import stat
from dataclasses import dataclass
from pathlib import Path

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.diagnostics.suggest import closest


@dataclass(frozen=True, slots=True)
class ModelFile:
    """An ONNX file; ``name`` is what results and messages call it."""

    name: str
    file: Path


def require_file(path: Path, what: str) -> None:
    """Raise ``RunError`` unless ``path`` can be opened as a file that holds something. ``what``: ``an image``."""
    try:
        if path.is_dir():
            raise RunError.of(catalogue.NOT_A_FILE, f"`{path}` is a folder, not {what}", helps=(f"name {what} in it",))
        # Not a pipe or a device: opening those takes something from whoever reads them next.
        if stat.S_ISREG(path.stat().st_mode) and not _first_byte(path):
            raise RunError.of(
                catalogue.EMPTY_FILE, f"`{path}` is empty", helps=("make it again: whatever wrote it was cut off",)
            )
    except FileNotFoundError:
        raise RunError.of(catalogue.FILE_NOT_FOUND, f"`{path}` does not exist", helps=_ways_to(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError.of(
            catalogue.UNREADABLE_FILE,
            f"`{path}` cannot be read: {reason.lower()}",
            helps=("check its permissions and its name",),
        ) from None


def _first_byte(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(1)


def _ways_to(path: Path) -> tuple[str, ...]:
    if "://" in str(path) or str(path).startswith(("http:/", "https:/")):
        return ("only files on this machine can be read: download it first",)
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = [entry.name for entry in path.parent.iterdir()]
    near = closest(path.name, names)
    if near:
        return (f"there is a file `{path.parent / near}`",)
    if not path.parent.exists():
        return (f"the folder `{path.parent}` does not exist either: check the path",)
    return ("check the path",)
