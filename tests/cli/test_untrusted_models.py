"""Models, images, labels and options from outside end in diagnostics, in bounded memory, and are shown escaped."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import resdsl
from resdsl.cli.app import app

NETWORK = """
model means(classes = 3) {
  input image: f32[N, 3, 8, 8]
  preprocess { resize(8, fit = exact) }
  conv1: conv(4, 3x3);  relu
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""
TIMEOUT = 60
"""Seconds after which a command counts as endless; all take a few on an idle machine."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    resdsl.compile(resdsl.loads(NETWORK), path, seed=1)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a red image ``r.png`` and folders of classes in ``val``, where we are."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8), "red").save("r.png")
    for name in ("a", "b", "c"):
        (tmp_path / "val" / name).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (8, 8), "red").save(tmp_path / "val" / name / f"{number}.png")
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def command(*arguments: object, given: bytes | None = None, memory: int | None = None) -> tuple[int, str, str]:
    """Exit code, output and errors of a process of its own, with at most ``memory`` bytes of address space."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))\n" if memory else ""
    script = f"{limit}import sys; sys.argv[0] = 'resdsl'; from resdsl.cli.app import main; main()"
    stdin = {"input": given} if given is not None else {"stdin": subprocess.DEVNULL}
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, timeout=TIMEOUT, check=False, **stdin
    )
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def with_metadata(model: Path, target: Path, **entries: str) -> Path:
    proto = onnx.load(model)
    kept = [entry for entry in proto.metadata_props if entry.key.removeprefix("resdsl.") not in entries]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    for name, text in entries.items():
        proto.metadata_props.add(key=f"resdsl.{name}", value=text)
    onnx.save(proto, target)
    return target


@pytest.mark.parametrize(
    ("preprocess", "expected"),
    [
        ('[{"step": "resize", "size": 8, "interpolation": []}]', "the interpolation a list is not one of"),
        ('[{"step": "resize", "size": 8, "fit": {}}]', "the fit a dict is neither"),
        (f'[{{"step": "resize", "size": {10**400}}}]', "out of range"),
        (f'[{{"step": "normalize", "mean": [0], "std": [1], "scale": {10**400}}}]', "out of range"),
        ('[{"step": "normalize", "mean": [0], "std": [1], "scale": 1e300}]', "must be a positive number"),
        (f'[{{"step": "normalize", "mean": [1{"0" * 5000}], "std": [1]}}]', "out of range"),
        ('[{"step": "normalize", "mean": [0], "std": [1], "order": []}]', "the order a list is neither"),
    ],
)
def test_preprocessing_out_of_bounds_is_reported(preprocess: str, expected: str, plain: Path, here: Path) -> None:
    model = with_metadata(plain, here / "m.onnx", preprocess=preprocess)
    result = run("predict", model, "r.png")
    assert result.exit_code == 1
    assert "error[E0833]" in result.stderr
    assert expected in result.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"resdsl.name", b"resdsl.nam\xff"), (b"image", b"imag\xff"), (b"logits", b"logit\xff")],
    ids=["key", "input", "output"],
)
@pytest.mark.parametrize(
    "arguments",
    [["predict", "m.onnx", "r.png"], ["compare", "m.onnx", "m.onnx"], ["quantize", "m.onnx", "--calibrate", "val"]],
    ids=["predict", "compare", "quantize"],
)
@pytest.mark.usefixtures("here")
def test_names_that_are_not_utf_8_are_reported(before: bytes, after: bytes, arguments: list[str], plain: Path) -> None:
    Path("m.onnx").write_bytes(plain.read_bytes().replace(before, after))
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert "error[E0830]" in result.stderr


