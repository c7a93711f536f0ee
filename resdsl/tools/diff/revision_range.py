"""The networks that differ between two revisions of a repository, including those that only use a changed file."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from resdsl.diagnostics import CompileError, Diagnostics, catalogue
from resdsl.elaborate import Limits
from resdsl.review.review import Review
from resdsl.specification.load import load
from resdsl.specification.model_file import SUFFIX, model_of
from resdsl.specification.revision import Revision, path_list, run_git
from resdsl.specification.specification import Specification
from resdsl.tools.diff.diff import diff

_USE = re.compile(r'\buse\s*"((?!std/)[^"]+)"')
_RANGE = re.compile(r"(?P<old>.*?)(?P<dots>\.{2,3})(?P<new>.*)", re.DOTALL)
_GREP = ["grep", "-z", "-I", "--full-name", "--no-color", "--no-line-number", "--no-column"]
_GREPPED = re.compile(rb"([^\0]+)\0([^\n]*)\n?")
"""A line of ``git grep -z``; a file's name may have a line end in it."""

_MOST_BYTES = 16_000_000
_MOST_FILES = 2_000
_PATTERN = ":(top,glob)**/*.res"
_PATTERNS = (_PATTERN, f":(top,glob)**/*{SUFFIX}")


@dataclass(frozen=True)
class Difference:
    """One model of one file in two revisions.

    ``path`` is the path in the new revision, or in the old one if the file is gone. ``review`` is set if both revisions
    have the model and both can be built, ``network`` if only one has it. Otherwise ``diagnostics`` has the errors.
    """

    path: str
    model: str
    old: bool
    new: bool
    review: Review | None = None
    network: Specification | None = None
    diagnostics: Diagnostics | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """Two revisions, by their abbreviated commits."""

    old: Revision
    new: Revision


def range_of(written: str, where: Path) -> Range | None:
    """The revisions of ``A..B``, or of ``A...B``: then the old one is the merge base, as in a pull request.

    An empty side is HEAD. ``None`` if ``written`` is not a range, or is a file. Raises ``CompileError`` if git knows
    no such revision.
    """
    match = _RANGE.fullmatch(written)
    if match is None or not (match["old"] or match["new"]) or Path(written).exists() or "/.." in f"/{written}":
        return None
    old, new = (_commit(match[side] or "HEAD", where) for side in ("old", "new"))
    if match["dots"] == "...":
        old = _abbreviated(run_git(["merge-base", old, new], where).decode().strip(), where)
    return Range(Revision(old, where), Revision(new, where))


def differences(revisions: Range, *, limits: Limits | None = None) -> tuple[Difference, ...]:
    """The models that differ, by file in alphabetical order."""
    renames, changed = _changed(revisions)
    differing: list[Difference] = []
    affected = _affected(revisions, changed)
    if len(affected) > _MOST_FILES:
        raise _too_much(revisions.new, f"{len(affected):,} files that may differ, more than {_MOST_FILES:,}")
    for path in sorted(affected):
        if path in renames:
            continue  # reported under its new name
        old_path = next((old for old, new in renames.items() if new == path), path)
        old = _specification(revisions.old, old_path, limits)
        new = _specification(revisions.new, path, limits)
        differing += _of_file(path, old, new, limits)
    return tuple(differing)


def _commit(name: str, where: Path) -> str:
    commit = run_git(["rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}"], where).decode().strip()
    return _abbreviated(commit, where)


def _abbreviated(commit: str, where: Path) -> str:
    """The abbreviated commit, for the titles of reviews."""
    return run_git(["rev-parse", "--short", commit], where).decode().strip()


def _changed(revisions: Range) -> tuple[dict[str, str], set[str]]:
    """The renamed files (``{old: new}``), and all paths that differ, in either revision."""
    command = ["diff", "--name-status", "-z", "-M", "--no-relative", revisions.old.name, revisions.new.name]
    fields = iter(path_list(run_git([*command, "--", *_PATTERNS], revisions.new.root)))
    renames: dict[str, str] = {}
    changed: set[str] = set()
    for status in fields:
        if not status:
            break
        path = next(fields)
        changed.add(path)
        if status.startswith("R"):
            renames[path] = next(fields)
            changed.add(renames[path])
    return renames, changed


