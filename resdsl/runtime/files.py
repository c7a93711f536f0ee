"""Check that a file can be read, or explain why not."""

from __future__ import annotations

import contextlib
import stat
from dataclasses import dataclass
from pathlib import Path

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.diagnostics.suggest import closest
from resdsl.untrusted import LFS_POINTER


@dataclass(frozen=True, slots=True)
class ModelFile:
    """An ONNX file; ``name`` is used in results and messages."""

    name: str
    file: Path


def require_file(path: Path, what: str, *, regular: bool = False) -> None:
    """Raise ``RunError`` unless ``path`` is a readable file that is not empty. ``what``: ``an image``.

    With ``regular`` pipes and devices are errors: opening a pipe can block forever, and a device has no end.
    """
    try:
        if path.is_dir():
            raise RunError.of(catalogue.NOT_A_FILE, f"`{path}` is a folder, not {what}", helps=(f"pass {what} in it",))
        # Not a pipe or a device: reading from those would consume their data.
        is_regular = stat.S_ISREG(path.stat().st_mode)
        if regular and not is_regular:
            raise RunError.of(
                catalogue.NOT_A_FILE, f"`{path}` is a pipe or a device, not {what}", helps=(f"pass {what} in a file",)
            )
        if is_regular and not _beginning(path, 1):
            raise RunError.of(
                catalogue.EMPTY_FILE,
                f"`{path}` is empty",
                helps=("create it again: writing it was probably interrupted",),
            )
    except FileNotFoundError:
        raise RunError.of(catalogue.FILE_NOT_FOUND, f"`{path}` does not exist", helps=_suggestions(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError.of(
            catalogue.UNREADABLE_FILE,
            f"`{path}` cannot be read: {reason.lower()}",
            helps=("check its permissions and its name",),
        ) from None


def require_no_pointer(path: Path) -> None:
    """Raise ``RunError`` if a file only stands for a model that is in Git LFS."""
    if _beginning(path, len(LFS_POINTER)) == LFS_POINTER:
        raise RunError.of(
            catalogue.MODEL_UNREADABLE,
            f"`{path}` is a pointer of Git LFS, not the model",
            helps=("`git lfs pull` fetches the model",),
        )


def _beginning(path: Path, length: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(length)


def _suggestions(path: Path) -> tuple[str, ...]:
    if "://" in str(path) or str(path).startswith(("http:/", "https:/")):
        return ("only local files can be read: download it first",)
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = [entry.name for entry in path.parent.iterdir()]
    near = closest(path.name, names)
    if near:
        return (f"there is a file `{path.parent / near}`",)
    if not path.parent.exists():
        return (f"the folder `{path.parent}` does not exist either: check the path",)
    return ("check the path",)
