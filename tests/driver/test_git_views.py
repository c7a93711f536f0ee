"""What git shows of specifications, in real repositories."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from resdsl import compile, loads
from resdsl.cli.app import app
from resdsl.diagnostics import CompileError
from resdsl.tools.git.setup import ATTRIBUTES, install, uninstall
from resdsl.tools.git.views import Version, review_text, textconv

PROJECT = Path(__file__).parents[2]

BLOCKS = """\
block unit(width, kernel = 3x3) {
  residual {
    conv1: conv(width, kernel);  bn1: bn;  relu
  }
}
"""

NET = """\
use "lib/blocks.res" (unit)

model net() {
  input image: f32[N, 3, 8, 8]
  conv1: conv(4, 3x3)
  stage layer1 { 2 x unit(4) }
  output y
}
"""

ALONE = """\
model alone(width = 4) {
  input image: f32[N, 3, 8, 8]
  conv1: conv(width, 3x3)
  output y
}
"""


@dataclass(frozen=True)
class Repository:
    """A git repository of a test's own."""

    root: Path

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(["git", *arguments], cwd=cwd or self.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    def commit(self, **files: str) -> None:
        for name, text in files.items():
            self.write(NAMES[name], text)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "a change")

    def log(self, *arguments: str) -> list[str]:
        """The changed lines of the last commit, as ``git log -p`` shows them."""
        return changed(self.git("log", "-p", "-1", "--format=", *arguments))


NAMES = {"net": "nets/net.res", "blocks": "nets/lib/blocks.res", "alone": "alone.res", "other": "other.txt"}


def changed(shown: str) -> list[str]:
    """The removed and added lines of a diff, blanks collapsed."""
    lines = (line for line in shown.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---"))
    return [" ".join(line.split()) for line in lines]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    (tmp_path / "home").mkdir()
    found = Repository(tmp_path / "repository")
    found.root.mkdir()
    found.git("init", "-q", "-b", "main")
    found.git("config", "user.name", "A Tester")
    found.git("config", "user.email", "tester@example.com")
    monkeypatch.chdir(found.root)
    return found


# --- textconv --------------------------------------------------------------------------------------------------------


def test_the_log_shows_the_layers_that_changed(repository: Repository) -> None:
    repository.commit(alone=ALONE)
    repository.commit(alone=ALONE.replace("3x3", "5x5").replace("model", "# wider\nmodel"))
    install(repository.root)
    # 3 channels in, 4 out, at 8 x 8 places.
    assert repository.log() == [
        f"- conv1 conv(4, 3x3) [N, 4, 8, 8] {4 * 3 * 9} parameters, {4 * 3 * 9 * 64:,} MACs",
        f"+ conv1 conv(4, 5x5) [N, 4, 8, 8] {4 * 3 * 25} parameters, {4 * 3 * 25 * 64:,} MACs",
        f"-total: {4 * 3 * 9} parameters, {4 * 3 * 9 * 64:,} MACs, depth 1",
        f"+total: {4 * 3 * 25} parameters, {4 * 3 * 25 * 64:,} MACs, depth 1",
    ]


def test_what_changes_no_layer_shows_no_line(repository: Repository) -> None:
    repository.commit(alone=ALONE)
    repository.commit(alone="# A comment.\n" + ALONE.replace("conv1: conv(width, 3x3)", "conv1: conv(4, 3)"))
    install(repository.root)
    assert repository.log() == []
    assert "+# A comment." in repository.log("--no-textconv")


def test_used_files_are_read_as_they_were(repository: Repository) -> None:
    repository.commit(net=NET, blocks=BLOCKS)
    repository.commit(net=NET.replace("2 x unit(4)", "2 x unit(4, kernel = 5x5)"))
    # Since then the block has another default, a new argument, and a new place.
    (repository.root / NAMES["blocks"]).unlink()
    repository.write("nets/lib/new.res", BLOCKS.replace("block unit(width, ", "block unit(width, groups, "))
    repository.write("nets/net.res", NET.replace("blocks.res", "new.res").replace("unit(4)", "unit(4, 1)"))
    repository.commit()
    install(repository.root)
    first, second = (changed(repository.git("log", "-p", "-1", "--format=", commit)) for commit in ("HEAD~2", "HEAD~1"))
    assert "+ layer1.1.conv1 conv(4, 3x3) [N, 4, 8, 8] 144 parameters, 9,216 MACs" in first
    assert "- layer1.1.conv1 conv(4, 3x3) [N, 4, 8, 8] 144 parameters, 9,216 MACs" in second
    assert "+ layer1.1.conv1 conv(4, 5x5) [N, 4, 8, 8] 400 parameters, 25,600 MACs" in second


def test_a_change_of_both_files_compares_each_with_its_own_neighbours(repository: Repository) -> None:
    repository.commit(net=NET, blocks=BLOCKS)
    repository.commit(net=NET.replace("conv(4, 3x3)", "conv(4, 1x1)"), blocks=BLOCKS.replace("3x3", "5x5"))
    install(repository.root)
    shown = repository.log("--", NAMES["net"])
    assert "- layer1.0.conv1 conv(4, 3x3) [N, 4, 8, 8] 144 parameters, 9,216 MACs" in shown
    assert "+ layer1.0.conv1 conv(4, 5x5) [N, 4, 8, 8] 400 parameters, 25,600 MACs" in shown


def test_a_file_of_blocks_is_compared_as_text(repository: Repository) -> None:
    repository.commit(net=NET, blocks=BLOCKS)
    repository.commit(blocks=BLOCKS.replace("3x3", "5x5"))
    install(repository.root)
    assert repository.log() == ["-block unit(width, kernel = 3x3) {", "+block unit(width, kernel = 5x5) {"]


def test_a_broken_file_is_shown_as_it_is(repository: Repository) -> None:
    repository.commit(alone=ALONE)
    broken = ALONE.replace("conv(width", "conv(widht")
    repository.commit(alone=broken)
    install(repository.root)
    assert [line[1:] for line in repository.log() if line.startswith("+")] == [
        " ".join(line.split()) if not line.startswith("  ") else " " + " ".join(line.split())
        for line in broken.splitlines()
    ]


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"model m() {}\n", b"\x89PNG\r\n"])
def test_a_file_that_cannot_be_built_comes_back_byte_for_byte(repository: Repository, data: bytes) -> None:
    path = repository.root / "odd.res"
    path.write_bytes(data)
    assert textconv(path) == data