def _affected(revisions: Range, changed: set[str]) -> set[str]:
    """The changed files and all files that use them, directly or indirectly, in either revision."""
    users: dict[str, set[str]] = {}
    if not changed:
        return set()
    for revision in (revisions.old, revisions.new):
        for path, text in _texts(revision).items():
            for used in _USE.findall(text):
                users.setdefault(posixpath.normpath(posixpath.join(posixpath.dirname(path), used)), set()).add(path)
    affected: set[str] = set()
    pending = list(changed)
    while pending:
        path = pending.pop()
        if path not in affected:
            affected.add(path)
            pending.extend(users.get(path, ()))
    return affected


def _texts(revision: Revision) -> Mapping[str, str]:
    """The lines that contain ``use``, by path, for every specification of a revision."""
    try:
        output = run_git([*_GREP, "-e", "use", revision.name, "--", _PATTERN], revision.root, most=_MOST_BYTES)
    except CompileError:
        return {}  # git fails where nothing is found
    if len(output) == _MOST_BYTES:
        raise _too_much(revision, f"more than {_MOST_BYTES:,} bytes of lines with `use`")
    texts: dict[str, list[str]] = {}
    for name, text in _GREPPED.findall(output):
        path = os.fsdecode(name).removeprefix(f"{revision.name}:")
        texts.setdefault(path, []).append(text.decode(errors="replace"))
    return {path: "\n".join(lines) for path, lines in texts.items()}


def _too_much(revision: Revision, what: str) -> CompileError:
    message = f"the specifications of `{revision.name}` have {what}"
    return CompileError.of(catalogue.LIMIT, message, helps=("compare single files: `resdsl diff A:net.res B:net.res`",))


def _specification(revision: Revision, path: str, limits: Limits | None) -> Specification | CompileError | None:
    """A file as of a revision; ``None`` if the revision has no such file, an error if it is not text."""
    at_top = Revision(revision.name, revision.root)
    if not run_git(["ls-tree", "-z", "--name-only", revision.name, "--", f":(top,literal){path}"], revision.root):
        return None
    try:
        if path.endswith(SUFFIX):
            return model_of(at_top, path, limits or Limits(), {})
        return load(at_top.source(path, largest=(limits or Limits()).file_bytes), limits=limits, read=at_top.read)
    except CompileError as error:
        return error


def _of_file(
    path: str,
    old: Specification | CompileError | None,
    new: Specification | CompileError | None,
    limits: Limits | None,
) -> list[Difference]:
    broken = next((side for side in (new, old) if isinstance(side, CompileError)), None)
    if isinstance(old, CompileError) or isinstance(new, CompileError):
        assert broken is not None
        return [Difference(path, "", old is not None, new is not None, diagnostics=broken.diagnostics)]
    before, after = _models(old, limits), _models(new, limits)
    if len(before) == len(after) == 1:
        # A file with one model may rename it.
        ((_, only),) = before.items()
        before = dict.fromkeys(after, only)
    compared = [_of_model(path, name, before.get(name), after.get(name)) for name in dict.fromkeys([*after, *before])]
    return [difference for difference in compared if difference is not None]


def _models(specification: Specification | None, limits: Limits | None) -> dict[str, Specification]:
    if specification is None:
        return {}
    if specification.is_file:
        # It has no other name than that of the file, which may have moved.
        return {specification.models[0]: specification}
    source, read = specification.source, specification.read
    return {name: load(source, model=name, limits=limits, read=read) for name in specification.models}


def _of_model(path: str, model: str, old: Specification | None, new: Specification | None) -> Difference | None:
    sides = old is not None, new is not None
    try:
        if old is None or new is None:
            network = old or new
            assert network is not None
            _ = network.graph
            return Difference(path, model, *sides, network=network)
        review = diff(old, new)
    except CompileError as error:
        return Difference(path, model, *sides, diagnostics=error.diagnostics)
    return None if review.is_empty else Difference(path, model, *sides, review=review)
