"""``resdsl evaluate``, from folders and tables to the output for people and programs."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

import resdsl
from resdsl.cli.app import app

# Its logits are the means of the channels that the kernel picks out.
NETWORK = """
model means() {
  input image: f32[N, 3, 8, 8]
  preprocess { resize(8, fit = "exact"); normalize(mean = [0.0], std = [1.0]) }
  labels "colors.txt"
  avgpool(global);  flatten
  fc: linear(3, bias = false)
  output logits
}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    import numpy as np
    from safetensors.numpy import save_file

    folder = tmp_path_factory.mktemp("model")
    save_file({"fc.weight": np.eye(3, dtype=np.float32)}, folder / "eye.safetensors")
    (folder / "means.res").write_text(NETWORK)
    (folder / "colors.txt").write_text("red\nlight green\nblue\n")
    resdsl.compile(resdsl.load(folder / "means.res"), folder / "model.onnx", weights=folder / "eye.safetensors")
    return str(folder / "model.onnx")


@pytest.fixture
def colors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ClassNames of 3 + 1, 2 and 1 images; the model is wrong about two of them, and one is no image."""
    shown = {"red": ["red", "red", "lime"], "light_green": ["lime", "blue"], "2": ["blue"]}
    for folder, names in shown.items():
        (tmp_path / "val" / folder).mkdir(parents=True)
        for number, name in enumerate(names):
            Image.new("RGB", (9, 9), name).save(tmp_path / "val" / folder / f"{number}.png")
    (tmp_path / "val" / "red" / "bad.png").write_bytes(b"bad")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "val"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments), "--device", "cpu"])


@pytest.mark.usefixtures("colors")
def test_a_person_reads_how_often_it_is_right_and_what_it_confuses(model: str) -> None:
    result = run(model, "val")
    assert result.exit_code == 1
    # Wilson's interval for 4 of 6, by Newcombe's formulas.
    assert result.stdout == (
        "6 images of 3 classes, 1 failed\n"
        "       correct  images  accuracy      95% interval\n"
        "top-1        4       6    66.67%  30.00% to 90.32%\n"
        "\n"
        "worst classes  correct  images    top-1       95% interval\n"
        "light green          1       2   50.00%    9.45% to 90.55%\n"
        "red                  2       3   66.67%   20.77% to 93.85%\n"
        "blue                 1       1  100.00%  20.65% to 100.00%\n"
        "\n"
        "most confused  predicted as  images\n"
        "red            light green        1\n"
        "light green    blue               1\n"
    )
    assert "error[E0820]: `val/red/bad.png` is not an image" in result.stderr


@pytest.mark.usefixtures("colors")
def test_a_program_reads_the_same(model: str) -> None:
    data = json.loads(run(model, "val", "--json").stdout)
    assert (data["images"], data["failed"], data["top5"]) == (6, 1, None)
    assert (data["top1"]["correct"], data["top1"]["images"]) == (4, 6)
    assert [(one["label"], one["correct"], one["images"]) for one in data["classes"]] == [
        ("light green", 1, 2),
        ("red", 2, 3),
        ("blue", 1, 1),
    ]
    assert data["confusions"][0] == {"label": "red", "predicted": "light green", "count": 1}
    found = resdsl.evaluate(model, "val", device="cpu")
    assert found.top1.accuracy == data["top1"]["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.usefixtures("colors")
def test_a_table_is_as_good_as_folders(model: str) -> None:
    names = {"light_green": "Light Green", "red": "0", "2": "blue"}
    rows = [f"{path},{names[path.parent.name]}" for path in sorted(Path("val").rglob("*.png")) if path.stem != "bad"]
    Path("truth.csv").write_text("\n".join(["path,label", *rows]))
    result = run(model, "--truth", "truth.csv", "--confusion", "confusion.csv")
    assert result.exit_code == 0
    assert "top-1        4       6    66.67%" in result.stdout
    with Path("confusion.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["truth", "red", "light green", "blue"],
            ["red", "2", "1", "0"],
            ["light green", "0", "1", "1"],
            ["blue", "0", "0", "1"],
        ]


@pytest.mark.usefixtures("colors")
def test_a_specification_is_evaluated_with_weights(model: str) -> None:
    specification = Path(model).with_name("means.res")
    assert "top-1        4       6" in run(specification, "val", "--weights", model).stdout


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        ([], 2, "pass either FOLDER"),
        (["val", "--truth", "x.csv"], 2, "pass either FOLDER"),
        (["absent"], 2, "the folder `absent` does not exist"),
        (["val/red"], 1, "has no subfolders with images"),
        (["."], 1, "`val` has subfolders named like classes: pass that folder"),
        (["--truth", "absent.csv"], 2, "`absent.csv` does not exist"),
        (["val", "--crops", "10"], 1, "E0836"),
        (["val", "--confusion", "no/x.csv"], 2, "the folder `no` does not exist"),
    ],
)
@pytest.mark.usefixtures("colors")
def test_every_refusal_gives_the_reason(arguments: list[str], status: int, expected: str, model: str) -> None:
    result = run(model, *arguments)
    assert result.exit_code == status
    assert expected in result.stderr


@pytest.mark.usefixtures("colors")
def test_folders_that_are_not_classes_are_reported_before_any_image_is_read(model: str) -> None:
    Path("val/light_green").rename("val/lite_green")
    result = run(model, "val", "-q")
    assert result.exit_code == 1
    assert "the folder `lite_green`: did you mean `light green`?" in result.stderr
    assert "E0820" not in result.stderr


def test_one_of_folder_and_table_is_needed(model: str) -> None:
    with pytest.raises(ValueError, match="pass either"):
        resdsl.evaluate(model)
