"""Names of classes that the package carries, one a line in ``NAME.txt``; README.md beside them tells their sources."""

from __future__ import annotations

from importlib.resources import files


def label_sets() -> tuple[str, ...]:
    """The names of the sets, in alphabetical order: what ``labels "imagenet1k"`` may name."""
    found = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".txt") for name in found if name.endswith(".txt")))


def read_labels(name: str) -> tuple[str, ...]:
    """The names of the classes of one set, by index. Raises ``KeyError`` for a set that is not carried."""
    if name not in label_sets():
        raise KeyError(name)
    return tuple(files(__name__).joinpath(f"{name}.txt").read_text(encoding="utf-8").splitlines())