def test_a_copy_that_no_commit_knows_is_shown_as_it_is(repository: Repository, tmp_path: Path) -> None:
    repository.commit(net=NET, blocks=BLOCKS)
    copy = tmp_path / "net.res"
    copy.write_text(NET.replace("2 x", "3 x"))
    assert textconv(copy) == copy.read_bytes()


def test_staged_changes_are_read_from_the_index(repository: Repository) -> None:
    repository.commit(net=NET, blocks=BLOCKS)
    repository.write(NAMES["net"], NET.replace("2 x", "3 x"))
    repository.git("add", ".")
    # Neither may count: what is compared is what is staged.
    repository.write(NAMES["net"], "nonsense")
    repository.write(NAMES["blocks"], "nonsense")
    install(repository.root)
    shown = changed(repository.git("diff", "--cached"))
    assert "+ layer1.2.conv1 conv(4, 3x3) [N, 4, 8, 8] 144 parameters, 9,216 MACs" in shown


def test_the_working_tree_is_compared_with_its_own_files(repository: Repository) -> None:
    repository.commit(net=NET, blocks=BLOCKS)
    repository.write(NAMES["net"], NET.replace("2 x", "1 x"))
    repository.write(NAMES["blocks"], BLOCKS.replace("3x3", "1x1"))
    install(repository.root)
    shown = changed(repository.git("diff", "--", NAMES["net"], cwd=repository.root / "nets" / "lib" / ".." / ".."))
    assert "- layer1.0.conv1 conv(4, 3x3) [N, 4, 8, 8] 144 parameters, 9,216 MACs" in shown
    assert "+ layer1.0.conv1 conv(4, 1x1) [N, 4, 8, 8] 16 parameters, 1,024 MACs" in shown


def test_git_still_works_after_resdsl_is_uninstalled(repository: Repository) -> None:
    repository.commit(alone=ALONE)
    repository.commit(alone=ALONE.replace("3x3", "5x5"))
    install(repository.root, driver=True)
    for key in ("diff.resdsl.textconv", "diff.resdsl.command"):
        command = repository.git("config", key).strip()
        assert sys.executable in command
        repository.git("config", key, command.replace(sys.executable, "/nowhere/python"))
    assert repository.log() == ["- conv1: conv(width, 3x3)", "+ conv1: conv(width, 5x5)"]
    done = subprocess.run(["git", "diff", "HEAD~1"], cwd=repository.root, capture_output=True, text=True, check=True)
    assert changed(done.stdout) == ["- conv1: conv(width, 3x3)", "+ conv1: conv(width, 5x5)"]


