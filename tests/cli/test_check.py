"""``resdsl check`` and the options that select a network."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from resdsl.cli.app import app

GOOD = """\
model tiny(width: int = 4) {
  input x: f32[N, 3, 8, 8]
  conv1: conv(width, 3x3)
  output y
}
"""
HEAVY = ("numpy", "onnx", "onnxruntime", "rich", "PIL", "jinja2", "safetensors")


def run(*arguments: str, **options: str) -> Result:
    return CliRunner().invoke(app, list(arguments), **options)


def written(folder: Path, text: str, name: str = "net.res") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_good_file_is_fine(tmp_path: Path) -> None:
    result = run("check", written(tmp_path, GOOD))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no errors\n")


def test_quiet_prints_nothing_for_a_valid_file(tmp_path: Path) -> None:
    assert run("check", "--quiet", written(tmp_path, GOOD)).output == ""


def test_an_error_is_shown_on_stderr(tmp_path: Path) -> None:
    result = run("check", written(tmp_path, GOOD.replace("conv(", "cnov(")))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "error[E0202]" in result.stderr
    assert "net.res:3:10" in result.stderr


def test_json_is_all_that_is_on_stdout(tmp_path: Path) -> None:
    result = run("check", "--json", written(tmp_path, GOOD.replace("conv(", "cnov(")))
    assert result.exit_code == 1
    assert result.stderr == ""
    (found,) = json.loads(result.stdout)["diagnostics"]
    assert (found["code"], found["place"]["line"]) == ("E0202", 3)


def test_every_file_is_checked_although_one_is_missing(tmp_path: Path) -> None:
    bad = written(tmp_path, GOOD.replace("conv(", "cnov("))
    result = run("check", str(tmp_path / "absent.res"), bad)
    assert result.exit_code == 2
    assert "E0801" in result.stderr
    assert "E0202" in result.stderr


def test_a_folder_stands_for_the_files_below_it(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    written(tmp_path / "below", GOOD.replace("conv(", "cnov("))
    assert run("check", str(tmp_path)).exit_code == 1
    assert run("check", str(tmp_path / "below" / "net.res")).exit_code == 1


def test_a_folder_without_specifications_is_a_wrong_use(tmp_path: Path) -> None:
    assert run("check", str(tmp_path)).exit_code == 2


def test_a_file_of_blocks_alone_is_fine(tmp_path: Path) -> None:
    assert run("check", written(tmp_path, "block b(w) {\n  conv1: conv(w, 3x3)\n}\n")).exit_code == 0


def test_every_model_of_a_file_is_checked(tmp_path: Path) -> None:
    bad = GOOD.replace("tiny", "other").replace("conv(", "cnov(")
    assert run("check", written(tmp_path, bad + GOOD)).exit_code == 1
    assert run("check", written(tmp_path, GOOD + bad)).exit_code == 1
    assert run("check", "--model", "tiny", written(tmp_path, GOOD + bad)).exit_code == 0


def test_standard_input_is_a_specification() -> None:
    assert run("check", "-", input=GOOD).exit_code == 0
    result = run("check", "-", input=GOOD.replace("conv(", "cnov("))
    assert result.exit_code == 1
    assert "<stdin>:3:10" in result.stderr


def test_colours_come_when_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = written(tmp_path, GOOD.replace("conv(", "cnov("))
    assert "\x1b[" not in run("check", bad).stderr
    assert "\x1b[" in CliRunner().invoke(app, ["check", "--color", "always", bad], color=True).stderr
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in CliRunner().invoke(app, ["check", bad], color=True).stderr
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in CliRunner().invoke(app, ["check", bad], color=True).stderr


@pytest.mark.parametrize(
    ("option", "status"),
    [
        ("width=8", 0),
        ("width = 2 * 4", 0),
        ("width", 2),
        ("=8", 2),
        ("width=", 2),
        ("width=8 +", 2),
        ("depth=8", 1),
    ],
)
def test_set_takes_values_of_the_language(tmp_path: Path, option: str, status: int) -> None:
    result = run("check", written(tmp_path, GOOD), "--set", option)
    assert result.exit_code == status, result.output


def test_an_argument_is_set_once(tmp_path: Path) -> None:
    assert run("check", written(tmp_path, GOOD), "--set", "width=8", "--set", "width=9").exit_code == 2


@pytest.mark.parametrize(
    ("shape", "status"),
    [
        ("N,3,16,16", 0),
        ("[N, 3, H, W]", 0),
        ("2,3,16,16", 0),
        ("n,3,16,16", 2),
        ("N,3,0,16", 2),
        ("N,3,-1,16", 2),
        ("N,3,,16", 2),
        ("N;3;16;16", 2),
        ("", 2),
        ("N,3", 1),
    ],
)
def test_input_takes_sizes_and_symbols(tmp_path: Path, shape: str, status: int) -> None:
    result = run("check", written(tmp_path, GOOD), "--input", shape)
    assert result.exit_code == status, result.output


@pytest.mark.parametrize("command", [["check"], ["fmt", "--check"], ["summary"]])
def test_nothing_heavy_is_loaded_to_look_at_a_text(tmp_path: Path, command: list[str]) -> None:
    program = (
        "import sys; from resdsl.cli.app import app\n"
        f"app({[*command, written(tmp_path, GOOD)]!r}, standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_importing_the_package_loads_none_of_its_parts() -> None:
    program = "import sys, resdsl; print([name for name in sys.modules if name.startswith('resdsl.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['resdsl.version']\n"
