"""``resdsl predict`` on a photograph, from the specification to the printed line."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import skimage
from click.testing import CliRunner, Result
from PIL import Image

import resdsl
from resdsl.cli.app import app

# Chelsea the cat, by Stefan van der Walt, CC0.
CHELSEA = Path(skimage.__file__).parent / "data" / "chelsea.png"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["predict", *arguments])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "resnet18.onnx"
    resdsl.compile(resdsl.load("resnet18"), path)
    return str(path)


def by_hand(model: str, image: Path) -> np.ndarray:
    """What the specification's ``preprocess`` says, done with Pillow and NumPy alone; the probabilities."""
    picture = Image.open(image).convert("RGB")
    scale = 256 / min(picture.size)
    width, height = (int(side * scale) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    pixels = np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32) / 255
    pixels = (pixels - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"image": pixels.transpose(2, 0, 1)[None]})
    assert isinstance(probabilities, np.ndarray)
    return probabilities[0]


def test_a_photograph_gets_the_classes_that_a_hand_made_pipeline_gives(model: str) -> None:
    result = run(model, str(CHELSEA), "--json", "--top", "3", "--device", "cpu")
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert data["device"] == "cpu"
    (prediction,) = data["predictions"]
    probabilities = by_hand(model, CHELSEA)
    classes = prediction["classes"]
    assert [one["index"] for one in classes] == list(np.argsort(-probabilities)[:3])
    for one in classes:
        assert one["probability"] == pytest.approx(probabilities[one["index"]], rel=1e-4)


def test_a_person_reads_names_and_what_ran(model: str) -> None:
    result = run(model, str(CHELSEA), "--device", "cpu", "--top", "2")
    head, *lines = result.stdout.splitlines()
    assert head.startswith(str(CHELSEA))
    assert len(lines) == 2
    assert all(line.endswith("%") for line in lines)
    assert f"{model} on cpu" in result.stderr
    # It was compiled without --weights.
    assert "its weights are random" in result.stderr


def test_an_unreadable_image_is_reported_and_the_others_are_classified(model: str, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n, not really")
    result = run(model, str(tmp_path / "bad.png"), str(CHELSEA), "--device", "cpu")
    assert result.exit_code == 1
    assert "error[E0820]" in result.stderr
    assert str(CHELSEA) in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["absent.onnx", "{photo}"], 2),
        (["{model}", "absent.jpg"], 2),
        (["{model}", "{photo}", "--device", "gpu"], 2),
        (["{model}", "{photo}", "--device", "cuda:99"], 3),
        (["{model}", "{photo}", "--top", "0"], 2),
        (["{model}"], 2),
        (["{photo}", "{photo}"], 1),
    ],
)
def test_every_refusal_gives_the_reason(model: str, arguments: list[str], status: int) -> None:
    result = run(*(argument.format(model=model, photo=CHELSEA) for argument in arguments))
    assert result.exit_code == status, result.output
    assert "rror" in result.stderr
    assert result.stdout == ""
