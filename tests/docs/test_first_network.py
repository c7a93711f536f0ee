"""The page for a first network: its commands, one after another, print what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "first_network.md"
FENCE = re.compile(r"^```(res wrong|res|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SECONDS = re.compile(r"\d+(\.\d+)? m?s;")


def test_each_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    steps = FENCE.findall(PAGE.read_text(encoding="utf-8"))
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    commands = 0
    for kind, text in steps:
        if kind != "console":
            (tmp_path / "small.res").write_text(text, encoding="utf-8")
            continue
        prompt, shown = text.split("\n", 1)
        words = shlex.split(prompt.removeprefix("$ resdsl "))
        done = subprocess.run(
            [sys.executable, "-m", "resdsl", *words],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert SECONDS.sub("1 s;", done.stdout) == SECONDS.sub("1 s;", shown), prompt
        commands += 1
    assert commands == 6