# --- the diff driver and the difftool --------------------------------------------------------------------------------


def test_the_driver_shows_a_review(repository: Repository) -> None:
    repository.commit(net=NET, blocks=BLOCKS, other="one\n")
    repository.commit(net=NET.replace("2 x unit(4)", "3 x unit(4)"), other="two\n")
    install(repository.root, driver=True)
    shown = repository.git("diff", "--ext-diff", "HEAD~1", "HEAD")
    assert "2 -> 3 x unit(4)" in shown
    # One more convolution of 4 x 4 x 3 x 3 and its batch norm's scale and shift.
    assert f"+{4 * 4 * 9 + 2 * 4} parameters" in shown
    assert changed(shown[: shown.index("nets/net.res")] + shown[shown.index("diff --git a/other") :])[-2:] == [
        "-one",
        "+two",
    ]
    assert repository.git("diff", "--no-ext-diff", "--no-textconv", "HEAD~1", "HEAD").count("@@") >= 2


def test_the_driver_compares_texts_where_there_is_no_network(repository: Repository) -> None:
    repository.commit(alone=ALONE)
    repository.write("alone.res", ALONE.replace("conv(width", "conv(widht"))
    install(repository.root, driver=True)
    shown = repository.git("diff")
    assert shown.startswith("alone.res\ncompared as text: ")
    assert "`widht`" in shown
    assert changed(shown) == ["- conv1: conv(width, 3x3)", "+ conv1: conv(widht, 3x3)"]


def test_new_and_removed_files_are_shown_whole(repository: Repository) -> None:
    repository.commit(other="one\n")
    repository.commit(alone=ALONE)
    install(repository.root, driver=True)
    added, removed = repository.git("diff", "HEAD~1", "HEAD"), repository.git("diff", "HEAD", "HEAD~1")
    assert added.startswith("alone.res: new\n--- /dev/null\n+++ b/alone.res\n")
    assert removed.startswith("alone.res: gone\n--- a/alone.res\n+++ /dev/null\n")
    assert len(changed(added)) == len(changed(removed)) == len(ALONE.splitlines())


def test_a_renamed_file_is_compared_with_what_it_was(repository: Repository) -> None:
    repository.commit(alone=ALONE)
    repository.git("mv", "alone.res", "renamed.res")
    repository.write("renamed.res", ALONE.replace("3x3", "5x5"))
    repository.commit()
    install(repository.root, driver=True)
    shown = repository.git("diff", "-M", "HEAD~1", "HEAD")
    assert "kernel 3 -> 5" in shown


def test_the_driver_ends_with_0_in_a_merge_conflict(repository: Repository) -> None:
    repository.commit(alone=ALONE)
    repository.git("switch", "-q", "-c", "side")
    repository.commit(alone=ALONE.replace("3x3", "5x5"))
    repository.git("switch", "-q", "main")
    repository.commit(alone=ALONE.replace("3x3", "7x7"))
    merged = subprocess.run(["git", "merge", "side"], cwd=repository.root, capture_output=True, check=False)
    assert merged.returncode == 1
    install(repository.root, driver=True)
    assert "alone.res" in repository.git("diff")


def test_difftool_shows_a_review(repository: Repository) -> None:
    repository.commit(net=NET, blocks=BLOCKS)
    repository.commit(net=NET.replace("2 x unit(4)", "3 x unit(4)"))
    repository.commit(net=NET, blocks=BLOCKS.replace("3x3", "1x1"))
    install(repository.root)
    tool = ("difftool", "-y", "--no-prompt", "--tool=resdsl")
    assert "2 -> 3 x unit(4)" in repository.git(*tool, "HEAD~2", "HEAD~1", "--", NAMES["net"])
    below = repository.root / "nets" / "lib"
    assert "2 -> 3 x unit(4)" in repository.git(*tool, "HEAD~2", "HEAD~1", "--", "../net.res", cwd=below)


