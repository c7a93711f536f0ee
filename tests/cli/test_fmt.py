"""``resdsl fmt``: messages and written files; the layout is tested with the formatter."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from resdsl.cli.app import app

UGLY = "model tiny(){\ninput x:f32[N,3,8,8]   # pixels\nconv1:conv(4,3x3)\noutput y}\n"


def run(*arguments: str, **options: str) -> Result:
    return CliRunner().invoke(app, ["fmt", *arguments], **options)


@pytest.fixture
def ugly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("ugly.res").write_text(UGLY)
    return Path("ugly.res")


def test_a_file_is_laid_out_in_place_and_only_once(ugly: Path) -> None:
    first = run("ugly.res")
    assert (first.exit_code, first.stderr) == (0, "reformatted ugly.res\n")
    text = ugly.read_text()
    assert text != UGLY
    assert "# pixels" in text
    second = run("ugly.res")
    assert (second.exit_code, second.output) == (0, "")
    assert ugly.read_text() == text


def test_check_changes_nothing_and_ends_with_1(ugly: Path) -> None:
    result = run("--check", "ugly.res")
    assert (result.exit_code, result.stderr) == (1, "would reformat ugly.res\n")
    assert ugly.read_text() == UGLY
    run("ugly.res")
    assert run("--check", "ugly.res").exit_code == 0


def test_diff_shows_what_would_change(ugly: Path) -> None:
    result = run("--diff", "ugly.res")
    assert result.exit_code == 0
    assert "-model tiny(){\n" in result.stdout
    assert ugly.read_text() == UGLY


def test_standard_input_goes_to_standard_output(ugly: Path) -> None:
    result = run("-", input=UGLY)
    run("ugly.res")
    assert result.stdout == ugly.read_text()


def test_json_lists_what_changed(ugly: Path) -> None:
    Path("good.res").write_text(run("-", input=UGLY).stdout)
    data = json.loads(run("--json", "--check", ".").stdout)
    assert data["changed"] == [str(ugly)]


def test_a_text_with_errors_is_unchanged_and_the_others_are_formatted(ugly: Path) -> None:
    Path("bad.res").write_text("model tiny(){\ninput x:\n")
    result = run("bad.res", "ugly.res")
    assert result.exit_code == 1
    assert "bad.res:" in result.stderr
    assert Path("bad.res").read_text() == "model tiny(){\ninput x:\n"
    assert ugly.read_text() != UGLY


def test_the_permissions_of_a_file_stay(ugly: Path) -> None:
    ugly.chmod(0o640)
    run("ugly.res")
    assert ugly.stat().st_mode & 0o777 == 0o640


def test_a_large_file_is_laid_out_when_its_limit_is_raised(tmp_path: Path) -> None:
    path = tmp_path / "large.res"
    path.write_text(UGLY + "# a comment\n" * 50_000)
    refused = run(str(path))
    assert refused.exit_code == 1
    assert "--limit file_bytes=" in refused.output
    assert run(str(path), "--limit", "file_bytes=1_000_000").exit_code == 0
    assert path.read_text().endswith("# a comment\n")
