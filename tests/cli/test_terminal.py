"""Nothing that a user, a file or a repository names controls the terminal, and every run ends as it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from resdsl.cli.app import app
from resdsl.cli.terminal import Terminal
from resdsl.untrusted import visible

from .interrupts import failures

HOSTILE = "a\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b1m\u202eb\r\x08"
CONTROLS = {"\x1b", "\x07", "\x9b", "\u202e", "\r", "\x08"}


@pytest.mark.parametrize(
    "arguments",
    [
        [HOSTILE],
        [f"--{HOSTILE}"],
        ["check", f"--{HOSTILE}"],
        ["check", HOSTILE],
        ["check", f"{HOSTILE}.res"],
        ["check", f"HEAD:{HOSTILE}"],
        ["check", "resnet18", "--set", HOSTILE],
        ["check", "resnet18", "--set", f"classes={HOSTILE}"],
        ["check", "resnet18", "--set", f"{HOSTILE}=1"],
        ["check", "resnet18", "--input", HOSTILE],
        ["check", "resnet18", "--limit", HOSTILE],
        ["check", "resnet18", "--model", HOSTILE],
        ["check", "resnet18", "--color", HOSTILE],
        ["summary", "resnet18", "--depth", HOSTILE],
        ["diff", f"{HOSTILE}..b"],
        ["diff", "resnet18", "resnet18", "--max-macs", HOSTILE],
        ["diff", "resnet18", "resnet18", "-o", f"{HOSTILE}/x"],
        ["specs", HOSTILE],
        ["explain", HOSTILE],
        ["operators", HOSTILE],
        ["draw", "resnet18", "-o", f"{HOSTILE}.svg/x.svg"],
        ["view", "resnet18", "-o", f"{HOSTILE}.svg"],
        ["compile", "resnet18", "-o", f"{HOSTILE}/x"],
        ["compile", "resnet18", "--weights", HOSTILE],
        ["compile", "resnet18", "--weights", "x", "--rename", HOSTILE],
        ["compile", "resnet18", "--weights", "x", "--rename", f"@{HOSTILE}"],
        ["predict", f"{HOSTILE}.onnx", "a.png"],
        ["evaluate", f"{HOSTILE}.onnx", HOSTILE],
        ["weights", f"{HOSTILE}.onnx"],
        ["quantize", f"{HOSTILE}.onnx", "--calibrate", HOSTILE],
        ["compare", f"{HOSTILE}.onnx", "resnet18"],
        ["bench", f"{HOSTILE}.onnx", "--batch", HOSTILE],
        ["git", HOSTILE],
        ["git", "diff-driver", HOSTILE],
    ],
    ids=lambda arguments: " ".join(arguments).replace(HOSTILE, "HOSTILE"),
)
def test_what_is_echoed_does_not_control_the_terminal(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    done = CliRunner().invoke(app, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert not CONTROLS & set(done.output)
    if "git" not in arguments:
        assert done.exit_code in (1, 2, 3)
        assert "owned" in done.output


def test_colours_of_ours_stay_where_they_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(color="always").result("\x1b[1;31mred\x1b[0m \x1b]0;owned\x07\x1b[8mhidden\x1b[40m")
    assert capsys.readouterr().out == "\x1b[1;31mred\x1b[0m \\x1b]0;owned\\x07\\x1b[8mhidden\\x1b[40m\n"
    Terminal(color="never").say("\x1b[1;31mred")
    assert capsys.readouterr().err == "\\x1b[1;31mred\n"


@pytest.mark.parametrize("color", ["always", "never"])
def test_cells_of_a_table_do_not_control_the_terminal(color: str, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(HOSTILE, "bold"))
    table.add_row(Text(HOSTILE, "cyan"))
    with Terminal(color=color).drawing() as console:
        console.print(table)
    shown = capsys.readouterr().out
    assert "owned" in shown
    assert not CONTROLS & set(re.sub(r"\x1b\[[\d;]*m", "", shown) if color == "always" else shown)
    assert ("\x1b[" in shown) == (color == "always")


def test_files_reach_pipes_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "# \x9b \u202e\nmodel m {\n  input x: f32[N, 3, 8, 8]\n  relu\n  output y\n}\n"
    done = CliRunner().invoke(app, ["fmt", "-"], input=text)
    assert done.stdout == text


def test_visible_keeps_text_in_any_script() -> None:
    assert visible("naïve 网络 😀\tα\n") == "naïve 网络 😀\tα\n"
    assert visible("\ud800") == "\\ud800"


@pytest.mark.parametrize(
    "arguments", [["check", "--nope", "--json"], ["--json"], ["nope", "--json"], ["diff", "a", "--json"]]
)
def test_usage_errors_are_json_where_json_is_asked_for(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    (diagnostic,) = json.loads(done.stdout)["diagnostics"]
    assert diagnostic["code"] in ("E0818", "E0801")
    assert diagnostic["severity"] == "error"
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["check", "fmt", "summary", "view", "draw", "compile"])
def test_an_empty_argument_is_no_folder(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.res").write_text("model   a { input x: f32[N, 3, 8, 8]\n relu\n output y }\n")
    before = (tmp_path / "a.res").read_bytes()
    done = CliRunner().invoke(app, [command, ""])
    assert done.exit_code == 2
    assert "E0801" in done.stderr
    assert (tmp_path / "a.res").read_bytes() == before


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))
from resdsl.cli.app import main
main()
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "pipe"], "E0803"),
        (["fmt", "pipe"], "E0803"),
        (["summary", "pipe"], "E0803"),
        (["compile", "pipe"], "E0803"),
        (["check", "-"], "E0901"),
        (["fmt", "-"], "E0901"),
        (["compile", "-"], "E0901"),
        (["check", "/dev/zero"], "E0901"),
        (["compile", "resnet18", "--weights", "x.npz", "--rename", "@/dev/zero"], "has more than 500,000 bytes"),
        (["compile", "resnet18", "--weights", "x.npz", "--rename", "@pipe"], "it is a pipe"),
        (["compile", "resnet18", "--weights", "pipe", "-o", "x.onnx"], "E0803"),
        (["diff", "pipe", "resnet18"], "E0803"),
    ],
)
def test_a_pipe_is_not_waited_for_and_a_device_not_read_to_its_end(
    arguments: list[str], code: str, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with Path("/dev/zero").open("rb") as zeros:
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, *arguments],
            stdin=zeros,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            check=False,
        )
    assert code in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode in (1, 2)


def test_what_the_shell_passes_as_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.res").write_text("model a { input x: f32[N, 3, 8, 8]\n relu\n output y }\n")
    command = f"{sys.executable} -m resdsl check <(cat a.res)"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (0, "no errors\n")


def test_ctrl_c_while_starting_shows_no_traceback() -> None:
    assert list(failures(6)) == []