@pytest.mark.usefixtures("repository")
def test_every_model_of_a_file_is_compared(tmp_path: Path) -> None:
    old, new = tmp_path / "old.res", tmp_path / "new.res"
    old.write_text(ALONE + ALONE.replace("alone", "second"))
    new.write_text(ALONE + ALONE.replace("alone", "second").replace("3x3", "5x5") + ALONE.replace("alone", "third"))
    shown = review_text("two.res", Version(old), Version(new))
    assert shown.count("kernel 3 -> 5") == 1
    assert shown.count("no architectural change") == 1
    assert shown.splitlines()[-1] == "+ model third"


# --- setting git up --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a\x1b[2Jb.res", "a\nb.res", "a\u202eb.res"])
def test_a_path_writes_no_control_characters(tmp_path: Path, name: str) -> None:
    old, new = tmp_path / "old.res", tmp_path / "new.res"
    old.write_text(ALONE)
    new.write_text("no model")
    for sides in (Version(old), Version(new)), (Version(old), Version(Path("/dev/null"))):
        shown = review_text(name, *sides)
        assert all(line.isprintable() for line in shown.split("\n"))
        assert not any(line.startswith("b.res") for line in shown.split("\n"))


def test_install_changes_no_file_of_the_project(repository: Repository) -> None:
    repository.commit(alone=ALONE)
    install(repository.root, driver=True)
    assert repository.git("status", "--porcelain") == ""


def test_uninstall_undoes_all_that_install_did(repository: Repository) -> None:
    repository.git("config", "diff.resdsl.xfuncname", "^model")
    attributes = repository.write(".git/info/attributes", "*.bin binary\n")
    before = (repository.root / ".git" / "config").read_bytes(), attributes.read_bytes()
    install(repository.root, driver=True)
    install(repository.root, driver=True)
    assert attributes.read_text().splitlines() == ["*.bin binary", *ATTRIBUTES]
    uninstall(repository.root)
    assert (repository.git("config", "--list", "--local").count("resdsl"), attributes.read_bytes()) == (1, before[1])
    assert uninstall(repository.root) == ()


def test_the_driver_is_taken_away_again_without_its_flag(repository: Repository) -> None:
    install(repository.root, driver=True)
    install(repository.root)
    assert "diff.resdsl.command" not in repository.git("config", "--list")


def test_attributes_of_the_project_are_not_repeated(repository: Repository) -> None:
    repository.write(".gitattributes", "".join(f"{line}\n" for line in ATTRIBUTES))
    install(repository.root)
    assert not (repository.root / ".git/info/attributes").exists()


@pytest.mark.parametrize("configured", [False, True])
def test_install_for_all_repositories(repository: Repository, tmp_path: Path, configured: bool) -> None:
    expected = tmp_path / "home" / ".config" / "git" / "attributes"
    if configured:
        expected = tmp_path / "home" / "mine"
        repository.git("config", "--global", "core.attributesFile", str(expected))
    repository.commit(alone=ALONE)
    repository.commit(alone=ALONE.replace("3x3", "5x5"))
    install(tmp_path, everywhere=True)
    assert expected.read_text().splitlines() == list(ATTRIBUTES)
    assert any(line.startswith("+ conv1 conv(4, 5x5)") for line in repository.log())
    uninstall(tmp_path, everywhere=True)
    assert not expected.exists()
    assert "resdsl" not in repository.git("config", "--list")


@pytest.mark.usefixtures("repository")
def test_outside_of_a_repository_the_error_names_a_fix(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="not in a git repository"):
        install(tmp_path)


def test_this_repository_has_the_attribute() -> None:
    lines = [line.split() for line in (PROJECT / ".gitattributes").read_text().splitlines()]
    assert any(line[:1] == ["*.res"] and "diff=resdsl" in line for line in lines)


# --- ONNX files -------------------------------------------------------------------------------------------------------


def exported(repository: Repository, text: str) -> None:
    """Commit the network of a text as an ONNX file."""
    compile(loads(text), repository.root / "models" / "net.onnx")
    repository.git("add", ".")
    repository.git("commit", "-q", "-m", "an export")


