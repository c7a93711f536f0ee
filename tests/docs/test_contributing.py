"""The page for newcomers, carried out in a copy of the repository as it is written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "contributing.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the operator and the command of the page."""
    folder = tmp_path_factory.mktemp("copy")
    without = shutil.ignore_patterns("__pycache__")
    for part in ("resdsl", "specs", "tests/ops"):
        shutil.copytree(ROOT / part, folder / part, ignore=without)
    for file in ("pyproject.toml", "README.md", "tests/conftest.py"):
        shutil.copy(ROOT / file, folder / file)
    operator, oracle, function, command, line = PROGRAMS
    (folder / "resdsl" / "ops" / "softsign.py").write_text(operator)
    with (folder / "tests" / "ops" / "oracles.py").open("a") as oracles:
        oracles.write(f"\n\n{oracle}")
    tool = folder / "resdsl" / "tools" / "largest"
    tool.mkdir()
    for name, text in (("__init__.py", ""), ("largest.py", function), ("command.py", command)):
        (tool / name).write_text(text)
    table = folder / "resdsl" / "cli" / "app.py"
    beginning = "COMMANDS: dict[str, Entry] = {\n"
    assert beginning in table.read_text()
    table.write_text(table.read_text().replace(beginning, beginning + line))
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_operator_passes_the_tests_of_operators(copy: Path) -> None:
    done = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n0", "tests/ops", "-k", "softsign")
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 20


def test_a_wrong_oracle_is_noticed(copy: Path) -> None:
    oracles = copy / "tests" / "ops" / "oracles.py"
    right = oracles.read_text()
    assert "v / (1 + abs(v))" in right
    oracles.write_text(right.replace("v / (1 + abs(v))", "v / (2 + abs(v))"))
    done = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n0", "tests/ops", "-k", "softsign")
    oracles.write_text(right)
    assert done.returncode == 1, done.stdout


def test_the_command_names_the_largest_layers(copy: Path) -> None:
    done = run(copy, "-m", "resdsl", "largest", "resnet50", "--count", "2", "--json")
    # The 3x3 convolutions of the last stage, from 512 to 512 channels.
    assert [one["parameters"] for one in json.loads(done.stdout)] == [3 * 3 * 512 * 512] * 2
    missing = run(copy, "-m", "resdsl", "largest", "resnet5")
    assert missing.returncode == 2
    assert "did you mean `resnet50`" in missing.stderr


def test_the_programs_of_the_page_are_typed_and_linted(copy: Path) -> None:
    files = ["resdsl/ops/softsign.py", "resdsl/tools/largest"]
    linted = run(copy, "-m", "ruff", "check", "--no-cache", *files)
    formatted = run(copy, "-m", "ruff", "format", "--no-cache", "--check", *files)
    assert (linted.returncode, formatted.returncode) == (0, 0), linted.stdout + formatted.stdout
