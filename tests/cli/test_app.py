"""The program as a person meets it: help, unknown words, exit codes."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from resdsl.cli.app import COMMANDS, app


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


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_page_that_agrees_with_the_list(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    command = app.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    assert command.short_help == COMMANDS[name].line


def test_a_mistyped_command_is_guessed() -> None:
    result = run("comple")
    assert result.exit_code == 2
    assert "Did you mean 'compile'?" in result.output


def test_a_file_where_a_command_belongs_leads_to_compile() -> None:
    result = run("my.res")
    assert result.exit_code == 2
    assert "resdsl compile my.res" in result.output


def test_a_mistyped_option_is_guessed() -> None:
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
def test_the_exit_code_tells_a_bad_path_from_a_bad_text(tmp_path: Path, content: bytes | None, status: int) -> None:
    file = tmp_path / "net.res"
    if content is not None:
        file.write_bytes(content)
    assert run("check", str(file)).exit_code == status


def test_no_command_is_answered_with_the_help_page() -> None:
    result = run()
    assert result.exit_code == 2
    assert "resdsl compile" in result.output
