"""``resdsl operators``: operators and preprocessing steps, from their classes."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import resdsl
from resdsl.cli.app import app
from resdsl.ir.preprocess import STEPS
from resdsl.ops import operators
from resdsl.ops.reference import Entry, table

ENTRIES = {entry.name: entry for entry in table()}
STEP_ENTRIES = [entry for entry in ENTRIES.values() if entry.kind == "step"]


def test_every_operator_and_every_step_is_listed() -> None:
    assert list(ENTRIES) == [*operators(), *STEPS]


def test_a_step_is_shown_by_name_with_its_arguments() -> None:
    result = CliRunner().invoke(app, ["operators", "normalize"])
    assert result.exit_code == 0
    assert result.stdout.startswith("normalize(mean, std, scale = 1.0, order = rgb)\n")
    assert "255 (Caffe, TensorFlow)" in result.stdout
    data = json.loads(CliRunner().invoke(app, ["operators", "resize", "--json"]).stdout)
    assert [one["name"] for one in data[0]["arguments"]] == ["size", "interpolation", "fit"]


def test_an_unknown_name_is_a_usage_error_with_a_suggestion() -> None:
    result = CliRunner().invoke(app, ["operators", "normalise"])
    assert result.exit_code == 2
    assert "Did you mean 'normalize'?" in result.stderr


def value(kind: str) -> str:
    return "[0.5]" if kind.startswith("list") else "7" if kind.startswith("integer") else "1.5"


@pytest.mark.parametrize("entry", STEP_ENTRIES, ids=lambda entry: entry.name)
def test_a_step_takes_the_arguments_and_words_that_are_listed(entry: Entry) -> None:
    required = [f"{one.name} = {value(one.kind)}" for one in entry.arguments if one.default is None]
    optional = [
        f"{one.name} = {word}"
        for one in entry.arguments
        if one.default is not None
        for word in ([value(one.kind)] if one.kind == "number" else one.kind.replace(" or ", ", ").split(", "))
    ]
    for more in ([], *([one] for one in optional)):
        step = f"{entry.name}({', '.join(required + more)})"
        text = f"model m() {{ input x: f32[N, 1, 7, 7]; preprocess {{ {step} }}; conv(1, 1x1); output y }}\n"
        specification = resdsl.loads(text)
        assert specification.graph.preprocess is not None
        assert len(specification.graph.preprocess.steps) == 1
        assert not specification.diagnostics.errors
