"""Read files that git passes to a textconv or a diff driver: often a copy in a temporary folder, without used files.

Git passes a textconv only that copy. The revision is identified by the content: the last commit before HEAD (else of
any branch) in which a file of that name has this content, or the index. Used files are read from that revision. If the
same content was committed with different used files, the last commit is taken; ``resdsl diff A...B`` is exact.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from resdsl.diagnostics import CompileError, Diagnostic, Diagnostics, Source, catalogue
from resdsl.elaborate.limits import Limits
from resdsl.elaborate.program import is_below
from resdsl.specification.load import load
from resdsl.specification.model_file import SUFFIX, open_model
from resdsl.specification.revision import Revision, path_list, run_git
from resdsl.specification.specification import Specification
from resdsl.specification.text import decode, read_source

INDEX = ""
"""The name of the index in ``REV:path``: the staged files."""

_NEIGHBOURS = re.compile(r'^\s*(?:use\s+"(?!std/)|labels\s+"[^"]*[./])', re.MULTILINE)
_GIT_PREFIX = re.compile(r"^[A-Za-z0-9]{6}_(?=.)")
"""Before git 2.35, a temporary copy was named ``AbC123_net.res``."""


def open_blob(file: Path, *, name: str | None = None, path: str | None = None) -> Specification:
    """The specification in a file that git created or named; the current folder is in the repository.

    ``path`` is its path relative to the top of the working tree, if git passes it. Messages use ``name``. Raises
    ``CompileError`` if the file cannot be read, or a file that it uses cannot be found.
    """
    called = name or path or file.name
    if file.suffix == SUFFIX:
        # Its structure needs no other file; the numbers of tensors are not read.
        return open_model(file, called, Limits(), {})
    data = read_source(file).text.encode()
    root = _root()
    if root is None or is_below(file, root) or not _NEIGHBOURS.search(data.decode()):
        # A file of the working tree has its used files beside it; the others use none.
        return load(decode(data, name=called, path=file.resolve() if root and is_below(file, root) else file))
    revision, home = _home(file, path, root)
    source = Source(called, decode(data, name=called).text, root / home)
    return load(source, read=revision.read)


def _root() -> Path | None:
    try:
        return Path(os.fsdecode(run_git(["rev-parse", "--show-toplevel"], Path())).removesuffix("\n")).resolve()
    except CompileError:
        return None


def _home(file: Path, path: str | None, root: Path) -> tuple[Revision, str]:
    """The revision that has this content, and its path there."""
    names = [path] if path else [f"**/{name}" for name in dict.fromkeys([file.name, _GIT_PREFIX.sub("", file.name)])]
    patterns = [f":(top,glob){name}" if path is None else f":(top,literal){name}" for name in names]
    # As git stores it: line ends may have been converted for the copy.
    stored = run_git(["hash-object", f"--path={path or file.name}", str(file)], root).decode().strip()
    blob = (
        stored if _exists(stored, root) else run_git(["hash-object", "--no-filters", str(file)], root).decode().strip()
    )
    for tips in (["HEAD"], ["--all"]):
        origin = _in_history(blob, tips, patterns, root)
        if origin is not None:
            return origin
    for entry in path_list(run_git(["ls-files", "--stage", "-z", "--", *patterns], root)):
        about, _, staged = entry.partition("\t")
        if blob in about.split():
            return Revision(INDEX, root), staged
    diagnostics = Diagnostics()
    message = (
        f"no commit and no staged file has the content of `{file.name}`, so the files that it uses cannot be found"
    )
    diagnostics.report(Diagnostic(catalogue.FILE_NOT_FOUND, message, helps=("`git add` it",)))
    raise CompileError(diagnostics)


def _exists(blob: str, root: Path) -> bool:
    try:
        run_git(["cat-file", "-e", blob], root)
    except CompileError:
        return False
    return True


def _in_history(blob: str, tips: list[str], patterns: list[str], root: Path) -> tuple[Revision, str] | None:
    log = [
        "log",
        "-1",
        "-z",
        "--raw",
        "--no-abbrev",
        "--no-renames",
        "--no-show-signature",
        "--format=%H",
        f"--find-object={blob}",
    ]
    try:
        output = path_list(run_git([*log, *tips, "--", *patterns], root))
    except CompileError:
        return None  # no commits yet
    commit, *fields = (field.strip("\n") for field in output)
    gone: str | None = None
    for about, path in zip(fields[::2], fields[1::2], strict=False):
        before, after = about.split()[2:4]
        if after == blob:
            # The last commit that touched it added it, so HEAD still has it.
            return Revision("HEAD" if tips == ["HEAD"] else commit, root), path
        if before == blob:
            gone = path
    return None if gone is None else (Revision(f"{commit}^", root), gone)
