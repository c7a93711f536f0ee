"""Bundled class names, one per line in ``NAME.txt``; README.md in this folder lists their sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_FOLDER = Path(__file__).parent


def label_sets() -> tuple[str, ...]:
    """The bundled label sets in alphabetical order, such as ``imagenet1k``."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.txt")))


def read_labels(name: str) -> tuple[str, ...]:
    """The class names of a set, by index. Raises ``KeyError`` for an unknown set."""
    if name not in label_sets():
        raise KeyError(name)
    return tuple((_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines())


def synsets_of(labels: Sequence[str]) -> tuple[str, ...]:
    """The WordNet identifiers of these classes, by index (``n01440764``), if they are a bundled set that has them."""
    for file in sorted(_FOLDER.glob("*.synsets")):
        if read_labels(file.stem) == tuple(labels):
            return tuple(file.read_text(encoding="utf-8").split())
    return ()
