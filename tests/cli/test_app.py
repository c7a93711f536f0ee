"""The command-line program: help, unknown commands and options, exit status."""

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import resdsl.tools
from resdsl.cli.app import COMMANDS, app

TOOLS = Path(resdsl.tools.__file__).parent


def run(*arguments: str, **options: str) -> Result:
    return CliRunner().invoke(app, list(arguments), **options)


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    program = (
        "import sys; from resdsl.cli.app import app; app(['--help'], standalone_mode=False);"
        "print([m for m in sys.modules if m.startswith('resdsl.tools')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for name, entry in COMMANDS.items():
        assert f"  {name}" in done.stdout
        assert entry.line in done.stdout
    assert done.stderr == "[]\n"


def test_every_command_folder_has_an_entry_and_every_entry_a_folder() -> None:
    modules = {entry.module(name) for name, entry in COMMANDS.items()}
    assert {f"resdsl.tools.{file.parent.name}.command" for file in TOOLS.glob("*/command.py")} == modules


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_page_and_the_name_of_its_folder(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: app {name} ")
    command = app.get_command(click.Context(app), name)
    assert command is not None
    assert command.name == name


def test_the_table_is_the_only_place_that_describes_a_command_in_one_line() -> None:
    for name, entry in COMMANDS.items():
        command = importlib.import_module(entry.module(name)).command
        command.short_help = None
        found = app.get_command(click.Context(app), name)
        assert found is not None
        assert found.get_short_help_str(limit=200) == entry.line


def test_a_mistyped_command_suggests_the_right_one() -> None:
    result = run("comple")
    assert result.exit_code == 2
    assert "Did you mean 'compile'?" in result.output


def test_a_file_in_place_of_a_command_suggests_compile() -> None:
    result = run("my.res")
    assert result.exit_code == 2
    assert "resdsl compile my.res" in result.output


def test_a_mistyped_option_suggests_the_right_one() -> None:
    result = run("fmt", "--chekc", "x.res")
    assert result.exit_code == 2
    assert "--check" in result.output


def test_the_version_is_that_of_the_package() -> None:
    done = subprocess.run([sys.executable, "-m", "resdsl", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1].count(".") == 2


@pytest.mark.parametrize(
    ("content", "status"),
    [(None, 2), (b"", 1), (b"\x00\xff", 1)],
)
def test_the_exit_status_separates_a_bad_path_from_a_bad_text(
    tmp_path: Path, content: bytes | None, status: int
) -> None:
    file = tmp_path / "net.res"
    if content is not None:
        file.write_bytes(content)
    assert run("check", str(file)).exit_code == status


def test_without_a_command_the_help_page_is_shown() -> None:
    result = run()
    assert result.exit_code == 2
    assert "resdsl compile" in result.output
