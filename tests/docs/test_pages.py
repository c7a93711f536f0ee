"""The pages tell the truth: their specifications compile, their commands exist, what is generated is current."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import resdsl
from resdsl.cli.app import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```res\n(.*?)^```", re.DOTALL | re.MULTILINE)

SPECIFICATIONS = [
    pytest.param(text, id=f"{page.name}-{number}")
    for page in PAGES
    for number, text in enumerate(FENCE.findall(page.read_text()), 1)
]


@pytest.mark.parametrize("text", SPECIFICATIONS)
def test_a_specification_in_the_docs_is_a_good_one(text: str) -> None:
    specification = resdsl.loads(text)
    assert [f"{found.message} ({found.primary.span})" for found in specification.check().errors if found.primary] == []
    assert not specification.diagnostics.errors


def test_the_docs_have_specifications() -> None:
    assert len(SPECIFICATIONS) >= 5


def test_the_generated_parts_are_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "update.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_command_in_the_readme_exists() -> None:
    named = set(re.findall(r"resdsl ([a-z]+)", (ROOT / "README.md").read_text())) - {"import"}
    assert {name for name in named if name in COMMANDS} == set(COMMANDS)


def test_the_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
