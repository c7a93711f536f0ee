"""Metadata of models, valid and hostile."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resdsl.diagnostics.errors import RunError
from resdsl.ir.preprocess import Crop, Normalize, Preprocess, Resize
from resdsl.runtime.metadata import read_metadata

IMAGENET = Preprocess((Resize(256), Crop(224), Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))))


def test_what_the_compiler_writes_is_read() -> None:
    metadata = read_metadata(
        {
            "resdsl.name": "resnet50",
            "resdsl.preprocess": json.dumps(IMAGENET.to_data()),
            "resdsl.labels": json.dumps(["tench", "münze"], ensure_ascii=False),
            "other": "ignored",
        },
        "x.onnx",
    )
    assert metadata.model == "resnet50"
    assert metadata.preprocess == IMAGENET
    assert metadata.labels == ("tench", "münze")


def test_a_model_without_metadata_is_accepted() -> None:
    metadata = read_metadata({}, "x.onnx")
    assert (metadata.model, metadata.preprocess, metadata.labels) == (None, None, None)


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("resdsl.preprocess", "{", "not JSON"),
        ("resdsl.preprocess", "[" * 100_000, "nested too deep"),
        ("resdsl.preprocess", "{}", "not a list of steps"),
        ("resdsl.preprocess", '[{"step": "explode"}]', "unknown preprocessing step"),
        ("resdsl.preprocess", '[{"step": ["resize"]}]', "unhashable"),
        ("resdsl.preprocess", '[{"step": "resize"}]', "bad preprocessing step"),
        ("resdsl.preprocess", '[{"step": "resize", "size": 1000000000}]', "must be an integer from 1 to"),
        ("resdsl.preprocess", '[{"step": "resize", "size": [256]}]', "a size is a list"),
        ("resdsl.preprocess", '[{"step": "normalize", "mean": [NaN, 0, 0], "std": [1, 1, 1]}]', "finite"),
        ("resdsl.preprocess", '[{"step": "normalize", "mean": 3, "std": [1, 1, 1]}]', "not iterable"),
        ("resdsl.preprocess", '[{"step": "normalize", "mean": [0], "std": [1], "scale": "x"}]', "`scale` is 'x'"),
        ("resdsl.labels", '{"0": "tench"}', "not a list of strings"),
        ("resdsl.labels", "[1, 2]", "not a list of strings"),
        ("resdsl.labels", json.dumps(["x" * 100_000]), "a label has 100000 characters"),
    ],
)
def test_hostile_metadata_is_reported(key: str, text: str, reason: str) -> None:
    with pytest.raises(RunError) as caught:
        read_metadata({key: text}, "x.onnx")
    assert caught.value.diagnostic.code.id == "E0833"
    assert f"`{key}` of `x.onnx`" in caught.value.diagnostic.message
    assert reason in caught.value.diagnostic.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
STEPS = st.lists(
    st.fixed_dictionaries(
        {"step": st.sampled_from(["resize", "crop", "normalize"])},
        optional=dict.fromkeys(("size", "interpolation", "fit", "mean", "std", "scale", "order"), JSON),
    ),
    max_size=3,
)


@given(STEPS | JSON, JSON)
def test_any_json_is_read_or_reported(preprocess: object, labels: object) -> None:
    entries = {"resdsl.preprocess": json.dumps(preprocess), "resdsl.labels": json.dumps(labels)}
    try:
        metadata = read_metadata(entries, "x.onnx")
    except RunError as problem:
        assert problem.diagnostic.code.id == "E0833"
    else:
        assert metadata.preprocess is not None
        assert isinstance(labels, list)
