"""What the editor asks for that writes files: the commands of the command line, in a process of their own."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from resdsl.untrusted import visible

_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Done:
    """``output`` is the file that was written, ``message`` what the command said."""

    succeeded: bool
    message: str
    output: Path | None = None


async def compile_file(path: Path) -> Done:
    """``resdsl compile``, beside the text."""
    output = path.with_suffix(".onnx")
    return await _run(path, ["compile", path.name, "-o", output.name], output)


async def draw_file(path: Path) -> Done:
    """``resdsl draw`` to a temporary SVG."""
    output = _temporary(path, ".svg")
    return await _run(path, ["draw", path.name, "-o", str(output)], output)


async def compare_file(path: Path, revision: str) -> Done:
    """``resdsl diff`` with a revision of git, as Markdown."""
    output = _temporary(path, ".md")
    networks = [f"{revision}:./{path.name}", path.name]
    return await _run(path, ["diff", *networks, "--format", "markdown", "-o", str(output)], output)


def _temporary(path: Path, suffix: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="resdsl-"))
    return folder / f"{path.stem}{suffix}"


async def _run(path: Path, arguments: list[str], output: Path) -> Done:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "resdsl", *arguments, "--color", "never",
        cwd=path.parent,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        process.kill()
        return Done(False, f"resdsl {arguments[0]} took longer than {_SECONDS} s")
    text = visible(printed.decode("utf-8", "replace")).strip()
    written = output if output.exists() else None
    return Done(written is not None, text, written)
