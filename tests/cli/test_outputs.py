"""No output replaces an input, whichever command it is and however the file is named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import resdsl
from resdsl.cli.app import app
from resdsl.diagnostics.errors import OutputError
from resdsl.tools.evaluate.evaluate import write_confusion

NETWORK = """use "blocks.res" (stem)
model means() {
  input image: f32[N, 3, 8, 8]
  preprocess { resize(8, fit = "exact"); normalize(mean = [0.0], std = [1.0]) }
  labels "colors.txt"
  stem
  avgpool(global);  flatten
  fc: linear(3, bias = false)
  output logits
}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every kind of file that commands read, by its name."""
    from safetensors.numpy import save_file

    folder = tmp_path_factory.mktemp("made")
    save_file({"fc.weight": np.eye(3, dtype=np.float32)}, folder / "w.safetensors")
    (folder / "net.res").write_text(NETWORK)
    (folder / "blocks.res").write_text("block stem { relu }\n")
    (folder / "colors.txt").write_text("red\ngreen\nblue\n")
    (folder / "renames.txt").write_text("head=fc\n")
    np.savez(folder / "head.npz", **{"head.weight": np.eye(3, dtype=np.float32)})
    resdsl.compile(folder / "net.res", folder / "m.onnx", weights=folder / "w.safetensors")
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8), "red").save(folder / name)
    np.save(folder / "batch.npy", np.zeros((2, 8, 8, 3), np.uint8))
    (folder / "t.csv").write_text("path,label\na.png,red\n")
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def folder(made: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "c.png").write_bytes(made["a.png"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


RENAMED = "compile net.res --weights head.npz --rename @renames.txt"
COMMANDS = [
    ("compile net.res -o {}", "net.res"),
    ("compile net.res -o {}", "blocks.res"),
    ("compile net.res -o {}", "colors.txt"),
    ("compile net.res --external-data -o {}", "net.res"),
    ("compile net.res --for-runtime -o {}", "net.res"),
    ("compile net.res --emit ir -o {}", "net.res"),
    ("compile net.res --emit ast -o {}", "net.res"),
    ("compile net.res --weights w.safetensors -o {}", "w.safetensors"),
    ("compile net.res --weights m.onnx -o {}", "m.onnx"),
    (RENAMED + " -o {}", "head.npz"),
    (RENAMED + " -o {}", "renames.txt"),
    ("draw net.res --format svg -o {}", "net.res"),
    ("draw net.res --format svg -o {}", "colors.txt"),
    ("view net.res -o {}", "net.res"),
    ("view resnet18 net.res -o {}", "blocks.res"),
    ("diff net.res resnet18 -o {}", "net.res"),
    ("diff resnet18 net.res -o {}", "net.res"),
    ("diff net.res net.res --write-renames {}", "net.res"),
    ("predict m.onnx a.png --device cpu --format jsonl -o {}", "a.png"),
    ("predict m.onnx a.png b.png --device cpu --format csv -o {}", "b.png"),
    ("predict m.onnx a.png --device cpu --format text -o {}", "m.onnx"),
    ("predict m.onnx photos --device cpu --format jsonl -o {}", "photos/c.png"),
    ("predict m.onnx photos --device cpu --features logits --format npy -o {}", "photos/c.png"),
    ("predict m.onnx batch.npy --device cpu --format csv -o {}", "batch.npy"),
    ("predict net.res a.png --weights w.safetensors --device cpu --format csv -o {}", "w.safetensors"),
    ("evaluate m.onnx --truth t.csv --device cpu --confusion {}", "t.csv"),
    ("evaluate m.onnx --truth t.csv --device cpu --confusion {}", "m.onnx"),
    ("evaluate m.onnx --truth t.csv --device cpu --confusion {}", "a.png"),
    ("weights w.safetensors -o {}", "w.safetensors"),
    ("quantize m.onnx --calibrate photos -o {}", "m.onnx"),
    ("quantize m.onnx --calibrate photos -o {}", "photos/c.png"),
]


@pytest.mark.parametrize("link", ["itself", "symbolic", "hard"])
@pytest.mark.parametrize(("command", "target"), COMMANDS, ids=[f"{one} {name}" for one, name in COMMANDS])
def test_an_output_never_replaces_an_input(
    command: str, target: str, link: str, folder: Path, made: dict[str, bytes]
) -> None:
    output = target
    if link == "symbolic":
        output = f"link{Path(target).suffix}"
        Path(output).symlink_to(target)
    elif link == "hard":
        output = f"link{Path(target).suffix}"
        os.link(target, output)
    done = CliRunner().invoke(app, command.format(output).split())
    assert "E0817" in done.stderr, done.output
    assert done.exit_code == 2
    assert {name: (folder / name).read_bytes() for name in made} == made
    assert Path("photos/c.png").read_bytes() == made["a.png"]
    expected = {*made, "photos", *([output] if link != "itself" else [])}
    assert {file.name for file in folder.iterdir()} == expected


@pytest.mark.usefixtures("folder")
def test_commands_that_work_in_place_do() -> None:
    Path("net.res").write_text(NETWORK.replace("  stem", "     stem"))
    assert CliRunner().invoke(app, ["fmt", "net.res"]).exit_code == 0
    assert "\n  stem\n" in Path("net.res").read_text()


@pytest.mark.usefixtures("folder")
def test_the_same_output_can_be_written_again_and_what_one_call_read_the_next_may_replace() -> None:
    resdsl.compile("net.res", "m.onnx")
    list(resdsl.predict("m.onnx", "a.png", device="cpu"))
    resdsl.compile("net.res", "m.onnx")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("target", ["net.res", "blocks.res", "colors.txt", "w.safetensors"])
def test_the_python_api_refuses_too(target: str, made: dict[str, bytes]) -> None:
    network = resdsl.load("net.res")
    assert network.graph.parameter_count == 9
    with pytest.raises(resdsl.CompileError, match="is read by this command"):
        resdsl.compile(network, target, weights="w.safetensors")
    assert Path(target).read_bytes() == made[target]
    with pytest.raises(OutputError):
        resdsl.save_weights("w.safetensors", "w.safetensors")
    with pytest.raises(OutputError):
        resdsl.predict_to("a.png", "m.onnx", ["a.png"], device="cpu", format="csv")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("target", ["t.csv", "m.onnx"])
def test_a_confusion_matrix_does_not_replace_what_it_is_of(target: str, made: dict[str, bytes]) -> None:
    evaluation = resdsl.evaluate("m.onnx", truth="t.csv", device="cpu")
    with pytest.raises(OutputError, match="is read by this command"):
        write_confusion(evaluation, target)
    assert Path(target).read_bytes() == made[target]
    write_confusion(evaluation, "confusion.csv")
    assert Path("confusion.csv").read_bytes().startswith(b"truth,")
