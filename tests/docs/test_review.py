"""The GitHub action and the GitLab job, run with local stand-ins for both services."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).parents[2]
ACTION = PROJECT / ".github" / "actions" / "diff"
NET = "model net() {\n  input x: f32[N, 3, 8, 8]\n  c: conv(4, 3x3)\n  output y\n}\n"

NOT_INSTALLED = ("numpy", "onnx", "onnxruntime", "safetensors", "PIL")
"""What the action leaves out: comparing needs none of it."""

# Keeps every call, one JSON list a line; `comments` is what lists of comments say, `fail` makes it fail.
STAND_IN = """\
#!{python}
import json, pathlib, sys
here = pathlib.Path({folder!r})
files = [pathlib.Path(word.partition("@")[2]).read_text() for word in sys.argv if word.startswith(("body=@", "body@"))]
with (here / "calls").open("a") as calls:
    print(json.dumps([sys.argv[1:], files]), file=calls)
if (here / "fail").exists():
    sys.exit(1)
if not files:
    print((here / "comments").read_text(), end="")
"""


@dataclass(frozen=True)
class Forge:
    """A repository with a branch, and programs that play the forge's."""

    root: Path
    folder: Path
    environment: dict[str, str]

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def change(self, text: str) -> None:
        (self.root / "net.res").write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a change")

    def run(self, script: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            script,
            cwd=self.root,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[tuple[list[str], list[str]]]:
        file = self.folder / "calls"
        return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []

    def written(self) -> list[tuple[list[str], str]]:
        """What was sent to the forge: how, and the text."""
        return [(arguments, files[0]) for arguments, files in self.calls() if files]


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    root, folder = tmp_path / "repository", tmp_path / "forge"
    root.mkdir()
    folder.mkdir()
    for name in ("gh", "curl"):
        program = folder / name
        program.write_text(STAND_IN.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
    resdsl = folder / "resdsl"
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({NOT_INSTALLED!r})); from resdsl.cli.app import main; main()"
    )
    resdsl.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -c {shlex.quote(program)} "$@"\n')
    resdsl.chmod(0o755)
    (folder / "comments").write_text("")
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HOME": str(folder),
        "PYTHONPATH": str(PROJECT),
        "GIT_CONFIG_NOSYSTEM": "1",
        "RUNNER_TEMP": str(folder),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_REPOSITORY": "someone/nets",
        "PULL_REQUEST": "7",
        "RESDSL": str(resdsl),
        "BASE": "main",
        "HEAD": "HEAD",
    }
    found = Forge(root, folder, environment)
    found.git("init", "-q", "-b", "main")
    found.git("config", "user.name", "A Tester")
    found.git("config", "user.email", "tester@example.com")
    found.change(NET)
    found.git("switch", "-q", "-c", "work")
    return found


def review(forge: Forge, **environment: str) -> subprocess.CompletedProcess[str]:
    return forge.run(["bash", str(ACTION / "review.sh")], **environment)


def test_a_change_is_commented_on_once(forge: Forge) -> None:
    forge.change(NET.replace("3x3", "5x5"))
    done = review(forge)
    assert done.returncode == 0, done.stderr
    ((arguments, text),) = forge.written()
    assert arguments[:5] == ["api", "--silent", "--method", "POST", "repos/someone/nets/issues/7/comments"]
    assert text.startswith("<!-- resdsl-diff -->\n")
    assert "#### `net.res`" in text
    assert (forge.folder / "summary").read_text() == text
    assert "changed=true" in (forge.folder / "output").read_text()


def test_the_comment_that_is_there_is_rewritten(forge: Forge) -> None:
    (forge.folder / "comments").write_text("41\n42\n")
    forge.change(NET)
    assert review(forge).returncode == 0
    ((arguments, text),) = forge.written()
    assert arguments[:5] == ["api", "--silent", "--method", "PATCH", "repos/someone/nets/issues/comments/41"]
    assert "No architectural change" in text


def test_without_changes_no_comment_is_written(forge: Forge) -> None:
    forge.change(f"# A comment.\n{NET}")
    assert review(forge).returncode == 0
    assert forge.written() == []
    assert "changed=false" in (forge.folder / "output").read_text()


