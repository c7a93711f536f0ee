"""The workflows of GitHub Actions: pinned, with few rights, and of one version."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import resdsl

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
EACH = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)


@pytest.mark.parametrize("workflow", [*WORKFLOWS, *ACTIONS], ids=lambda file: str(file.relative_to(ROOT)))
def test_actions_of_others_are_pinned_to_a_commit_and_say_its_version(workflow: Path) -> None:
    used = re.findall(r"^ *(?:- )?uses: (.+)$", workflow.read_text(), re.MULTILINE)
    assert used or workflow in ACTIONS
    for one in used:
        assert one.startswith("./.github/") or re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one


@EACH
def test_a_workflow_may_only_read_unless_a_job_states_more(workflow: Path) -> None:
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}


@EACH
def test_files_that_a_workflow_runs_exist(workflow: Path) -> None:
    text = workflow.read_text()
    named = re.findall(r"(?:python|bash) ([\w./-]+)|^ *(tests/[\w.]+)", text, re.MULTILINE)
    for file in filter(None, (first or second for first, second in named)):
        assert file.startswith("-") or (ROOT / file).is_file(), file


@EACH
def test_no_step_ends_with_the_status_of_the_last_of_a_pipe(workflow: Path) -> None:
    # The default shell is `bash -e`; `shell: bash` adds `-o pipefail`.
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        shell = job.get("defaults", {}).get("run", {}).get("shell")
        for step in job.get("steps", ()):
            assert step.get("shell", shell) == "bash" or not re.search(r"[^|]\|[^|]", step.get("run", "")), step["run"]


def test_an_action_has_one_version_in_all_workflows() -> None:
    files = [*WORKFLOWS, *ACTIONS]
    used = {one for file in files for one in re.findall(r"uses: (.+@.+)$", file.read_text(), re.MULTILINE)}
    names = [one.partition("@")[0] for one in used]
    assert sorted(names) == sorted(set(names))


def release_version(tag: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / ".github" / "release_version.py"
    return subprocess.run([sys.executable, script, tag], capture_output=True, text=True, check=False)


def test_a_release_has_the_version_of_the_package_and_of_the_extension() -> None:
    done = release_version(f"v{resdsl.__version__}")
    assert (done.returncode, done.stdout) == (0, f"version={resdsl.__version__}\n"), done.stderr
    extension = json.loads((ROOT / "editors" / "vscode" / "package.json").read_text())
    assert extension["version"] == resdsl.__version__


@pytest.mark.parametrize("tag", ["v9.9.9", resdsl.__version__])
def test_another_tag_is_no_release(tag: str) -> None:
    done = release_version(tag)
    assert done.returncode == 1
    assert f"the tag is {tag}" in done.stderr
