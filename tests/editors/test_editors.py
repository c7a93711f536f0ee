"""The settings in ``editors/``, in the editors themselves. ``tests/with_editors.sh`` installs these."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent

TEXT = """block bloc_of_two(width) { conv1: conv(width, 3x3); bn1: bn }
model a {
  input x: f32[N, 3, 8, 8]
  conv1: cnv(8, 3x3);   relu
  pair: bloc_of_two(16)
  output y
}
"""


def _answers(command: list[str | Path], tmp_path: Path) -> dict[str, Any]:
    """What the editor's script wrote. Its server is that of the tested package."""
    answers = tmp_path / "answers.json"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "RESDSL_ANSWERS": str(answers),
        "RESDSL_FILE": str(tmp_path / "a.res"),
    }
    (tmp_path / "a.res").write_text(TEXT)
    done = subprocess.run(
        command,
        check=False,
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert answers.exists(), done.stdout + done.stderr
    result: dict[str, Any] = json.loads(answers.read_text())
    return result


@pytest.mark.skipif(shutil.which("nvim") is None, reason="needs Neovim: tests/with_editors.sh")
def test_neovim_shows_errors_hints_and_completion_and_renames_and_formats(tmp_path: Path) -> None:
    settings, script = ROOT / "editors" / "neovim" / "resdsl.lua", HERE / "neovim.lua"
    start = ["nvim", "--headless", "--clean", "-c", f"luafile {settings}"]
    found = _answers([*start, "-c", f"edit {tmp_path / 'a.res'}", "-c", f"luafile {script}", "-c", "cquit"], tmp_path)
    assert found["filetype"] == "res"
    (error,) = found["diagnostics"]
    assert error["code"] == "E0202"
    assert (error["lnum"], error["col"]) == (3, 9)
    (hint,) = (hint for hint in found["hints"] if hint["position"] == {"line": 3, "character": 29})
    assert "[N, 8, 8, 8]" in str(hint["label"])
    assert {"conv", "maxpool", "residual"} <= {item["label"] for item in _items(found["completion"])}
    assert "conv" in str(found["hover"]["contents"])
    assert found["renamed"][0].startswith("block unit(width)")
    assert found["renamed"][4] == "  pair: unit(16)"
    assert found["formatted"][3] == "  conv1: conv(8, 3x3);  relu"


def _items(completion: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = completion["items"] if isinstance(completion, dict) else completion
    return items


@pytest.mark.skipif(shutil.which("emacs") is None, reason="needs Emacs with eglot: tests/with_editors.sh")
def test_emacs_shows_errors_and_renames_and_formats(tmp_path: Path) -> None:
    mode = ROOT / "editors" / "emacs"
    found = _answers(["emacs", "--batch", "-L", str(mode), "-l", HERE / "eglot.el"], tmp_path)
    assert found["mode"] == "res-mode"
    assert any("`cnv` is not an operator or block" in text for text in found["diagnostics"])
    assert found["renamed"].startswith("block unit(width)")
    assert "pair: unit(16)" in found["renamed"]
    assert "  conv1: conv(8, 3x3);  relu\n" in found["formatted"]


def test_settings_of_helix_start_the_server_and_name_the_grammar() -> None:
    settings = tomllib.loads((ROOT / "editors" / "helix" / "languages.toml").read_text())
    (language,), (grammar,) = settings["language"], settings["grammar"]
    assert language["language-servers"] == ["resdsl"]
    assert settings["language-server"]["resdsl"] == {"command": "resdsl", "args": ["lsp"]}
    assert language["name"] == grammar["name"] == json.loads(_grammar_json())["name"]
    assert Path(grammar["source"]["path"]).name == "tree-sitter"


def _grammar_json() -> str:
    return (ROOT / "editors" / "tree-sitter" / "src" / "grammar.json").read_text()
