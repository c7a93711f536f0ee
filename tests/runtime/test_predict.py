"""From image files to classes. The logits of the small model are the means of red, green and blue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto
from PIL import Image
from skimage import data

from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.ir.preprocess import Crop, Normalize, Preprocess, Resize
from resdsl.runtime.results import Failure, Prediction
from resdsl.runtime.session import Port, Session
from resdsl.tools.predict.predict import predict

OpenModel = Callable[..., Session]

SQUARE = Preprocess((Resize(8, fit="exact"),))
NAMES = {"resdsl.labels": json.dumps(["red", "green", "blue"])}
HOW = {"resdsl.preprocess": json.dumps(SQUARE.to_data())}


@pytest.fixture
def flags(tmp_path: Path) -> list[Path]:
    """Images of pure red, green, blue, red, green."""
    paths = []
    for number, color in enumerate(["red", "#0f0", "blue", "red", "#0f0"]):
        paths.append(tmp_path / f"{number}.png")
        Image.new("RGB", (10 + number, 12), color).save(paths[-1])
    return paths


def seen(results: Iterable[Prediction | Failure]) -> list[str]:
    return [
        str(result.classes[0].label) if isinstance(result, Prediction) else result.diagnostic.code.id
        for result in results
    ]


def test_the_most_probable_classes_come_first_with_their_names(open_model: OpenModel, flags: list[Path]) -> None:
    session = open_model(metadata=HOW | NAMES)
    (result,) = predict(session, flags[1:2], top=2)
    assert isinstance(result, Prediction)
    assert result.image == str(flags[1])
    assert result.device == "cpu"
    assert result.seconds > 0
    # softmax([0, 1, 0])
    e = np.exp(1)
    assert [(one.index, one.label) for one in result.classes] == [(1, "green"), (0, "red")]
    np.testing.assert_allclose([one.probability for one in result.classes], [e / (e + 2), 1 / (e + 2)], rtol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 8])
def test_batches_change_nothing(batch_size: int, open_model: OpenModel, flags: list[Path]) -> None:
    session = open_model(metadata=HOW | NAMES)
    assert seen(predict(session, flags, batch_size=batch_size)) == ["red", "green", "blue", "red", "green"]


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_fixed_batch_is_filled_up(batch: int, open_model: OpenModel, flags: list[Path]) -> None:
    session = open_model(shape=(batch, 3, 8, 8), metadata=HOW | NAMES)
    assert seen(predict(session, flags)) == ["red", "green", "blue", "red", "green"]


def test_an_unreadable_image_fails_alone_and_in_its_place(
    open_model: OpenModel, flags: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    session = open_model(metadata=HOW | NAMES)
    images = [bad, flags[0], tmp_path / "missing.png", flags[1], flags[2], bad]
    assert seen(predict(session, images, batch_size=2)) == ["E0820", "red", "E0801", "green", "blue", "E0820"]


def test_images_of_different_sizes_run_in_batches_of_their_own(open_model: OpenModel, flags: list[Path]) -> None:
    session = open_model(metadata=NAMES)
    asked = Preprocess((Normalize((0.0,), (1.0,)),))
    assert seen(predict(session, flags, preprocess=asked)) == ["red", "green", "blue", "red", "green"]


def test_the_output_named_probabilities_is_taken_as_it_is(open_model: OpenModel, flags: list[Path]) -> None:
    results = [
        next(iter(predict(open_model(outputs=outputs, metadata=HOW), flags[:1])))
        for outputs in (("probabilities",), ("probabilities", "logits"), ("logits",))
    ]
    values = [[one.probability for one in result.classes] for result in results if isinstance(result, Prediction)]
    assert len(values) == 3
    for other in values[1:]:
        np.testing.assert_allclose(other, values[0], rtol=1e-6)


def test_equally_probable_classes_come_by_their_indices(open_model: OpenModel, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "white").save(tmp_path / "white.png")
    (result,) = predict(open_model(metadata=HOW), [tmp_path / "white.png"])
    assert isinstance(result, Prediction)
    assert [(one.index, one.label) for one in result.classes] == [(0, None), (1, None), (2, None)]


def test_a_half_precision_model_is_fed_half_precision(open_model: OpenModel, flags: list[Path]) -> None:
    session = open_model(metadata=HOW | NAMES, dtype=TensorProto.FLOAT16)
    assert seen(predict(session, flags[:3])) == ["red", "green", "blue"]


def test_a_grey_model_is_fed_grey(open_model: OpenModel, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (51, 51, 51)).save(tmp_path / "dark.png")
    session = open_model(shape=("N", 1, "H", "W"), weight=np.array([[1.0, 0.0]]), metadata=HOW)
    (result,) = predict(session, [tmp_path / "dark.png"])
    assert isinstance(result, Prediction)
    # Logits [51 / 255, 0]: the difference makes the odds.
    odds = result.classes[0].probability / result.classes[1].probability
    assert odds == pytest.approx(np.exp(0.2), rel=1e-5)


def test_photographs_are_averaged_as_numpy_averages_them(open_model: OpenModel, tmp_path: Path) -> None:
    photographs = {name: getattr(data, name)() for name in ("chelsea", "astronaut", "coffee")}
    for name, pixels in photographs.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    asked = Preprocess((Normalize((0.5,), (0.25,)),))
    results = predict(open_model(), [tmp_path / f"{name}.png" for name in photographs], preprocess=asked)
    for result, pixels in zip(results, photographs.values(), strict=True):
        assert isinstance(result, Prediction)
        logits = (pixels.reshape(-1, 3).mean(axis=0) / 255 - 0.5) / 0.25
        expected = np.exp(logits) / np.exp(logits).sum()
        for one in result.classes:
            assert one.probability == pytest.approx(expected[one.index], rel=1e-4)


def test_values_that_are_not_numbers_fail(open_model: OpenModel, flags: list[Path]) -> None:
    for weight in (np.full((3, 3), np.nan), np.diag([np.inf, np.inf, 1.0])):
        assert seen(predict(open_model(weight=weight, metadata=HOW), flags[:2])) == ["E0835", "E0835"]


def test_preprocessing_that_a_model_lacks_is_not_guessed(open_model: OpenModel, flags: list[Path]) -> None:
    with pytest.raises(RunError) as caught:
        predict(open_model(shape=("N", 3, 64, 64)), flags)
    assert caught.value.diagnostic.code.id == "E0831"
    assert "crop(64)" in caught.value.diagnostic.helps[0]


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        ({"shape": ("N", 4, "H", "W"), "weight": np.eye(4)}, "E0832", "[N, 4, H, W]"),
        ({"shape": (100_000, 3, 8, 8)}, "E0832", "[100000, 3, 8, 8]"),
        ({"metadata": {"resdsl.preprocess": "?"}}, "E0833", "not JSON"),
        ({"metadata": HOW | {"resdsl.labels": '["a", "b"]'}}, "E0833", "3 classes and 2 labels"),
        ({"metadata": HOW, "shape": ("N", 3, 9, 9)}, "E0834", "8 x 8"),
    ],
)
def test_a_model_that_takes_no_images_is_reported_before_any_is_read(
    options: dict[str, object], code: str, expected: str, open_model: OpenModel, flags: list[Path]
) -> None:
    with pytest.raises(RunError) as caught:
        predict(open_model(**options), flags)
    assert caught.value.diagnostic.code.id == code
    assert expected in caught.value.diagnostic.message


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ({"inputs": (Port("image", "tensor(int8)", ("N", 3, 8, 8)),)}, "holds tensor(int8)"),
        ({"inputs": (Port("features", "tensor(float)", ("N", 512)),)}, "`features` is [N, 512]"),
        ({"inputs": ()}, "it has 0 inputs"),
        ({"outputs": (Port("map", "tensor(float)", ("N", 21, None, None)),)}, "`map` [N, 21, _, _]"),
        ({"outputs": (Port("names", "tensor(string)", ("N", 21)),)}, "none is [N, classes]"),
    ],
)
def test_a_model_of_another_kind_is_reported(
    ports: dict[str, tuple[Port, ...]], expected: str, open_model: OpenModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_model(metadata=HOW)
    for name, value in ports.items():
        monkeypatch.setattr(session, name, value)
    with pytest.raises(RunError) as caught:
        predict(session, [])
    assert caught.value.diagnostic.code.id == "E0832"
    assert expected in caught.value.diagnostic.message


def test_an_image_of_another_size_than_the_model_takes_fails_alone(open_model: OpenModel, flags: list[Path]) -> None:
    session = open_model(shape=("N", 3, 12, 11), metadata=NAMES)
    assert seen(predict(session, flags[:3], preprocess=Preprocess(()))) == ["E0834", "green", "E0834"]


def test_a_limit_of_pixels_is_obeyed(open_model: OpenModel, flags: list[Path]) -> None:
    session = open_model(metadata=HOW | NAMES)
    assert seen(predict(session, flags[:2], max_pixels=10 * 12)) == ["red", "E0821"]


def test_a_device_that_fails_stops_the_run(
    open_model: OpenModel, flags: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_model(metadata=HOW)

    class Exhausted:
        def run(self, *_: object) -> list[object]:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 1073741824")

    monkeypatch.setattr(session, "_native", Exhausted())
    with pytest.raises(UnavailableError) as caught:
        list(predict(session, flags))
    assert caught.value.diagnostic.helps == ("run smaller batches or smaller images",)


def test_crops_reach_the_model(open_model: OpenModel, tmp_path: Path) -> None:
    """A red square in the middle of blue: only the crop sees it alone."""
    image = Image.new("RGB", (32, 32), "blue")
    image.paste("red", (8, 8, 24, 24))
    image.save(tmp_path / "x.png")
    session = open_model(metadata=NAMES)
    for size, expected in ((16, "red"), (32, "blue")):
        assert seen(predict(session, [tmp_path / "x.png"], preprocess=Preprocess((Crop(size),)))) == [expected]