def test_a_broken_budget_is_commented_on_and_fails(forge: Forge) -> None:
    forge.change(NET.replace("3x3", "5x5"))
    assert review(forge, ARGUMENTS="--max-parameters +5% --max-macs 1M").returncode == 1
    ((_, text),) = forge.written()
    assert "> ❌ error[" in text


def test_a_token_that_may_only_read_is_no_failure(forge: Forge) -> None:
    (forge.folder / "fail").touch()
    forge.change(NET.replace("3x3", "5x5"))
    done = review(forge)
    assert done.returncode == 0
    assert "::warning::" in done.stdout
    assert "#### `net.res`" in (forge.folder / "summary").read_text()


def test_comments_can_be_left_out(forge: Forge) -> None:
    forge.change(NET.replace("3x3", "5x5"))
    assert review(forge, COMMENT="false").returncode == 0
    assert review(forge, PULL_REQUEST="").returncode == 0
    assert forge.calls() == []


def test_a_shallow_clone_is_reported_with_a_fix(forge: Forge) -> None:
    done = review(forge, BASE="0123456789abcdef0123456789abcdef01234567")
    assert done.returncode == 2
    assert "fetch-depth: 0" in done.stdout


def test_the_action_gives_the_script_all_that_it_reads() -> None:
    text = (ACTION / "action.yml").read_text()
    inputs = re.findall(r"^  ([a-z-]+):$", text[text.index("inputs:") : text.index("outputs:")], re.MULTILINE)
    assert {"base", "head", "arguments", "comment", "token", "python-version"} == set(inputs)
    assert all(f"inputs.{name}" in text for name in inputs)
    given = set(re.findall(r"^        ([A-Z_]+):", text, re.MULTILINE))
    assert {"RESDSL", "BASE", "HEAD", "ARGUMENTS", "COMMENT", "PULL_REQUEST", "GH_TOKEN"} <= given
    assert "OWNER/resdsl/.github/actions/diff@main" in (PROJECT / "docs" / "review.md").read_text()


# --- verify -----------------------------------------------------------------------------------------------------------


VERIFY = PROJECT / ".github" / "actions" / "verify"


def verified(forge: Forge, subject: str) -> subprocess.CompletedProcess[str]:
    return forge.run(
        ["bash", str(VERIFY / "verify.sh")], SPEC="net.res", MODEL=str(forge.folder / subject), PYTHON=sys.executable
    )


def weights(forge: Forge, name: str, width: int) -> str:
    np.savez(forge.folder / name, **{"c.weight": np.zeros((4, 3, width, width), np.float32)})
    return name


def test_a_model_that_left_its_text_is_commented_on_and_fails(forge: Forge) -> None:
    done = verified(forge, weights(forge, "other.npz", 5))
    assert done.returncode == 1, done.stderr
    ((arguments, text),) = forge.written()
    assert arguments[:5] == ["api", "--silent", "--method", "POST", "repos/someone/nets/issues/7/comments"]
    marker, line, *_ = text.splitlines()
    assert marker.startswith("<!-- resdsl-verify net.res ") and marker.endswith("other.npz -->")
    assert line.startswith("**net**: ⚠️")
    assert "```diff" in text and "`c.weight` is [4, 3, 5, 5] in the checkpoint" in text
    assert (forge.folder / "summary").read_text() == text
    assert "changed=true" in (forge.folder / "output").read_text()


def test_a_model_that_follows_its_text_changes_a_comment_and_writes_none(forge: Forge) -> None:
    name = weights(forge, "same.npz", 3)
    assert verified(forge, name).returncode == 0
    assert forge.written() == []
    (forge.folder / "comments").write_text("41\n")
    assert verified(forge, name).returncode == 0
    ((arguments, text),) = forge.written()
    assert arguments[3:5] == ["PATCH", "repos/someone/nets/issues/comments/41"]
    assert "⚠️" not in text


def test_the_action_for_models_gives_the_script_all_that_it_reads() -> None:
    text = (VERIFY / "action.yml").read_text()
    inputs = re.findall(r"^  ([a-z-]+):$", text[text.index("inputs:") : text.index("outputs:")], re.MULTILINE)
    assert {"spec", "model", "arguments", "comment", "token", "python"} == set(inputs)
    assert all(f"inputs.{name}" in text for name in inputs)
    given = set(re.findall(r"^        ([A-Z_]+):", text, re.MULTILINE))
    assert {"PYTHON", "SPEC", "MODEL", "ARGUMENTS", "COMMENT", "PULL_REQUEST", "GH_TOKEN"} <= given
    assert "OWNER/resdsl/.github/actions/verify@main" in (PROJECT / "docs" / "review.md").read_text()


