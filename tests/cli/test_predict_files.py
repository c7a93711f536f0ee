"""``resdsl predict`` with many images, output files, and killed runs."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import resdsl
from resdsl.cli.app import app
from resdsl.runtime.results import Failure, Features, Prediction

NETWORK = """
model means(classes = 3) {
  input image: f32[N, 3, 24, 24]
  preprocess { resize(32); crop(24); normalize(mean = [0.0], std = [1.0]) }
  conv1: conv(4, 3x3);  relu
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    resdsl.compile(resdsl.loads(NETWORK), path, seed=1)
    return str(path)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder ``photos`` in the folder where we are, whose second image is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "1.png").write_bytes(b"no image")
    monkeypatch.chdir(tmp_path)
    return folder


def run(*arguments: object, given: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["predict", "--device", "cpu", *map(str, arguments)], input=given)


def here() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def lines(path: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.mark.usefixtures("photos")
def test_a_folder_becomes_a_file_of_rows(model: str) -> None:
    result = run(model, "photos", "-o", "rows.jsonl", "--top", 2)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "rows.jsonl: 5 images, 1 failed; " in result.stderr
    rows = lines("rows.jsonl")
    assert [row["image"] for row in rows] == [f"photos/{number}.png" for number in range(5)]
    assert [list(row) for row in rows] == [["image", "classes"], ["image", "error"], *[["image", "classes"]] * 3]
    assert here() == ["photos", "rows.jsonl"]


@pytest.mark.usefixtures("photos")
def test_all_formats_tell_the_same(model: str) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow comes with the extra `parquet`")
    import pyarrow.parquet

    for name in ("rows.jsonl", "rows.csv", "rows.parquet"):
        assert run(model, "photos", "-o", name).exit_code == 1
    table = pyarrow.parquet.read_table("rows.parquet").to_pylist()
    with Path("rows.csv").open(newline="") as stream:
        sheet = list(csv.DictReader(stream))
    for row, cells, record in zip(lines("rows.jsonl"), sheet, table, strict=True):
        assert row["image"] == cells["image"] == record["image"]
        assert ("error" in row) == (cells["error"] != "") == (record["error"] is not None)
        classes = row.get("classes", [])
        assert isinstance(classes, list)
        for place, one in enumerate(classes):
            assert one["index"] == int(cells[f"class_{place + 1}"]) == record["class"][place]
            assert one["probability"] == float(cells[f"probability_{place + 1}"])
            assert one["probability"] == pytest.approx(record["probability"][place], rel=1e-6)


@pytest.mark.usefixtures("photos")
def test_rows_go_to_standard_output_too(model: str) -> None:
    result = run(model, "-", "--format", "jsonl", "-q", given=b"photos/3.png\nphotos/0.png\n")
    assert result.exit_code == 0
    assert [json.loads(line)["image"] for line in result.stdout.splitlines()] == ["photos/3.png", "photos/0.png"]
    assert run(model, "-", "--format", "csv", "--top", 1, "-0", given=b"photos/3.png\0").stdout.splitlines()[0] == (
        "image,class_1,label_1,probability_1,error"
    )


@pytest.mark.usefixtures("photos")
def test_json_is_one_object(model: str) -> None:
    result = run(model, "photos", "--json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert [one["image"] for one in data["predictions"]] == [f"photos/{number}.png" for number in (0, 2, 3, 4)]
    assert (data["failed"], data["errors"], data["diagnostics"][0]["code"]) == (1, 1, "E0820")
    written = json.loads(run(model, "photos", "--json", "-o", "rows.csv").stdout)
    assert (written["output"], written["images"], written["failed"], written["resumed"]) == ("rows.csv", 5, 1, 0)


@pytest.mark.usefixtures("photos")
def test_features_come_from_any_layer(model: str) -> None:
    assert run(model, "photos", "--features", "flatten", "-o", "x.npy").exit_code == 1
    features = np.load("x.npy")
    assert features.shape == (5, 4)
    assert np.isnan(features[1]).all()
    rows = list(resdsl.predict(model, "photos", output="flatten", device="cpu"))
    assert [type(row) for row in rows] == [Features, Failure, Features, Features, Features]
    for row, values in zip(rows, features, strict=True):
        if isinstance(row, Features):
            np.testing.assert_array_equal(row.values, values)
    # They are what the last layer makes the classes of.
    weights = resdsl.read_weights(model)
    kernel, bias = (np.asarray(weights.read(f"fc.{name}")) for name in ("weight", "bias"))
    for row in resdsl.predict(model, "photos", output="logits", device="cpu"):
        if isinstance(row, Features):
            index = int(Path(row.image).stem)
            np.testing.assert_allclose(row.values, kernel @ features[index] + bias, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("photos")
def test_a_specification_is_compiled_for_the_while(model: str) -> None:
    Path("means.res").write_text(NETWORK)
    (seen,) = resdsl.predict("means.res", "photos/0.png", set={"classes": 2}, device="cpu")
    assert isinstance(seen, Prediction)
    assert len(seen.classes) == 2
    # The weights are those of the model.
    assert run("model.res", "photos/0.png").exit_code == 2
    shown = [
        json.loads(run(network, "photos/0.png", "--json", *options).stdout)["predictions"][0]["classes"]
        for network, options in ((model, []), ("means.res", ["--weights", model]))
    ]
    values = [[(one["index"], round(one["probability"], 5)) for one in classes] for classes in shown]
    assert values[0] == values[1]
    assert here() == ["means.res", "photos"]


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize(
    ("options", "status", "expected"),
    [
        (["-o", "rows.xlxs"], 2, "E0816"),
        (["-o", "rows.npy"], 2, "--features NAME"),
        (["-o", "rows.csv", "--features", "logits"], 2, "`--format npy`, `parquet` or `jsonl`"),
        (["--format", "parquet"], 2, "use `--output rows.parquet`"),
        (["--features", "flaten"], 1, "did you mean `flatten`?"),
        (["--resume"], 2, "--resume needs --output"),
        (["--resume", "-o", "rows.parquet"], 2, "its schema and index are at its end"),
        (["--resume", "-o", "rows.npy", "--features", "logits"], 2, "does not record which images"),
        (["-o", "no/rows.csv"], 2, "the folder `no` does not exist"),
        (["--set", "classes=3"], 2, "--set applies to specifications"),
        (["--max-pixels", "10"], 1, "50 x 40 pixels"),
    ],
)
def test_every_refusal_gives_the_reason(model: str, options: list[str], status: int, expected: str) -> None:
    result = run(model, "photos/0.png", *options)
    assert result.exit_code == status
    assert expected in result.stderr
    assert here() == ["photos"]


def test_a_hundred_failures_are_shown_and_the_rest_counted(model: str) -> None:
    result = run(
        model, "-", "-q", "--format", "csv", given=b"".join(b"absent%d.png\n" % number for number in range(130))
    )
    assert result.exit_code == 2
    assert result.stderr.count("error[E0801]") == 100
    assert "and 30 more images failed" in result.stderr
    assert len(result.stdout.splitlines()) == 131


@pytest.mark.usefixtures("photos")
def test_without_pyarrow_the_error_says_how_to_install_it(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run(model, "photos/0.png", "-o", "rows.parquet")
    assert result.exit_code == 3
    assert "pip install 'resdsl[parquet]'" in result.stderr
    assert here() == ["photos"]


def started(model: str, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "resdsl", "predict", model, "-", "--device", "cpu", "--batch", "1", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def killed_after(process: subprocess.Popen[bytes], rows: int, names: Sequence[str], how: int) -> None:
    """End a process once it has written so many rows. It waits for the rest of its list, and cannot be done before."""
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write("".join(f"{name}\n" for name in names).encode())
    process.stdin.flush()
    limit = time.monotonic() + 60
    while sum(part.read_bytes().count(b"\n") for part in Path().glob("rows.*.part")) < rows:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < limit
        time.sleep(0.02)
    process.send_signal(how)
    process.communicate()


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_a_killed_run_is_resumed(name: str, model: str) -> None:
    names = [f"photos/{number % 5}.png" for number in range(150)]
    listed = "".join(f"{one}\n" for one in names).encode()
    whole = run(model, "-", "--batch", 1, "-o", f"whole.{name.split('.')[1]}", given=listed)
    assert whole.exit_code == 1

    process = started(model, "-o", name)
    killed_after(process, 40, names, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    (part,) = Path().glob("rows.*.part")
    # Killed in the middle of a row.
    part.write_bytes(part.read_bytes()[:-7])
    assert not Path(name).exists()

    refused = run(model, "-", "--batch", 1, "-o", name, given=listed)
    assert refused.exit_code == 2
    assert "add `--resume`" in refused.stderr

    killed_after(started(model, "-o", name, "--resume"), 90, names, signal.SIGINT)
    done = run(model, "-", "--batch", 1, "-o", name, "--resume", given=listed)
    assert done.exit_code == 1
    assert "150 images, 30 failed, " in done.stderr
    assert "of them from an earlier run" in done.stderr
    assert Path(name).read_bytes() == Path(f"whole.{name.split('.')[1]}").read_bytes()
    assert not list(Path().glob("*.part"))

    again = run(model, "-", "--batch", 1, "-o", name, "--resume", given=listed)
    assert "all were complete from an earlier run" in again.stderr
    assert again.exit_code == 1
