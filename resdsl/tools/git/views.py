"""What git shows of specifications: layers instead of the text, and reviews instead of line diffs.

Nothing here fails: if a text cannot be built into a network, the text or the line diff is shown.
"""

from __future__ import annotations

import difflib
import errno
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from resdsl.diagnostics import CompileError, Diagnostic
from resdsl.review.terminal import render_text
from resdsl.specification.load import load
from resdsl.specification.model_file import SUFFIX
from resdsl.specification.specification import Specification
from resdsl.specification.text import LARGEST_FILE, read_bounded
from resdsl.tools.diff.diff import diff
from resdsl.tools.git.blobs import open_blob
from resdsl.tools.git.layer_table import layer_table
from resdsl.untrusted import LFS_POINTER, printable

_WIDEST = 4096
"""Maximum length of a path or message in the output."""

_LONGEST_POINTER = 1024
"""Bytes of a pointer of Git LFS."""

NOTHING = "/dev/null"
"""The path that git passes for the missing side of a new or deleted file."""


@dataclass(frozen=True, slots=True)
class Version:
    """One side of a comparison: the file that git wrote or named, and its object (``.`` if it has none)."""

    file: Path
    blob: str = "."

    @property
    def exists(self) -> bool:
        return str(self.file) != NOTHING

    def title(self, path: str) -> str:
        return f"{path} ({self.blob[:7]})" if self.blob.strip("0.") else path


def textconv(file: Path) -> bytes:
    """The layers of every model in a file, or its content if it has no model or cannot be built.

    Of an ONNX file that cannot be read it is the reason and a digest; of a pointer of Git LFS, the digest of the model.
    """
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "a pipe, a device or a folder is no file", str(file))
    try:
        specification = open_blob(file)
        names = specification.block_names if specification.is_file else None
        tables = [layer_table(each.graph, names) for each in _models(specification).values()]
    except CompileError as error:
        return _as_it_is(file, error.diagnostic)
    except Exception as error:
        # Not even a bug may fail here: a failing textconv aborts git.
        return _as_it_is(file, error)
    return "\n".join(tables).encode() if tables else file.read_bytes()


def _as_it_is(file: Path, problem: Diagnostic | Exception) -> bytes:
    if file.suffix != SUFFIX:
        return file.read_bytes()
    lines = [problem.message, *problem.helps] if isinstance(problem, Diagnostic) else [type(problem).__name__]
    with file.open("rb") as stream:
        pointer = stream.read(_LONGEST_POINTER + 1)
        if pointer.startswith(LFS_POINTER) and len(pointer) <= _LONGEST_POINTER:
            lines += pointer.decode(errors="replace").splitlines()[1:]
        else:
            stream.seek(0)
            lines += [f"sha256 {hashlib.file_digest(stream, 'sha256').hexdigest()}", f"{file.stat().st_size:,} bytes"]
    return "".join(f"{printable(str(line), most=_WIDEST)}\n" for line in lines).encode()


def review_text(path: str, old: Version, new: Version, *, color: bool = False, width: int | None = None) -> str:
    """The review that ``git diff`` shows for a file; ``path`` is its path in the repository."""
    shown = printable(path, most=_WIDEST)
    change = "" if old.exists and new.exists else ": gone" if old.exists else ": new"
    lines = [_strong(f"{shown}{change}", color)]
    try:
        reviews = list(_reviews(path, old, new, color=color, width=width))
    except CompileError as error:
        first = error.diagnostics.errors[0]
        if path.endswith(SUFFIX):
            facts = (f"cannot be compared: {first.message}", *map(str, first.helps))
            return "\n".join((*lines, *(printable(fact, most=_WIDEST) for fact in facts))) + "\n"
        reviews = []
        lines.append(f"compared as text: {printable(first.message, most=_WIDEST)}")
    except Exception as error:
        # Not even a bug may fail here: a failing diff driver aborts git.
        reviews = []
        lines.append(f"compared as text: {type(error).__name__}: {printable(str(error), most=_WIDEST)}")
    lines += reviews or _difference(shown, old, new, color)
    return "\n".join(lines) + "\n"


def _reviews(path: str, old: Version, new: Version, *, color: bool, width: int | None) -> Iterator[str]:
    if not old.exists or not new.exists:
        return
    before = _models(open_blob(old.file, name=old.title(path), path=path))
    after = _models(open_blob(new.file, name=new.title(path), path=path))
    if len(before) == len(after) == 1:
        pairs = [(*before.values(), *after.values())]
    else:
        pairs = [(before[name], after[name]) for name in before if name in after]
    for pair in pairs:
        yield render_text(diff(*pair), color=color, width=width).rstrip("\n")
    if len(before) == len(after) == 1:
        return
    yield from (f"- model {name}" for name in before if name not in after)
    yield from (f"+ model {name}" for name in after if name not in before)


def _models(specification: Specification) -> dict[str, Specification]:
    """Each model of a file by its name. Raises ``CompileError`` if the file has errors."""
    if specification.is_file:
        return {specification.graph.name: specification}
    models = {name: load(specification.source, model=name, read=specification.read) for name in specification.models}
    for each in models.values():
        _ = each.graph
    return models


def _difference(path: str, old: Version, new: Version, color: bool) -> list[str]:
    """The lines of a unified diff, like those of git."""
    before, after = _text(old), _text(new)
    names = (f"a/{path}" if old.exists else NOTHING, f"b/{path}" if new.exists else NOTHING)
    if before is None or after is None:
        return [f"Binary or large files {names[0]} and {names[1]} differ"]
    return [_tinted(line, color) for line in difflib.unified_diff(before, after, names[0], names[1], lineterm="")]


def _text(version: Version) -> Sequence[str] | None:
    """The lines of a file; ``None`` if it is not text, is too large, or cannot be read."""
    if not version.exists:
        return ()
    try:
        data = read_bounded(version.file, LARGEST_FILE)
    except OSError:
        return None
    # Comparing the lines of a larger file takes minutes.
    return None if b"\0" in data or len(data) > LARGEST_FILE else data.decode(errors="replace").splitlines()


_COLORS = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"}


def _tinted(line: str, color: bool) -> str:
    tint = _COLORS.get(line[:1], "")
    return f"{tint}{line}\x1b[0m" if color and tint else line


def _strong(text: str, color: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if color else text
