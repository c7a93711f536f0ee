"""Configure git to show specifications: settings and attributes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from resdsl.diagnostics import CompileError, catalogue

ATTRIBUTES = ("*.res diff=resdsl", "*.onnx diff=resdsl")
"""The lines of an attributes file that make git use the settings. A project may keep them in its ``.gitattributes``."""

# A failing textconv aborts git, and resdsl may be uninstalled later. A model is too large to be shown as it is.
_AS_IT_IS = 'case "$1" in *.onnx) cksum < "$1";; *) cat -- "$1";; esac'
_TEXTCONV = f'f() {{{{ {{program}} git textconv -- "$1" 2>/dev/null || {_AS_IT_IS}; }}}}; f'
_DRIVER = 'f() {{ {program} git diff-driver -- "$@" || diff -u -- "$2" "$5" || true; }}; f'
_DIFFTOOL = '{program} git difftool -- "$LOCAL" "$REMOTE" "$MERGED"'

_SETTINGS = {"diff.resdsl.textconv": _TEXTCONV, "difftool.resdsl.cmd": _DIFFTOOL}
_OPT_IN = {"diff.resdsl.command": _DRIVER}


def install(where: Path, *, everywhere: bool = False, driver: bool = False) -> tuple[str, ...]:
    """Make git show the layers of specifications, in the repository around ``where`` or everywhere for this user.

    ``git diff``, ``git log -p`` and ``git show`` compare layers instead of texts; ``git difftool --tool=resdsl``
    shows a review. With ``driver``, so does ``git diff`` (``git log -p`` and ``git show`` with ``--ext-diff``).
    Returns the changes, one line each. Raises ``CompileError`` outside a repository, or without git.
    """
    scope = _scope(where, everywhere)
    wanted = {**_SETTINGS, **(_OPT_IN if driver else {})}
    done = []
    for key, command in wanted.items():
        _git(["config", scope, "--replace-all", key, command.format(program=_program())], where)
        done.append(f"set {key}")
    if not driver and _unset(scope, where, _OPT_IN):
        done.append("unset diff.resdsl.command")
    if not everywhere and _is_known(where):
        done.append("the attributes of the repository already have *.res and *.onnx")
        return tuple(done)
    file = _attributes(where, everywhere)
    lines = _lines(file)
    missing = [line for line in ATTRIBUTES if line not in lines]
    if missing:
        _write(file, [*lines, *missing])
    done += [f"{line} in {file}" for line in ATTRIBUTES]
    return tuple(done)


def uninstall(where: Path, *, everywhere: bool = False) -> tuple[str, ...]:
    """Undo ``install``. Returns the changes, one line each. Raises ``CompileError`` like ``install``."""
    scope = _scope(where, everywhere)
    done = [f"unset {key}" for key in _unset(scope, where, {**_SETTINGS, **_OPT_IN})]
    file = _attributes(where, everywhere)
    lines = _lines(file)
    present = [line for line in ATTRIBUTES if line in lines]
    if present:
        _write(file, [line for line in lines if line not in present])
    done += [f"removed {line} from {file}" for line in present]
    return tuple(done)


def _program() -> str:
    """The command that git runs: with the full path, since the environment may not be active."""
    # -P: a folder `resdsl` in a repository must not be imported as the package.
    return f"{shlex.quote(Path(sys.executable).as_posix())} -P -m resdsl"


def _scope(where: Path, everywhere: bool) -> str:
    if everywhere:
        return "--global"
    try:
        _git(["rev-parse", "--git-dir"], where)
    except CompileError as error:
        if "not a git repository" not in error.diagnostic.message:
            raise
        helps = ("run this in one, or configure all of yours with `--global`",)
        raise CompileError.of(catalogue.GIT, "this folder is not in a git repository", helps=helps) from None
    return "--local"


def _unset(scope: str, where: Path, settings: dict[str, str]) -> list[str]:
    known = _git(["config", scope, "--list", "--name-only"], where, may_fail=True).splitlines()
    present = [key for key in settings if key in known]
    for key in present:
        _git(["config", scope, "--unset-all", key], where)
    return present


def _is_known(where: Path) -> bool:
    lines = _git(["check-attr", "diff", "--", "network.res", "network.onnx"], where, may_fail=True).splitlines()
    return len(lines) == len(ATTRIBUTES) and all(line.endswith(": resdsl") for line in lines)


def _attributes(where: Path, everywhere: bool) -> Path:
    """The user's own attributes file: no file of the project is changed."""
    if not everywhere:
        return Path(where, _git(["rev-parse", "--git-path", "info/attributes"], where).rstrip("\n"))
    written = _git(["config", "--global", "--type=path", "--get", "core.attributesFile"], where, may_fail=True).strip()
    if written:
        return Path(written)
    settings = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(settings, "git", "attributes")


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _write(file: Path, lines: list[str]) -> None:
    if not lines:
        file.unlink()
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _git(arguments: list[str], where: Path, *, may_fail: bool = False) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(["git", *arguments], cwd=where, capture_output=True, check=False, env=environment)
    except OSError:
        raise CompileError.of(catalogue.GIT, "git is not installed", helps=("install git",)) from None
    if done.returncode and not may_fail:
        message = f"git {' '.join(arguments[:2])}: {done.stderr.decode(errors='replace').strip()}"
        raise CompileError.of(catalogue.GIT, message, helps=("`git status` shows whether git works here",))
    return done.stdout.decode(errors="replace")