@pytest.mark.usefixtures("here")
def test_a_length_of_external_weights_that_is_no_number_is_reported(plain: Path) -> None:
    proto = onnx.load(plain)
    onnx.save(proto, "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    proto = onnx.load("m.onnx", load_external_data=False)
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "length":
                entry.value = "y"
    onnx.save(proto, "m.onnx")
    result = run("quantize", "m.onnx", "--calibrate", "val")
    assert result.exit_code == 1, result.output
    assert "error[E08" in result.stderr


@pytest.mark.usefixtures("here")
def test_a_node_without_inputs_is_reported() -> None:
    resdsl.compile(resdsl.loads(NETWORK.replace("relu", "bn1: bn")), "m.onnx", optimize=0)
    proto = onnx.load("m.onnx")
    (norm,) = (node for node in proto.graph.node if node.op_type == "BatchNormalization")
    del norm.input[:]
    onnx.save(proto, "m.onnx")
    for arguments in (["quantize", "m.onnx", "--calibrate", "val"], ["compare", "m.onnx", "m.onnx"]):
        result = run(*arguments)
        assert (result.exit_code, "error[E0830]" in result.stderr) == (1, True), result.output


@pytest.mark.parametrize("kind", ["text", "jsonl", "csv", "parquet"])
@pytest.mark.usefixtures("here")
def test_a_name_that_cannot_be_encoded_is_written_escaped(kind: str) -> None:
    from resdsl.runtime.results import Prediction, Ranked
    from resdsl.tools.predict.sinks import sink

    target = Path(f"rows.{kind}")
    row = Prediction("i\udcff.png", (Ranked(0, 1.0, "a\ud800b"),), "cpu", 0.1)
    with sink(target, kind, top=1, features=None, digest="01234567", resume=False) as rows:
        rows.write(row)
    if kind == "parquet":
        from pyarrow import parquet

        (written,) = parquet.read_table(target).to_pylist()
        assert (written["image"], written["label"]) == ("i\\xff.png", ["a\\ud800b"])
    else:
        assert b"a\\ud800b" in target.read_bytes()


@pytest.mark.usefixtures("here")
def test_a_label_with_a_lone_surrogate_is_reported(plain: Path) -> None:
    model = with_metadata(plain, Path("m.onnx"), labels='["a\\ud800", "b", "c"]')
    for options in ([], ["--format", "csv"], ["--json"]):
        result = run("predict", model, "r.png", *options)
        assert result.exit_code == 1
        assert "E0833" in result.output + result.stderr


@pytest.mark.usefixtures("here")
def test_json_has_a_file_name_that_is_not_utf_8(plain: Path) -> None:
    Path("r.png").rename(os.fsdecode(b"\xff.png"))
    code, out, errors = command("predict", plain, ".", "--json")
    assert (code, errors) == (0, "")
    images = [row["image"] for row in json.loads(out)["predictions"]]
    assert "\udcff.png" in images


@pytest.mark.usefixtures("here")
def test_no_control_character_reaches_the_terminal(plain: Path) -> None:
    evil = "\x1b]0;title\x07\x1b[2J"
    labels = [evil, "b", f"c{evil}"]
    model = with_metadata(plain, Path("m.onnx"), labels=json.dumps(labels))
    Path("r.png").rename(f"{evil}.png")
    for number, name in enumerate(("a", "b", "c")):
        Path("val", name).rename(Path("val", str(number)))
    renamed = onnx.load(model)
    for node in renamed.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = name.replace("avgpool", evil)
        node.name = node.name.replace("fc", evil)
    onnx.save(renamed, "n.onnx")
    shown = [
        run("predict", "m.onnx", f"{evil}.png"),
        run("evaluate", "m.onnx", "val"),
        run("compare", "n.onnx", "n.onnx", "--all"),
        run("quantize", "n.onnx", "--calibrate", "val", "--all", "-o", "q.onnx"),
        run("bench", "n.onnx", "--profile", "--depth", "all"),
    ]
    for result in shown:
        assert result.exit_code in (0, 1), result.output
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", result.stdout + result.stderr)
    assert all("\\x1b" in result.stdout for result in shown)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "resnet18", "--input", "N,3," + "9" * 5000 + ",8"],
        ["check", "resnet18", "--set", "classes=" + "9" * 5000],
        ["compare", "m", "m", "--seed", "-1"],
        ["compare", "m", "m", "--seed", "9" * 5000],
        ["compare", "m", "m", "--batch", "1000000000"],
        ["compare", "m", "m", "--rtol", "nan"],
        ["compare", "m", "m", "--size", "9" * 5000],
        ["bench", "m", "--seconds", "inf"],
        ["bench", "m", "--batch", "9" * 5000],
        ["bench", "m", "--profile", "--depth", "9" * 5000],
        ["bench", "m", "--batch", "²"],
        ["quantize", "m", "--calibrate", "val", "--held-back", "nan"],
        ["quantize", "m", "--calibrate", "val", "--seed", "-1"],
        ["predict", "m", "r.png", "--scales", "9" * 5000],
        ["predict", "m", "r.png", "--scales", "²"],
    ],
)
@pytest.mark.usefixtures("here")
def test_an_option_out_of_bounds_is_a_usage_error(arguments: list[str], plain: Path) -> None:
    result = run(*[plain if one == "m" else one for one in arguments])
    assert result.exit_code == 2, result.exception
    assert "Invalid value for" in result.stderr
    assert len(result.stderr) < 20_000


