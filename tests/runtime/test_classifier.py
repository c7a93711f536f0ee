"""Inputs of a model other than image files, and outputs other than classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from resdsl.diagnostics.errors import RunError
from resdsl.ir.preprocess import Crop, Normalize, Preprocess, Resize
from resdsl.runtime.preprocess import prepare
from resdsl.runtime.results import Failure, Features, Prediction
from resdsl.runtime.session import Session, open_session
from resdsl.tools.predict.predict import predict

OpenModel = Callable[..., Session]
STEPS = Preprocess((Resize(8, fit="exact"), Normalize((0.5,), (0.25,))))
HOW = {"resdsl.preprocess": json.dumps(STEPS.to_data())}


@pytest.fixture
def photos(tmp_path: Path) -> np.ndarray:
    """Six images ``[6, 8, 9, 3]``, which are files ``0.png`` to ``5.png`` too."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 9, 3), np.uint8)
    for number, one in enumerate(pixels):
        Image.fromarray(one).save(tmp_path / f"{number}.png")
    return pixels


def probabilities(rows: object) -> np.ndarray:
    assert isinstance(rows, list)
    assert all(isinstance(row, Prediction) for row in rows), rows
    return np.array([[one.probability for one in sorted(row.classes, key=lambda one: one.index)] for row in rows])


def test_images_of_an_array_are_seen_as_those_of_files(
    open_model: OpenModel, photos: np.ndarray, tmp_path: Path
) -> None:
    session = open_model(metadata=HOW)
    np.save(tmp_path / "x.npy", photos)
    found = list(predict(session, tmp_path / "x.npy"))
    assert [row.image for row in found] == [f"{tmp_path}/x.npy[{number}]" for number in range(6)]
    files = list(predict(session, [tmp_path / f"{number}.png" for number in range(6)]))
    np.testing.assert_array_equal(probabilities(found), probabilities(files))
    np.testing.assert_array_equal(probabilities(list(predict(session, [*photos]))), probabilities(files))


@pytest.mark.parametrize("metadata", [HOW, {}])
def test_inputs_that_are_prepared_already_are_not_prepared_again(
    metadata: dict[str, str], open_model: OpenModel, photos: np.ndarray, tmp_path: Path
) -> None:
    inputs = np.stack([prepare(Image.fromarray(one), STEPS) for one in photos])
    np.save(tmp_path / "x.npy", inputs)
    files = [tmp_path / f"{number}.png" for number in range(6)]
    wanted = probabilities(list(predict(open_model(metadata=HOW), files)))
    # A model that says nothing of images can be given them as well.
    found = list(predict(open_model(metadata=metadata), str(tmp_path / "x.npy"), batch_size=4))
    np.testing.assert_array_equal(probabilities(found), wanted)


@pytest.mark.parametrize(
    ("shape", "asked", "expected"),
    [
        ((2, 4, 8, 8), {}, "E0834: `{}[0]` is [4, 8, 8]"),
        ((2, 8, 8, 3), {}, "array.transpose(0, 3, 1, 2)"),
        ((2, 3, 9, 8), {}, "E0834: preprocessing makes images of 9 x 8"),
        ((2, 3, 8, 8), {"crops": 10}, "E0836: `{}[0]` is already preprocessed"),
    ],
)
def test_inputs_that_do_not_fit_fail_alone(
    shape: tuple[int, ...], asked: dict[str, int], expected: str, open_model: OpenModel, tmp_path: Path
) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(shape, np.float32))
    steps = Preprocess((Crop(8),))
    rows = list(predict(open_model(shape=("N", 3, 8, 8)), path, preprocess=steps, **asked))
    assert len(rows) == 2
    assert isinstance(rows[0], Failure)
    found = rows[0].diagnostic
    assert expected.format(path) in f"{found.code.id}: {found.message} | {'; '.join(found.helps)}"


def test_images_of_an_array_need_to_be_prepared(open_model: OpenModel, photos: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", photos)
    rows = list(predict(open_model(), tmp_path / "x.npy"))
    assert {row.diagnostic.code.id for row in rows if isinstance(row, Failure)} == {"E0831"}


@pytest.mark.parametrize("crops", [1, 10])
def test_features_are_the_values_of_an_output(
    crops: int, open_model: OpenModel, photos: np.ndarray, tmp_path: Path
) -> None:
    steps = Preprocess((Crop(4),))
    session = open_model(outputs=("logits", "probabilities"))
    files: list[str | Path] = [tmp_path / "0.png", tmp_path / "no.png", tmp_path / "1.png"]
    rows = list(predict(session, files, output="logits", crops=crops, preprocess=steps))
    assert isinstance(rows[1], Failure)
    for row, pixels in zip((rows[0], rows[2]), photos, strict=False):
        assert isinstance(row, Features)
        assert row.output == "logits"
        white = pixels / 255
        # The centre of 8 x 9 (the odd half pixel is rounded to even), then the corners; mirroring changes no mean.
        views = [white[2:6, 2:6], white[:4, :4], white[:4, -4:], white[-4:, :4], white[-4:, -4:]]
        wanted = [view.mean(axis=(0, 1)) for view in views[: 1 if crops == 1 else 5]]
        np.testing.assert_allclose(row.values, np.mean(wanted, axis=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "expected"), [("logit", "did you mean `logits`?"), ("x", "its outputs are `logits` [N, 3]")]
)
def test_an_output_that_is_not_there_is_reported(name: str, expected: str, open_model: OpenModel) -> None:
    with pytest.raises(RunError) as caught:
        predict(open_model(metadata=HOW), [], output=name)
    assert caught.value.diagnostic.code.id == "E0839"
    assert expected in caught.value.diagnostic.helps


@pytest.fixture
def raw_model() -> bytes:
    """Takes bytes ``[N, H, W, 3]``; its logits are the means of red, green and blue."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values"], ["logits"], axes=[1, 2], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "raw",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ("N", "H", "W", 3))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ("N", 3))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def test_a_model_of_raw_images_gets_them_as_they_are(raw_model: bytes, photos: np.ndarray, tmp_path: Path) -> None:
    session = open_session(raw_model, device="cpu", threads=1)
    # Images of several sizes, each in a batch of its own kind.
    Image.fromarray(photos[0][:5]).save(tmp_path / "0.png")
    rows = list(predict(session, [tmp_path / f"{number}.png" for number in range(6)], output="logits"))
    wanted = [photos[0][:5].mean(axis=(0, 1)), *(one.mean(axis=(0, 1)) for one in photos[1:])]
    values = [row.values for row in rows if isinstance(row, Features)]
    np.testing.assert_allclose(values, wanted, rtol=1e-5)


def test_a_model_of_raw_images_sees_each_once(raw_model: bytes) -> None:
    with pytest.raises(RunError, match="has its preprocessing embedded"):
        predict(open_session(raw_model, device="cpu"), [], crops=10)


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize("readers", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_failures_without_end_fill_no_memory(
    readers: int, batch_size: int, open_model: OpenModel, tmp_path: Path
) -> None:
    """After one good image come bad ones alone, and a batch is never full."""
    asked = 0

    def named() -> object:
        nonlocal asked
        yield tmp_path / "0.png"
        while True:
            asked += 1
            yield tmp_path / "absent.png"

    rows = predict(open_model(metadata=HOW), named(), readers=readers, batch_size=batch_size)  # type: ignore[arg-type]
    for taken in range(200):
        next(rows)
        assert asked - taken < 4 * batch_size + 2 * batch_size + readers + 2
    rows.close()