# --- GitLab ----------------------------------------------------------------------------------------------------------


def gitlab_script() -> str:
    text = (PROJECT / "docs" / "review.md").read_text()
    job = text[text.index("<!-- gitlab -->") :]
    return textwrap.dedent(job[job.index("    - |\n") + len("    - |\n") : job.index("  artifacts:")])


@pytest.mark.parametrize(
    ("comments", "method", "end"), [("[]", "POST", "/notes"), ('[{"id": 9, "body": "x"}, OURS]', "PUT", "/notes/5")]
)
def test_the_job_for_gitlab_keeps_one_note(forge: Forge, comments: str, method: str, end: str) -> None:
    ours = json.dumps({"id": 5, "body": "<!-- resdsl-diff -->\nold"})
    (forge.folder / "comments").write_text(comments.replace("OURS", ours))
    forge.change(NET.replace("3x3", "5x5"))
    done = forge.run(
        ["bash", "-eo", "pipefail", "-c", gitlab_script()],
        CI_MERGE_REQUEST_DIFF_BASE_SHA=forge.git("rev-parse", "main"),
        CI_COMMIT_SHA=forge.git("rev-parse", "HEAD"),
        CI_API_V4_URL="https://gitlab.example/api/v4",
        CI_PROJECT_ID="3",
        CI_MERGE_REQUEST_IID="8",
        RESDSL_TOKEN="token",
    )
    assert done.returncode == 0, done.stderr
    ((arguments, text),) = forge.written()
    assert arguments[arguments.index("--request") + 1] == method
    assert arguments[-1] == f"https://gitlab.example/api/v4/projects/3/merge_requests/8{end}"
    assert text.startswith("<!-- resdsl-diff -->\n")
    assert "#### `net.res`" in text


def test_the_job_for_gitlab_verifies_with_the_lines_of_the_docs(forge: Forge) -> None:
    text = (PROJECT / "docs" / "review.md").read_text()
    job = text[text.index("<!-- gitlab verify -->") :]
    command, condition = textwrap.dedent(job[job.index("```yaml\n") + 8 : job.index("\n```\n")]).splitlines()
    command = command.replace("specs/net.res", "net.res").replace(
        "package.module:function", str(forge.folder / "w.npz")
    )
    script = gitlab_script().replace("resdsl-diff", "resdsl-verify")
    script = re.sub(r"^resdsl diff .*$", lambda _: command, script, flags=re.MULTILINE)
    script = re.sub(r"^if \[ -n .*$", lambda _: condition, script, flags=re.MULTILINE)
    # The stand-in leaves out NumPy, which reading weights needs.
    (forge.folder / "resdsl").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m resdsl "$@"\n')
    (forge.folder / "comments").write_text("[]")
    place = {"CI_API_V4_URL": "https://gitlab.example/api/v4", "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "8"}
    for width, status in ((3, 0), (5, 1)):
        weights(forge, "w.npz", width)
        done = forge.run(["bash", "-eo", "pipefail", "-c", script], **place, RESDSL_TOKEN="token")
        assert done.returncode == status, done.stderr
    ((_, text),) = forge.written()
    assert text.startswith("<!-- resdsl-verify -->\n**net**: ⚠️")


# --- pre-commit ------------------------------------------------------------------------------------------------------


def test_the_hooks_of_the_docs_are_there_and_run(tmp_path: Path, forge: Forge) -> None:
    hooks = (PROJECT / ".pre-commit-hooks.yaml").read_text()
    known = dict(re.findall(r"^- id: (\S+)$(?:.*?)^  entry: resdsl ([^\n]+)$", hooks, re.MULTILINE | re.DOTALL))
    wanted = re.findall(r"- id: (resdsl-\S+)", (PROJECT / "docs" / "review.md").read_text())
    assert sorted(wanted) == sorted(known)
    untidy = tmp_path / "untidy.res"
    untidy.write_text(NET.replace("c: conv(4, 3x3)", "c:conv(4,3x3)"))
    for entry in known.values():
        done = forge.run([str(forge.folder / "resdsl"), *entry.split(), str(untidy)])
        assert done.returncode == 0, done.stderr
    assert untidy.read_text() == NET