def test_a_model_that_asks_for_a_giant_input_gets_none(plain: Path, here: Path) -> None:
    proto = onnx.load(plain)
    for axis, size in enumerate((4096, 3, 2**14, 2**14)):
        proto.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
    for info in (*proto.graph.output, *proto.graph.value_info):
        info.type.tensor_type.ClearField("shape")
    onnx.save(proto, here / "m.onnx")
    result = run("compare", "m.onnx", "m.onnx", "--batch", 4096)
    assert result.exit_code == 1, result.exception
    assert "error[E0837]" in result.stderr
    assert "elements" in result.stderr


@pytest.mark.usefixtures("here")
def test_a_pipe_in_a_folder_does_not_block_the_run(plain: Path) -> None:
    os.mkfifo("val/a/p.png")
    os.mkfifo("val/a/p.npy")
    code, out, errors = command("predict", plain, "val/a", "--format", "jsonl")
    assert code == 2
    assert [json.loads(line)["image"] for line in out.splitlines()] == [
        f"val/a/{name}" for name in ("0.png", "1.png", "p.npy", "p.png")
    ]
    assert errors.count("is a pipe or a device") == 2
    assert command("evaluate", plain, "val", "--truth", "val/a/p.png")[0] == 2
    os.mkfifo("m.onnx")
    assert "is a pipe or a device" in command("predict", "m.onnx", "r.png")[2]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no device without end here")
@pytest.mark.usefixtures("here")
def test_a_device_without_end_does_not_fill_memory(plain: Path) -> None:
    code, _, errors = command("evaluate", plain, "--truth", "/dev/zero", memory=3_000_000_000)
    assert code == 2
    assert "`/dev/zero` is a pipe or a device" in errors
    with Path("/dev/zero").open("rb") as zeros:
        script = "from resdsl.runtime.sources import items_of\nfor item in items_of('-'): item.load(100)"
        limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (3_000_000_000, 3_000_000_000))\n"
        done = subprocess.run(
            [sys.executable, "-c", limit + script], stdin=zeros, capture_output=True, timeout=TIMEOUT, check=False
        )
    assert b"RunError" in done.stderr
    assert b"MemoryError" not in done.stderr


@pytest.mark.usefixtures("here")
def test_a_line_without_end_does_not_fill_memory(plain: Path) -> None:
    Path("t.csv").write_text("path,label\n" + "a" * 3_000_000)
    result = run("evaluate", plain, "--truth", "t.csv")
    assert result.exit_code == 1
    assert "line 2 of `t.csv` has more than 1_000_000 characters" in result.stderr


