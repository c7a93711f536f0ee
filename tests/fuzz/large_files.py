"""Measure each command on ONNX files of very many nodes: CPU seconds and peak memory of whole processes.

    python -m tests.fuzz.large_files [--nodes 100000] [--kinds "Relu;gelu"] [--commands "summary;draw"]

Prints a line for each command and file as it goes, and the table for ``docs/robustness.md`` at the end. The exit status
is 1 where a command ends in another way than with a result or an error, or takes more than ``MOST_SECONDS`` of CPU time
or ``MOST_MEMORY``.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.large_onnx import LARGE

MOST_SECONDS = 10.0
MOST_MEMORY = 1e9
_CUT = 120
"""Seconds of CPU time after which a process is ended."""

COMMANDS: dict[str, tuple[str, ...]] = {
    "summary": ("summary", "A"),
    "check": ("check", "A"),
    "diff": ("diff", "A", "A"),
    "diff, changed": ("diff", "A", "B"),
    "draw": ("draw", "A", "-o", "draw.svg"),
    "view": ("view", "A", "-o", "view.html"),
    "compare": ("compare", "A", "A"),
    "import": ("import", "A", "-o", "net.res"),
    "textconv": ("git", "textconv", "A"),
}


@dataclass(frozen=True)
class Measured:
    status: int
    seconds: float
    memory: int
    message: str

    @property
    def is_fault(self) -> bool:
        answered = self.status in (0, 1) and "Traceback" not in self.message
        return not answered or self.seconds > MOST_SECONDS or self.memory > MOST_MEMORY

    def __str__(self) -> str:
        mark = "**" if self.is_fault else ""
        what = "" if self.status == 0 else f" (exit {self.status})"
        return f"{mark}{self.seconds:.1f} s{mark}, {self.memory / 1e6:.0f} MB{what}"


def measure(command: tuple[str, ...], files: dict[str, Path], folder: Path) -> Measured:
    words = [str(files.get(word, word)) for word in command]
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "resdsl", *words],
            stdout=out,
            stderr=err,
            cwd=folder,
            preexec_fn=_limit,  # noqa: PLW1509 - nothing here has threads
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    message = (folder / "stderr").read_text(errors="replace")
    return Measured(process.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, message)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_CUT, _CUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def changed(data: bytes, kind: str, nodes: int) -> bytes:
    """The file with another operator in its middle."""
    for old, new in (
        (b"\x22\x04Relu", b"\x22\x04Tanh"),
        (b"\x22\x03Add", b"\x22\x03Mul"),
        (b"\x22\x03Mul", b"\x22\x03Add"),
    ):
        place = data.find(old, len(data) // 3)
        if place > 0:
            return data[:place] + new + data[place + len(old) :]
    return LARGE[kind](nodes // 2)


def run(kinds: list[str], commands: list[str], nodes: int) -> Iterator[tuple[str, str, Measured]]:
    with tempfile.TemporaryDirectory(prefix="resdsl-large-") as name:
        folder = Path(name)
        files = {"A": folder / "a.onnx", "B": folder / "b.onnx"}
        for kind in kinds:
            data = LARGE[kind](nodes)
            files["A"].write_bytes(data)
            files["B"].write_bytes(changed(data, kind, nodes))
            for command in commands:
                measured = measure(COMMANDS[command], files, folder)
                said = measured.message.strip().splitlines()
                note = " | ".join((said[0], said[-1]))[:200] if said else ""
                print(f"{kind:32} {command:14} {measured!s:32} {note}", flush=True)
                yield kind, command, measured


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--kinds", default="", help="those whose name contains one of these, separated by semicolons")
    parser.add_argument("--commands", default=";".join(COMMANDS))
    options = parser.parse_args()
    wanted = [one for one in options.kinds.split(";") if one]
    kinds = [kind for kind in LARGE if not wanted or any(one in kind for one in wanted)]
    commands = [one for one in COMMANDS if one in options.commands.split(";")]
    results: dict[str, dict[str, Measured]] = {}
    for kind, command, measured in run(kinds, commands, options.nodes):
        results.setdefault(kind, {})[command] = measured
    print("\n| " + " | ".join(("file", *commands)) + " |\n|---" + "|---:" * len(commands) + "|")
    for kind, row in results.items():
        print("| " + " | ".join((kind, *(str(row[command]) for command in commands))) + " |")
    return int(any(measured.is_fault for row in results.values() for measured in row.values()))


if __name__ == "__main__":
    sys.exit(main())
