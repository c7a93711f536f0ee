"""Which networks differ between two revisions, in a real repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from resdsl.cli.app import app
from resdsl.diagnostics import CompileError
from resdsl.specification import revision
from resdsl.tools.diff import revision_range
from resdsl.tools.diff.revision_range import Difference, differences, range_of

BLOCKS = "block unit(width) {\n  conv1: conv(width, 3x3)\n}\n"
WRAPPED = 'use "blocks.res" (unit)\n\nblock pair(width) {\n  a: unit(width)\n  b: unit(width)\n}\n'


def net(name: str, used: str, body: str) -> str:
    return f"{used}\n\nmodel {name}() {{\n  input x: f32[N, 3, 8, 8]\n  {body}\n  output y\n}}\n"


FILES = {
    "lib/blocks.res": BLOCKS,
    "lib/pairs.res": WRAPPED,
    "direct.res": net("direct", 'use "lib/blocks.res" (unit)', "u: unit(4)"),
    "through.res": net("through", 'use "lib/pairs.res" (pair)', "p: pair(4)"),
    "apart.res": net("apart", "", "c: conv(4, 3x3)"),
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    found = tmp_path / "repository"
    found.mkdir()
    monkeypatch.chdir(found)
    git("init", "-q", "-b", "main")
    git("config", "user.name", "A Tester")
    git("config", "user.email", "tester@example.com")
    commit(FILES)
    git("switch", "-q", "-c", "work")
    return found


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout


def commit(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    git("add", "-A")
    git("commit", "-q", "-m", "a change")


def found(written: str = "main...HEAD") -> list[Difference]:
    revisions = range_of(written, Path.cwd())
    assert revisions is not None
    return list(differences(revisions))


def kinds(written: str = "main...HEAD") -> list[tuple[str, bool, bool]]:
    return [(each.path, each.old, each.new) for each in found(written)]


@pytest.mark.usefixtures("root")
def test_a_changed_block_changes_all_that_use_it() -> None:
    commit({"lib/blocks.res": BLOCKS.replace("3x3", "5x5")})
    assert kinds() == [("direct.res", True, True), ("through.res", True, True)]
    # 5x5 in place of 3x3: 4 filters over 3 channels, and in the pair a second over 4.
    direct, through = (each.review for each in found())
    assert direct is not None and direct.delta.parameters == 4 * 3 * 16
    assert through is not None and through.delta.parameters == 4 * 3 * 16 + 4 * 4 * 16


@pytest.mark.usefixtures("root")
def test_texts_that_mean_the_same_are_left_out() -> None:
    commit({"lib/blocks.res": f"# A comment.\n{BLOCKS}", "apart.res": FILES["apart.res"].replace("3x3", "3")})
    assert kinds() == []


@pytest.mark.usefixtures("root")
def test_new_and_removed_networks_are_reported() -> None:
    Path("direct.res").unlink()
    commit({"fresh.res": net("fresh", "", "c: conv(8, 1x1)")})
    assert kinds() == [("direct.res", True, False), ("fresh.res", False, True)]


@pytest.mark.usefixtures("root")
def test_a_renamed_file_is_compared_with_what_it_was() -> None:
    git("mv", "through.res", "moved.res")
    commit({"moved.res": FILES["through.res"].replace("pair(4)", "pair(6)")})
    (only,) = found()
    assert (only.path, only.review is not None) == ("moved.res", True)


@pytest.mark.usefixtures("root")
def test_three_dots_begin_where_the_branch_began() -> None:
    commit({"apart.res": FILES["apart.res"].replace("3x3", "1x1")})
    git("switch", "-q", "main")
    commit({"direct.res": FILES["direct.res"].replace("unit(4)", "unit(9)")})
    git("switch", "-q", "work")
    assert kinds("main...HEAD") == [("apart.res", True, True)]
    assert kinds("main...") == kinds("main...HEAD")
    assert kinds("main..HEAD") == [("apart.res", True, True), ("direct.res", True, True)]


@pytest.mark.usefixtures("root")
def test_a_broken_network_is_reported_with_its_error() -> None:
    commit({"apart.res": FILES["apart.res"].replace("conv(4", "convv(4")})
    (only,) = found()
    assert only.diagnostics is not None
    assert "convv" in only.diagnostics.errors[0].message


def test_it_works_from_a_folder_below(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit({"lib/blocks.res": BLOCKS.replace("3x3", "5x5")})
    monkeypatch.chdir(root / "lib")
    assert kinds() == [("direct.res", True, True), ("through.res", True, True)]


@pytest.mark.usefixtures("root")
def test_settings_of_the_user_do_not_matter() -> None:
    for key in ("grep.lineNumber", "grep.column", "grep.fullName", "diff.relative", "log.showSignature"):
        git("config", key, "true")
    git("config", "color.ui", "always")
    commit({"lib/blocks.res": BLOCKS.replace("3x3", "5x5")})
    assert kinds() == [("direct.res", True, True), ("through.res", True, True)]


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("written", ["main", "../net.res", "..", "...", "net.res"])
def test_what_is_no_range_is_none(written: str) -> None:
    assert range_of(written, Path.cwd()) is None


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("root")
def test_the_command_reports_all_of_them() -> None:
    commit({"lib/blocks.res": BLOCKS.replace("3x3", "5x5"), "fresh.res": net("fresh", "", "c: conv(8, 1x1)")})
    run = CliRunner().invoke(app, ["diff", "main...HEAD"])
    assert run.exit_code == 0
    names = {"direct.res", "fresh.res", "through.res"}
    assert [line for line in run.stdout.splitlines() if line in names] == sorted(names)
    assert "+ new: 24 parameters, 1.54 k MACs, depth 1" in run.stdout
    assert run.stdout.count("kernel 3 -> 5") == 2


@pytest.mark.usefixtures("root")
def test_the_command_writes_json_and_markdown() -> None:
    commit({"lib/blocks.res": BLOCKS.replace("3x3", "5x5")})
    data = json.loads(CliRunner().invoke(app, ["diff", "main...HEAD", "--json"]).stdout)
    assert [(each["path"], each["kind"]) for each in data["networks"]] == [
        ("direct.res", "changed"),
        ("through.res", "changed"),
    ]
    markdown = CliRunner().invoke(app, ["diff", "main...HEAD", "--format", "markdown"]).stdout
    assert markdown.count("#### `") == 2


@pytest.mark.usefixtures("root")
def test_the_command_writes_one_page_with_all_of_them() -> None:
    commit({"lib/blocks.res": BLOCKS.replace("3x3", "5x5"), "fresh.res": net("fresh", "", "c: conv(8, 1x1)")})
    run = CliRunner().invoke(app, ["diff", "main...HEAD", "--format", "html"])
    assert run.exit_code == 0
    assert run.stdout.count("<h2>Totals</h2>") == 2
    assert "fresh.res: + new: 24 parameters, 1.54 k MACs, depth 1" in run.stdout
    none = CliRunner().invoke(app, ["diff", "HEAD...HEAD", "--format", "html"]).stdout
    assert "No architectural change in HEAD...HEAD." in none
    assert "<h1>" not in none


@pytest.mark.usefixtures("root")
def test_the_exit_status_follows_budgets_and_errors() -> None:
    commit({"apart.res": FILES["apart.res"].replace("3x3", "5x5")})

    def status(*arguments: str) -> int:
        return CliRunner().invoke(app, ["diff", *arguments]).exit_code

    assert status("main...HEAD") == 0
    assert status("main...HEAD", "--exit-code") == 1
    assert status("HEAD...HEAD", "--exit-code") == 0
    assert status("main...HEAD", "--max-parameters", "+1%") == 1
    assert status("main...HEAD", "--max-parameters", "+1000%") == 0
    assert status("nowhere...HEAD") == 2
    assert status("main") == 2


@pytest.mark.usefixtures("root")
def test_a_comment_has_fewer_characters_than_github_takes() -> None:
    many = {
        f"net{i:03}.res": net(f"net{i}", "", "\n  ".join(f"c{j}: conv(4, 3x3)" for j in range(9))) for i in range(150)
    }
    commit(many)
    commit({name: text.replace("3x3", "5x5") for name, text in many.items()})
    text = CliRunner().invoke(app, ["diff", "HEAD~1..HEAD", "--format", "markdown"]).stdout
    assert 40_000 < len(text) < 65_536
    shown = text.count("#### `")
    assert shown < 150
    assert f"{150 - shown} more do not fit here." in text


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="file names are UTF-8")
@pytest.mark.usefixtures("root")
def test_a_name_that_is_not_utf_8_is_a_name() -> None:
    name = os.fsdecode(b"caf\xe9.res")
    commit({name: FILES["apart.res"], "user.res": FILES["direct.res"]})
    changed = {name: FILES["apart.res"].replace("3x3", "5x5"), "lib/blocks.res": BLOCKS.replace("3x3", "5x5")}
    commit(changed)
    assert [path for path, _, _ in kinds("HEAD~..HEAD")] == sorted(["direct.res", "through.res", "user.res", name])
    for form in ("text", "markdown", "html", "json"):
        done = CliRunner().invoke(app, ["diff", "HEAD~..HEAD", "--format", form])
        assert done.exit_code == 0, done.output
        assert "direct" in done.stdout


@pytest.mark.usefixtures("root")
def test_a_name_with_line_ends_and_escapes_is_a_name_and_never_reaches_the_terminal() -> None:
    name = "a\n\x1b]0;owned\x07\x9b.res"
    commit({name: FILES["direct.res"]})
    commit({"lib/blocks.res": BLOCKS.replace("3x3", "5x5")})
    assert name in [path for path, _, _ in kinds("HEAD~..HEAD")]
    done = CliRunner().invoke(app, ["diff", "HEAD~..HEAD"])
    assert not set(done.output) & {"\x1b", "\x07", "\x9b"}


@pytest.mark.usefixtures("root")
def test_a_huge_file_is_an_error_and_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    commit({"huge.res": FILES["apart.res"] + "# padding\n" * 300_000})
    commit({"huge.res": FILES["apart.res"] + "# padding.\n" * 300_000})
    read = 0
    real = revision.run_git

    def counted(*arguments: Any, **options: Any) -> bytes:
        nonlocal read
        output = real(*arguments, **options)
        read += len(output)
        return output

    monkeypatch.setattr(revision, "run_git", counted)
    monkeypatch.setattr(revision_range, "run_git", counted)
    (only,) = found("HEAD~..HEAD")
    assert only.diagnostics is not None
    assert [one.code.id for one in only.diagnostics.errors] == ["E0901"]
    # Both versions have three million bytes; the limit is half a million.
    assert read < 2 * 500_000 + 10_000


@pytest.mark.usefixtures("root")
def test_the_lines_that_git_finds_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision_range, "_MOST_BYTES", 100_000)
    commit({"many.res": "# use\n" * 20_000})
    with pytest.raises(CompileError, match="bytes of lines with `use`"):
        found("HEAD~..HEAD")


@pytest.mark.usefixtures("root")
def test_the_number_of_files_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision_range, "_MOST_FILES", 3)
    commit({f"f{number}.res": FILES["apart.res"] for number in range(4)})
    with pytest.raises(CompileError, match="4 files that may differ"):
        found("HEAD~..HEAD")


@pytest.mark.usefixtures("root")
def test_a_path_of_a_revision_is_no_pattern() -> None:
    commit({"ok.res": FILES["apart.res"]})
    done = CliRunner().invoke(app, ["check", "HEAD:o[k].res"])
    assert done.exit_code == 2
    assert "E0803" in done.stderr
    assert CliRunner().invoke(app, ["check", "HEAD:ok.res"]).exit_code == 0
