"""``resdsl embed``, against ONNX Runtime on a file that is cut at the layer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import resdsl
from resdsl.cli.app import app

NETWORK = """
block unit(c) {
  residual { conv(c, 3x3);  bn }
  relu
}
model net(classes = 3) {
  input image: f32[N, 3, 24, 24]
  preprocess { resize(32); crop(24); normalize(mean = [0.5], std = [0.25]) }
  conv1: conv(4, 3x3);  relu
  stage layer1 { 2 x unit(4) }
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    resdsl.compile(resdsl.loads(NETWORK), path, seed=1)
    return str(path)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder ``photos`` where we are, whose third file is no image. They are of 24 x 24 pixels after `resize`."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "2.png").write_bytes(b"no image")
    monkeypatch.chdir(tmp_path)
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["embed", "--device", "cpu", *map(str, arguments)])


def cut(model: str, value: str, photos: Path) -> dict[str, np.ndarray]:
    """The value of each image, by ONNX Runtime on the file with that value as its only output."""
    proto = onnx.load(model)
    del proto.graph.output[:]
    proto.graph.output.append(onnx.ValueInfoProto(name=value))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    found = {}
    for file in sorted(photos.iterdir()):
        if file.stem != "2":
            pixels = np.asarray(Image.open(file), np.float32)[4:28, 4:28] / 255
            image = ((pixels - 0.5) / 0.25).transpose(2, 0, 1)
            (values,) = session.run(None, {"image": image[None]})
            found[f"photos/{file.name}"] = values[0]
    return found


def last_value(model: str, scope: str) -> str:
    """The last value in the file that a node of the scope makes."""
    return [node.output[0] for node in onnx.load(model).graph.node if node.name.startswith(f"{scope}.")][-1]


@pytest.mark.parametrize("pool", ["avg", "max", "none"])
@pytest.mark.parametrize("layer", ["layer1", "conv1", "flatten"])
def test_embeddings_are_the_values_of_the_layer(model: str, photos: Path, layer: str, pool: str) -> None:
    result = run(model, "photos", "--layer", layer, "--pool", pool, "-o", "e.npy")
    assert result.exit_code == 1, result.output
    reduce = {"avg": lambda x: x.mean((1, 2)), "max": lambda x: x.max((1, 2)), "none": lambda x: x}[pool]
    expected = cut(model, last_value(model, layer) if layer == "layer1" else layer, photos)
    found = np.load("e.npy")
    assert (found.dtype, np.isnan(found[2]).all()) == (np.float32, True)
    for values, maps in zip(np.delete(found, 2, 0), expected.values(), strict=True):
        wanted = reduce(maps) if maps.ndim == 3 else maps
        assert values.shape == wanted.shape
        np.testing.assert_allclose(values, wanted, rtol=1e-5, atol=1e-6)


def test_the_default_is_what_the_classes_are_made_of(model: str, photos: Path) -> None:
    run(model, "photos", "-o", "e.npy")
    np.testing.assert_allclose(
        np.delete(np.load("e.npy"), 2, 0), [*cut(model, "flatten", photos).values()], rtol=1e-5, atol=1e-6
    )