def test_the_log_shows_the_layers_of_onnx_files(repository: Repository) -> None:
    (repository.root / "models").mkdir()
    exported(repository, ALONE)
    exported(repository, ALONE.replace("3x3", "5x5"))
    install(repository.root)
    assert repository.log("--", "*.onnx") == [
        f"- conv1 conv(4, 3x3) [N, 4, 8, 8] {4 * 3 * 9} parameters, {4 * 3 * 9 * 64:,} MACs",
        f"+ conv1 conv(4, 5x5) [N, 4, 8, 8] {4 * 3 * 25} parameters, {4 * 3 * 25 * 64:,} MACs",
        f"-total: {4 * 3 * 9} parameters, {4 * 3 * 9 * 64:,} MACs, depth 1",
        f"+total: {4 * 3 * 25} parameters, {4 * 3 * 25 * 64:,} MACs, depth 1",
    ]
    shown = repository.git("difftool", "-y", "--tool=resdsl", "HEAD^", "HEAD")
    assert "conv1: conv kernel 3 -> 5" in shown


def test_a_change_of_one_block_does_not_touch_the_lines_of_others(repository: Repository) -> None:
    """Arguments of blocks are found in the whole file: a new one would be in each call."""
    text = """\
block unit(width, kernel = 3x3) { residual { conv1: conv(width, 3x3);  relu;  conv2: conv(width, kernel) } }
model net() {
  input x: f32[N, 8, 8, 8]
  a: unit(8);  b: unit(8);  c: unit(8)
  output y
}
"""
    (repository.root / "models").mkdir()
    exported(repository, text)
    exported(repository, text.replace("c: unit(8)", "c: unit(8, kernel = 5x5)"))
    install(repository.root)
    changed = [line for line in repository.log("--", "*.onnx") if not line[1:].startswith("total")]
    assert [line.split(" [")[0] for line in changed] == ["- c.conv2 conv(8, 3x3)", "+ c.conv2 conv(8, 5x5)"]
    assert "c unit" in repository.git("show")


def test_ranges_and_revisions_compare_onnx_files(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    (repository.root / "models").mkdir()
    exported(repository, ALONE)
    exported(repository, ALONE.replace("3x3", "5x5"))
    for arguments in (["HEAD^..HEAD"], ["HEAD^:models/net.onnx", "models/net.onnx"], ["HEAD^...HEAD", "--json"]):
        assert app.main(["diff", *arguments], standalone_mode=False) == 0
        assert "conv kernel 3 -> 5" in capsys.readouterr().out
    repository.git("mv", "models/net.onnx", "models/other.onnx")
    repository.git("commit", "-q", "-m", "a move")
    assert app.main(["diff", "HEAD^..HEAD"], standalone_mode=False) == 0
    assert "no architectural change" in capsys.readouterr().out


def test_a_pointer_of_git_lfs_is_named_as_one(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 123\n"
    repository.write("net.onnx", pointer.format("1" * 64))
    repository.git("add", ".")
    repository.git("commit", "-q", "-m", "a pointer")
    repository.write("net.onnx", pointer.format("2" * 64))
    repository.git("commit", "-qam", "another")
    install(repository.root)
    log = "\n".join(repository.log())
    assert f"-oid sha256:{'1' * 64}" in log and f"+oid sha256:{'2' * 64}" in log and "version https" not in log
    shown = repository.git("difftool", "-y", "--tool=resdsl", "HEAD^", "HEAD")
    assert "is a pointer of Git LFS, not the model" in shown and "git lfs pull" in shown
    assert app.main(["diff", "HEAD^..HEAD"], standalone_mode=False) == 1
    assert "is a pointer of Git LFS, not the model; `git cat-file --filters" in capsys.readouterr().out
    assert app.main(["compare", "net.onnx", "net.onnx"], standalone_mode=False) == 1
    assert "git lfs pull" in capsys.readouterr().err
    for name, command in (("net.onnx", "git lfs pull"), ("HEAD^:net.onnx", "git cat-file --filters HEAD^:net.onnx")):
        assert app.main(["summary", name], standalone_mode=False) == 1
        assert command in capsys.readouterr().err


def test_an_onnx_file_that_cannot_be_read_shows_why_and_its_digest(tmp_path: Path) -> None:
    broken = tmp_path / "net.onnx"
    broken.write_bytes(b"\x08\x08:\xff")
    lines = textconv(broken).decode().splitlines()
    assert "truncated" in lines[0]
    assert lines[-2:] == [f"sha256 {hashlib.sha256(broken.read_bytes()).hexdigest()}", "4 bytes"]
