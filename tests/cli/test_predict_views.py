"""``resdsl predict --crops`` and ``--scales``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

import resdsl
from resdsl.cli.app import app
from resdsl.runtime.results import Prediction

NETWORK = """
model means() {
  input image: f32[N, 3, SIZE]
  preprocess { resize(32); crop(24); normalize(mean = [0.0], std = [1.0]) }
  conv1: conv(4, 3x3);  relu
  avgpool(global);  flatten
  fc: linear(3)
  output logits
  softmax
  output probabilities
}
"""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    # Red to the left, blue to the right: the crops differ.
    image = Image.new("RGB", (60, 40), "red")
    image.paste("blue", (30, 0, 60, 40))
    image.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def model(folder: Path, size: str) -> str:
    path = folder / "model.onnx"
    resdsl.compile(resdsl.loads(NETWORK.replace("SIZE", size)), path, seed=1)
    return str(path)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", "--device", "cpu", *map(str, arguments)])


@pytest.mark.parametrize(
    ("size", "options", "views"),
    [
        ("24, 24", (), 1),
        ("24, 24", ("--crops", "10"), 10),
        ("H, W", ("--crops", "10"), 10),
        ("H, W", ("--scales", "24,32, 48"), 3),
        ("H, W", ("--scales", "32"), 1),
    ],
)
def test_an_image_is_seen_so_many_times(
    size: str, options: tuple[str, ...], views: int, photo: Path, tmp_path: Path
) -> None:
    result = run(model(tmp_path, size), photo, "--json", *options)
    assert result.exit_code == 0
    (prediction,) = json.loads(result.stdout)["predictions"]
    assert prediction["views"] == views
    assert sum(one["probability"] for one in prediction["classes"]) == pytest.approx(1)


def test_the_python_api_gives_the_same(photo: Path, tmp_path: Path) -> None:
    file = model(tmp_path, "H, W")
    shown = json.loads(run(file, photo, "--json", "--scales", "24,48").stdout)["predictions"][0]["classes"]
    (prediction,) = resdsl.predict(file, photo, scales=[24, 48], device="cpu")
    assert isinstance(prediction, Prediction)
    assert [one["probability"] for one in shown] == pytest.approx([one.probability for one in prediction.classes])


def test_a_model_of_fixed_size_has_no_scales(photo: Path, tmp_path: Path) -> None:
    result = run(model(tmp_path, "24, 24"), photo, "--scales", "224,256")
    assert result.exit_code == 1
    assert "error[E0836]" in result.stderr
    assert "`--input N,3,H,W`" in result.stderr


@pytest.mark.parametrize("value", ["x", "224,", "0", "-5", "2.5"])
def test_a_scale_is_a_number_of_pixels(value: str, photo: Path, tmp_path: Path) -> None:
    result = run(model(tmp_path, "H, W"), photo, f"--scales={value}")
    assert result.exit_code == 2
    assert "is not an integer from 1 to" in result.stderr


def test_ten_is_the_number_of_crops(photo: Path, tmp_path: Path) -> None:
    assert run(model(tmp_path, "24, 24"), photo, "--crops", "7").exit_code == 2