@pytest.mark.usefixtures("photos")
def test_the_schema_states_dimension_and_type(model: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow comes with the extra `parquet`")
    import pyarrow

    run(model, "photos", "--layer", "layer1", "-o", "e.parquet")
    run(model, "photos", "--layer", "layer1", "-o", "e.npy")
    table = parquet.read_table("e.parquet")
    assert table.schema.field("features").type == pyarrow.list_(pyarrow.float32(), 4)
    assert {name.decode(): value.decode() for name, value in table.schema.metadata.items()} == {
        "output": "layer1",
        "shape": "[4]",
        "dtype": "float32",
        "pool": "avg",
    }
    assert table["image"].to_pylist() == [f"photos/{number}.png" for number in range(5)]
    rows = table["features"].to_pylist()
    assert rows[2] is None
    assert "E0820" in table["error"].to_pylist()[2]
    np.testing.assert_array_equal(np.array(rows[:2] + rows[3:], np.float32), np.delete(np.load("e.npy"), 2, 0))


@pytest.mark.usefixtures("photos")
def test_a_half_precision_layer_is_stored_in_half_precision() -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow comes with the extra `parquet`")
    import pyarrow

    resdsl.compile(resdsl.loads(NETWORK), "half.onnx", seed=1, precision="f16")
    run("half.onnx", "photos", "-o", "e.parquet")
    assert parquet.read_schema("e.parquet").field("features").type == pyarrow.list_(pyarrow.float16(), 4)


@pytest.mark.usefixtures("photos")
def test_maps_whose_size_depends_on_the_image_are_lists_of_any_length() -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow comes with the extra `parquet`")
    import pyarrow

    network = resdsl.loads(NETWORK, input_shape=("N", 3, "H", "W"))
    resdsl.compile(network, "open.onnx", seed=1)
    assert run("open.onnx", "photos", "--layer", "conv1", "--pool", "none", "-o", "e.parquet").exit_code == 1
    assert parquet.read_schema("e.parquet").field("features").type == pyarrow.list_(pyarrow.float32())
    # Pooled, they have one length, and several scales can be averaged over.
    assert run("open.onnx", "photos", "--layer", "conv1", "--scales", "24,32", "-o", "e.parquet").exit_code == 1
    assert parquet.read_schema("e.parquet").field("features").type == pyarrow.list_(pyarrow.float32(), 4)


@pytest.mark.usefixtures("photos")
def test_lines_can_be_resumed_with_the_same_layer_only(model: str) -> None:
    assert run(model, "photos", "-o", "whole.jsonl").exit_code == 1
    written = Path("whole.jsonl").read_bytes()
    assert [json.loads(line).get("output") for line in written.splitlines()].count("flatten") == 4
    run(model, "photos", "-o", "e.jsonl", "--layer", "layer1")
    assert json.loads(Path("e.jsonl").read_bytes().splitlines()[0])["output"] == "layer1"
    assert run(model, "photos", "-o", "whole.jsonl", "--resume").exit_code == 1
    assert Path("whole.jsonl").read_bytes() == written


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize(
    ("options", "status", "expected"),
    [
        (["--layer", "layr1", "-o", "e.npy"], 1, "did you mean `layer1`"),
        (["--layer", "flaten", "-o", "e.npy"], 1, "did you mean `flatten`?"),
        (["--layer", "layer1.0.cnv", "-o", "e.npy"], 1, "`layer1.0.conv`"),
        (["--layer", "image", "-o", "e.npy"], 1, "E0839"),
        (["-o", "e.csv"], 2, "a cell is one number"),
        (["-o", "e.npy", "--resume"], 2, "does not record which images"),
    ],
)
def test_every_refusal_gives_the_reason(model: str, options: list[str], status: int, expected: str) -> None:
    result = run(model, "photos/0.png", *options)
    assert result.exit_code == status, result.output
    assert expected in result.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["photos"]


@pytest.mark.usefixtures("photos")
def test_a_model_without_a_last_layer_asks_for_a_name() -> None:
    layers = "preprocess { crop(24) }\n avgpool(global); flatten; output embedding"
    network = f"model m() {{ input image: f32[N, 3, 24, 24]\n {layers} }}"
    resdsl.compile(resdsl.loads(network), "m.onnx")
    result = run("m.onnx", "photos/0.png", "-o", "e.npy")
    assert result.exit_code == 1
    assert "name the layer: `--layer NAME`" in result.stderr


def test_from_python(model: str, photos: Path) -> None:
    written = resdsl.embed("e.parquet", model, photos, layer="layer1", pool="max", device="cpu")
    assert (written.images, written.failed) == (5, 1)
    rows = resdsl.predict(model, "photos", output="layer1", pool="max", device="cpu")
    assert [row.values.shape for row in rows if isinstance(row, resdsl.Features)] == [(4,)] * 4
