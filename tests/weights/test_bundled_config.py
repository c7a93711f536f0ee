from __future__ import annotations

import json

import pytest

import resdsl
from resdsl.ir.preprocess import Crop, Normalize, Preprocess, Resize
from resdsl.weights.bundled_config import changes_to, read_bundled_config

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def network(size: object = 224, classes: int = 1000, extra: str = ""):
    text = f"""model m {{
      input image: f32[N, 3, {size}, {size if size != "H" else "W"}]
      {extra}
      c: conv(4, 3x3); avgpool(global); flatten; fc: linear({classes})
      output logits
    }}"""
    return resdsl.loads(text).graph


@pytest.fixture
def beside(tmp_path):
    def write(config: object):
        (tmp_path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
        return tmp_path / "model.safetensors"

    return write


def timm(**changes: object) -> dict[str, object]:
    """The fields of a published ``config.json`` that are read."""
    described = {
        "input_size": [3, 224, 224],
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "crop_mode": "center",
        "mean": MEAN,
        "std": STD,
        "tag": "a1_in1k",
    }
    return {"architecture": "resnet50", "num_classes": 1000, "pretrained_cfg": described | changes}


# What timm 1.0.31's `create_transform(**resolve_data_config(...))` does for these sizes: Resize, then CenterCrop.
@pytest.mark.parametrize(
    ("size", "crop_pct", "resized"),
    [(224, 0.95, 235), (224, 0.875, 256), (288, 1.0, 288), (299, 0.8975, 333), (224, 0.9, 248)],
)
def test_sizes_are_those_of_timm(beside, size, crop_pct, resized):
    found = read_bundled_config(beside(timm(crop_pct=crop_pct)), network(size))
    assert found.preprocess == Preprocess((Resize(resized, "bicubic"), Crop(size), Normalize(tuple(MEAN), tuple(STD))))


def test_a_network_of_any_size_takes_the_checkpoints(beside):
    found = read_bundled_config(beside(timm(input_size=[3, 256, 256], crop_pct=1.0)), network("H"))
    assert found.preprocess.steps[:2] == (Resize(256, "bicubic"), Crop(256))


def test_squashed_images_are_resized_to_both_sides(beside):
    found = read_bundled_config(beside(timm(crop_mode="squash", crop_pct=1.0)), network())
    assert found.preprocess.steps[0] == Resize(224, "bicubic", "exact")


def test_labels_are_the_repositorys(beside):
    names = ["cat", "dog", "hen"]
    graph = network(classes=3)
    assert changes_to(read_bundled_config(beside(timm() | {"label_names": names}), graph), graph).labels == tuple(names)
    assert changes_to(read_bundled_config(beside(timm() | {"label_names": names[:2]}), graph), graph).labels is None


def test_labels_of_imagenet_are_known_by_the_tag(beside):
    assert read_bundled_config(beside(timm()), network()).labels[282] == "tiger cat"
    assert read_bundled_config(beside(timm(tag="a1_in22k")), network()).labels is None


def test_values_equal_to_the_specification_are_not_adopted(beside):
    extra = f"""labels "imagenet1k"
      preprocess {{ resize(235, interpolation = bicubic); crop(224); normalize(mean = {MEAN}, std = {STD}) }}"""
    graph = network(extra=extra)
    found = changes_to(read_bundled_config(beside(timm()), graph), graph)
    assert (found.preprocess, found.labels) == (None, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": "grey"},
        {"mean": [0.5]},
        {"mean": [float("nan")] * 3},
        {"std": [0.0, 1.0, 1.0]},
        {"std": None},
        {"crop_pct": 0},
        {"crop_pct": "all"},
        {"crop_mode": "border"},
        {"interpolation": "random"},
    ],
)
def test_what_cannot_be_followed_is_left(beside, changes):
    assert read_bundled_config(beside(timm(**changes)), network()).preprocess is None


@pytest.mark.parametrize(
    "config", ["", "[]", "{", "[" * 100_000, '{"model_type": "bert"}', '{"architecture": "x", "pretrained_cfg": 3}']
)
def test_other_files_of_that_name_are_ignored(beside, config):
    assert read_bundled_config(beside(config), network()) is None


def test_a_compiled_model_takes_them_along(beside, tmp_path):
    from safetensors.numpy import save_file

    compiled = tmp_path / "start.onnx"
    resdsl.compile(resdsl.load("resnet18"), compiled)
    with resdsl.read_weights(compiled) as weights:
        save_file({name: weights.read(name) for name in weights.tensors if ":" not in name}, beside(timm()))
    specification = resdsl.load("resnet18")
    with_theirs = resdsl.compile(specification, tmp_path / "a.onnx", weights=beside(timm()))
    assert with_theirs.adopted.preprocess.steps[0] == Resize(235, "bicubic")
    kept = resdsl.compile(specification, tmp_path / "b.onnx", weights=beside(timm()), keep_preprocess=True)
    assert kept.adopted.preprocess is None
    assert kept.graph.preprocess == specification.graph.preprocess
