"""Inputs that once broke something, found by the fuzzers, and a few seeds for every reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import models
from .fuzz_commands import fuzz
from .targets import check_answers, check_checkpoint, check_specification

CORPUS = Path(__file__).parent / "corpus"
SPECIFICATIONS = sorted((CORPUS / "specifications").iterdir())
CHECKPOINTS = sorted((CORPUS / "checkpoints").iterdir())
ANSWERS = sorted((CORPUS / "answers").iterdir())
ANSWER_SEEDS = sorted((CORPUS / "answer_seeds").iterdir())
TEXTS = sorted((CORPUS / "texts").iterdir())
SEEDS = sorted((CORPUS / "seeds").iterdir())


@pytest.mark.parametrize("path", SPECIFICATIONS, ids=lambda path: path.name)
def test_specification_that_broke_something_gets_a_diagnostic(path: Path) -> None:
    assert check_specification(path.read_bytes().decode("utf-8", "replace")).errors


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.name)
def test_checkpoint_that_broke_something_gets_a_diagnostic(path: Path) -> None:
    assert check_checkpoint(path) is not None


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.name)
def test_seed_is_read_so_that_changes_of_it_come_far(path: Path) -> None:
    assert check_checkpoint(path) is None


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.name)
def test_answer_of_a_server_that_broke_something_gets_a_diagnostic(path: Path) -> None:
    assert check_answers(path.read_bytes()) is not None


@pytest.mark.parametrize("path", ANSWER_SEEDS, ids=lambda path: path.name)
def test_answers_of_a_good_server_give_the_file(path: Path) -> None:
    assert check_answers(path.read_bytes()) is None


def test_hostile_command_lines_end_with_an_exit_status_and_destroy_nothing() -> None:
    assert sum(fuzz(100, seed=7).values()) == 100


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_text_that_the_fuzzer_starts_from_is_valid(path: Path) -> None:
    assert not check_specification(path.read_text(encoding="utf-8")).errors


@pytest.mark.parametrize(("kind", "count"), [("models", 60), ("metadata", 200)])
def test_hostile_models_and_their_metadata_end_in_results_or_errors(kind: str, count: int) -> None:
    outcomes = models.fuzz(kind, count, seed=0)
    assert 0 < outcomes["fine"] < sum(outcomes.values())
