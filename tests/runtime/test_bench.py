"""Benchmarks: what is counted and compared. No test depends on absolute times."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import resdsl.tools.bench.timing as module
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.files import ModelFile
from resdsl.runtime.inputs import random_inputs
from resdsl.runtime.session import Session, open_session
from resdsl.tools.bench.memory import peak_memory
from resdsl.tools.bench.timing import Plan, Spread, measure

MakeModel = Callable[..., bytes]
ONE = DeviceOptions("cpu", threads=1)


@pytest.fixture
def models(make_model: MakeModel, tmp_path: Path) -> list[ModelFile]:
    found = []
    for name, metadata in (("stated", {"resdsl.macs": "1000"}), ("counted", {})):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(make_model(shape=("N", 3, 8, 8), weight=np.ones((3, 5)), metadata=metadata))
        found.append(ModelFile(name, path))
    return found


def test_every_model_is_measured_at_every_batch_and_number_of_threads(
    models: list[ModelFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "peak_memory", lambda *_, batch, **__: 100 * batch)
    plan = Plan(batches=(1, 4), threads=(1, 2), seconds=0.01, warmup=1)
    found = list(measure(models, plan, device=ONE))
    assert [(one.threads, one.batch, one.model) for one in found] == [
        (threads, batch, model) for threads in (1, 2) for batch in (1, 4) for model in ("stated", "counted")
    ]
    for one in found:
        assert one.rounds >= 5
        assert 0 < one.p50 <= one.p90 <= one.p99
        assert one.images_per_second == pytest.approx(one.batch / one.p50)
        assert (one.ratio == Spread(1, 1, 1)) == (one.model == "stated")
        # 3 x 5 weights; the other's metadata says what it likes.
        assert one.macs == one.batch * (15 if one.model == "counted" else 1000)
        assert one.memory == 100 * one.batch


def test_ratios_are_of_pairs_of_runs(models: list[ModelFile], monkeypatch: pytest.MonkeyPatch) -> None:
    # A machine that grows slower and slower: the second model takes twice as long as the first, always.
    slowness = {"stated": iter(range(1, 10_000)), "counted": iter(range(2, 20_000, 2))}

    def timed(session: Session, _: object) -> float:
        return float(next(slowness[session.name]))

    monkeypatch.setattr(module, "_timed", timed)
    monkeypatch.setattr(module, "peak_memory", lambda *_, **__: None)
    _, second = measure(models, Plan(seconds=100, warmup=0), device=ONE)
    assert second.ratio == Spread(2, 2, 2)
    assert second.memory is None


@pytest.mark.skipif(not sys.platform.startswith(("linux", "darwin")), reason="the system reports no peak memory")
def test_memory_is_that_of_the_model(make_model: MakeModel, tmp_path: Path) -> None:
    sizes = {}
    for classes in (10, 4_000_000):
        path = tmp_path / f"{classes}.onnx"
        path.write_bytes(make_model(shape=("N", 3, 8, 8), weight=np.ones((3, classes))))
        sizes[classes] = peak_memory(path, ONE, batch=1, size=None)
    # 48 MB of weights.
    assert sizes[4_000_000] - sizes[10] >= 48_000_000


def test_memory_of_a_model_that_does_not_run_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    assert peak_memory(path, ONE, batch=1, size=None) is None


def test_inputs_take_the_sizes_that_a_model_leaves_open(open_model: Callable[..., Session]) -> None:
    session = open_model(shape=("N", 3, "H", "W"))
    made = random_inputs(session, batch=2, size=(32, 48), seed=5)
    assert made["image"].shape == (2, 3, 32, 48)
    np.testing.assert_array_equal(made["image"], random_inputs(session, batch=2, size=(32, 48), seed=5)["image"])
    assert random_inputs(session, batch=1, size=None, seed=0)["image"].shape == (1, 3, 224, 224)


def test_an_input_of_fixed_shape_beside_a_batch_keeps_it(make_model: MakeModel, tmp_path: Path) -> None:
    """As Keras leaves constants among the inputs, which nothing reads."""
    model = onnx.load_model_from_string(make_model(shape=("N", 3, "H", "W")))
    model.graph.input.append(onnx.helper.make_tensor_value_info("unread", TensorProto.FLOAT, [1, 3]))
    onnx.save(model, tmp_path / "two.onnx")
    session = open_session(tmp_path / "two.onnx", device="cpu")
    made = random_inputs(session, batch=2, size=(8, 8), seed=0)
    assert {name: array.shape for name, array in made.items()} == {"image": (2, 3, 8, 8), "unread": (1, 3)}


def test_inputs_are_of_the_models_type(make_model: MakeModel) -> None:
    session = open_session(make_model(dtype=TensorProto.FLOAT16), device="cpu")
    assert random_inputs(session, batch=1, size=(8, 8), seed=0)["image"].dtype == np.float16


def test_raw_images_have_their_channels_last(open_model: Callable[..., Session]) -> None:
    session = open_model(shape=("N", "rows", "columns", 3), weight=np.ones((5, 2)))
    assert random_inputs(session, batch=2, size=(5, 7), seed=0)["image"].shape == (2, 5, 7, 3)


def test_a_fixed_size_is_reported(open_model: Callable[..., Session]) -> None:
    with pytest.raises(RunError) as caught:
        random_inputs(open_model(shape=("N", 3, 8, 8)), batch=1, size=(9, 8), seed=0)
    assert "takes [N, 3, 8, 8], and the requested size is 9 x 8" in caught.value.diagnostic.message


def test_a_fixed_batch_size_is_reported(open_model: Callable[..., Session]) -> None:
    with pytest.raises(RunError) as caught:
        random_inputs(open_model(shape=(4, 3, 8, 8)), batch=1, size=None, seed=0)
    assert caught.value.diagnostic.code.id == "E0837"
    assert "has the fixed batch size 4, and the requested one is 1" in caught.value.diagnostic.message
    assert "use `batch=4`" in caught.value.diagnostic.helps[0]


def test_an_open_size_that_is_no_images_is_reported(open_model: Callable[..., Session]) -> None:
    with pytest.raises(RunError) as caught:
        random_inputs(open_model(shape=("N", "C", 8, 8)), batch=1, size=None, seed=0)
    assert "the size of axis 1 is unknown" in caught.value.diagnostic.message
