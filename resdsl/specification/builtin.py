"""The built-in specifications."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent


@cache
def folder() -> Path:
    """Their folder: inside the package if installed, next to it in a checkout."""
    installed = _PACKAGE / "specs"
    return installed if installed.is_dir() else _PACKAGE.parent / "specs"


@cache
def names() -> tuple[str, ...]:
    """Their names (``resnet50``), in alphabetical order."""
    return tuple(sorted(file.stem for file in folder().glob("*.res")))


def file_of(name: str) -> Path | None:
    """The file of the built-in specification ``name``, if there is one."""
    return folder() / f"{name}.res" if name in names() else None
