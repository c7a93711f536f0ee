"""``resdsl git``. What git shows with it is tested with the driver."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from resdsl.cli.app import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["git", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configured(folder: Path) -> str:
    done = subprocess.run(["git", "config", "--list"], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


def test_install_and_uninstall(folder: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    assert run("install", "--driver").exit_code == 0
    assert "diff.resdsl.textconv=" in configured(folder)
    assert "diff.resdsl.command=" in configured(folder)
    data = json.loads(run("uninstall", "--json").stdout)
    assert "unset diff.resdsl.textconv" in data["done"]
    assert "resdsl" not in configured(folder)
    assert "nothing to remove" in run("uninstall").stderr


@pytest.mark.usefixtures("folder")
def test_outside_of_a_repository_a_fix_is_suggested() -> None:
    result = run("install")
    assert result.exit_code == 2
    assert "--global" in result.stderr


def test_global_needs_no_repository(folder: Path) -> None:
    assert run("install", "--global").exit_code == 0
    assert (folder / "git" / "attributes").read_text() == "*.res diff=resdsl\n*.onnx diff=resdsl\n"
    assert run("uninstall", "--global").exit_code == 0
    assert "resdsl" not in configured(folder)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("unmerged.res",),
        ("x.res", "none", "0", "100644", "none", "0", "100644"),
        ("x.res", "/dev/null", ".", ".", "/dev/null", ".", "."),
    ],
)
def test_the_driver_always_ends_with_0(arguments: tuple[str, ...]) -> None:
    assert run("diff-driver", "--", *arguments).exit_code == 0