@pytest.mark.usefixtures("here")
def test_an_empty_path_is_not_the_current_folder(plain: Path) -> None:
    result = run("predict", plain, "")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the path of an image is empty" in result.stderr
    result = run("evaluate", plain, "")
    assert result.exit_code == 2
    assert "the path of the folder is empty" in result.stderr


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.usefixtures("here")
def test_a_carriage_return_in_a_name_loses_no_row(kind: str, plain: Path) -> None:
    for number in range(6):
        Image.new("RGB", (8, 8), "red").save(f"val/a/{number}\r=x.png")
    whole = run("predict", plain, "val/a", "-o", f"all.{kind}")
    assert whole.exit_code == 0
    content = Path(f"all.{kind}").read_bytes()
    again = run("predict", plain, "val/a", "-o", f"all.{kind}", "--resume")
    assert "8 images; all were complete from an earlier run" in again.stderr
    if kind == "csv":
        with Path("all.csv").open(newline="") as stream:
            assert len(list(csv.reader(stream))) == 9
    assert Path(f"all.{kind}").read_bytes() == content


@pytest.mark.usefixtures("here")
def test_a_file_of_something_else_is_not_resumed(plain: Path) -> None:
    run("predict", plain, "val", "-o", "rows.csv")
    content = Path("rows.csv").read_bytes()
    Path("rows.csv").write_bytes(content + b"something else\n")
    result = run("predict", plain, "val", "-o", "rows.csv", "--resume")
    assert result.exit_code == 2
    assert "what follows row 6 is not a result" in result.stderr
    assert Path("rows.csv").read_bytes() == content + b"something else\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there, an open file cannot be deleted")
@pytest.mark.parametrize("rows", [0, 1])
def test_the_second_run_to_a_file_leaves_that_of_the_first(rows: int, here: Path) -> None:
    from resdsl.runtime.formats import JsonLines
    from resdsl.runtime.results import Prediction
    from resdsl.tools.predict.resumable import resumable_file

    script = (
        "from pathlib import Path\nfrom resdsl.runtime.formats import JsonLines\n"
        "from resdsl.tools.predict.resumable import resumable_file\n"
        "with resumable_file(Path('rows.jsonl'), JsonLines(), '01234567', resume=False): pass\n"
    )
    with resumable_file(here / "rows.jsonl", JsonLines(), "01234567", resume=False) as first:
        for _ in range(rows):
            first.write(Prediction("a.png", (), "cpu", 0.1))
        second = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert "another run is writing `rows.jsonl`" in second.stderr
        assert "rm " not in second.stderr
        first.write(Prediction("b.png", (), "cpu", 0.1))
    assert len(Path("rows.jsonl").read_text().splitlines()) == rows + 1


PEAK = """
import sys, re
from pathlib import Path
from PIL import Image
from resdsl.runtime.images import load_image
status = Path("/proc/self/status")
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) * 1024
image = Image.new("RGB", (4, 4)); image.save("small.png"); load_image("small.png")
before = peak()
image = load_image(sys.argv[1])
assert image.mode == "RGB"
print((peak() - before) / (image.width * image.height))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is not known here")
@pytest.mark.parametrize(
    ("mode", "color", "most"),
    [("RGB", "red", 5), ("RGBA", (255, 0, 0, 99), 9), ("LA", (9, 9), 9), ("P", 3, 6), ("I;16", 999, 7)],
)
@pytest.mark.usefixtures("here")
def test_a_solid_image_takes_no_more_than_its_pixels(mode: str, color: object, most: float) -> None:
    Image.new(mode, (4000, 4000), color).save("solid.png", compress_level=1)  # type: ignore[arg-type]
    done = subprocess.run([sys.executable, "-c", PEAK, "solid.png"], capture_output=True, text=True, check=True)
    assert float(done.stdout) < most


def test_strips_give_the_pixels_of_the_whole(here: Path) -> None:
    from resdsl.runtime.images import load_image

    pixels = np.random.default_rng(0).integers(0, 256, (1500, 1400, 4), np.uint8)
    image = Image.fromarray(pixels)
    image.save(here / "x.png")
    white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    np.testing.assert_array_equal(np.asarray(load_image(here / "x.png")), np.asarray(white))
