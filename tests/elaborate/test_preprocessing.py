"""``preprocess`` and ``labels``: what travels with a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import resdsl
from resdsl.diagnostics import Diagnostics
from resdsl.ir.graph import Graph
from resdsl.ir.preprocess import Crop, Normalize, Resize

Build = Callable[..., Graph]
Net = Callable[..., str]
Codes = Callable[..., list[str]]
Check = Callable[..., tuple[Graph | None, Diagnostics]]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_steps_are_kept_in_order(net: Net, build: Build) -> None:
    line = "preprocess { resize(36); crop(32); normalize(mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225]) }"
    graph = build(net(f"{line}\nrelu\noutput y"))
    assert graph.preprocess is not None
    assert graph.preprocess.steps == (Resize(36), Crop(32), Normalize(MEAN, STD))


def test_steps_take_their_arguments(net: Net, build: Build) -> None:
    lines = """preprocess {
      resize(size = edge, interpolation = bicubic, fit = exact)
      normalize(0.5, 0.25, order = bgr)
    }"""
    graph = build(net(f"{lines}\nrelu\noutput y", parameters="edge = 32"))
    assert graph.preprocess is not None
    resize, normalize = graph.preprocess.steps
    assert resize == Resize(32, "bicubic", "exact")
    assert isinstance(normalize, Normalize)
    assert (normalize.mean, normalize.std, normalize.order) == ((0.5,), (0.25,), "bgr")


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("resice(256)", "E0614"),
        ("resize()", "E0204"),
        ("resize(0)", "E0207"),
        ("resize(2.5)", "E0207"),
        ("resize(10_000_000_000)", "E0207"),
        ("resize(256, interpolation = cubic)", "E0201"),
        ('resize(256, interpolation = "cubic")', "E0207"),
        ("resize(256, 3, 4, 5)", "E0206"),
        ("crop(224, edge = 3)", "E0203"),
        ("normalize(mean = [0.5])", "E0204"),
        ("normalize(mean = [], std = [1])", "E0207"),
        ("normalize(mean = [true], std = [1])", "E0207"),
        ("normalize(mean = [0.5], std = [0])", "E0207"),
        ("normalize(mean = [0.5], std = [1 // 0])", "E0209"),
        ("normalize(mean = [0.5], std = [0.5], scale = 0)", "E0207"),
        ("normalize(mean = [0.5, 0.5], std = [0.5])", "E0614"),
        ("normalize(mean = [0.5], std = [0.5, 0.5, 0.5, 0.5])", "E0614"),
        ("normalize(mean = [127, 127, 127], std = [128, 128, 128])", "E0614"),
        ("normalize(mean = [300], std = [1], scale = 255)", "E0614"),
        ("normalize(mean = [0.5], std = [0.5]); crop(32)", "E0614"),
        ("resize(36); crop(36)", "E0614"),
        ("resize(32); crop(24)", "E0614"),
        ("resize(64x64)", "E0614"),
        ("resize(32x48)", "E0207"),
        ("resize(32x32, fit = short)", "E0208"),
        ("resize(20_000)", "E0207"),
    ],
)
def test_a_step_that_cannot_be_done_is_reported(step: str, code: str, net: Net, codes: Codes) -> None:
    assert codes(net(f"preprocess {{ {step} }}\nrelu\noutput y")) == [code]


def test_labels_are_a_set_or_a_file_beside_the_text(tmp_path: Path, net: Net, build: Build) -> None:
    (tmp_path / "pets.txt").write_text("cat\ndog\n")
    graph = build(net('labels "pets.txt"\nrelu\noutput y'), path=tmp_path / "net.res")
    assert graph.labels == ("cat", "dog")


@pytest.mark.parametrize(("classes", "count"), [(10, 10), (12, None)])
def test_labels_stay_where_there_are_as_many_classes(classes: int, count: int | None) -> None:
    specification = resdsl.loads(
        """model net(classes = 10) {
          input image: f32[N, 3, 8, 8]
          avgpool(global);  flatten;  fc: linear(classes)
          labels "cifar10"
          output logits
        }""",
        set={"classes": classes},
    )
    labels = specification.graph.labels
    assert (None if labels is None else len(labels)) == count
    assert [found.code.id for found in specification.check().warnings] == ([] if count else ["W0508"])


def test_a_network_without_class_vectors_keeps_its_labels() -> None:
    text = """model net {
      input image: f32[N, 3, H, W]
      score: conv(21, 1x1)
      labels "cifar10"
      output map
    }"""
    assert resdsl.loads(text).graph.labels is not None


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('labels ["sfw", "nsfw"]', ("sfw", "nsfw")),
        ("labels animals", ("cat", "dog")),
        ('labels ["background"] + animals', ("background", "cat", "dog")),
        ('labels ["crane", "crane"]', ("crane", "crane")),
    ],
)
def test_labels_are_written_in_the_model(line: str, names: tuple[str, ...], net: Net, build: Build) -> None:
    head = 'const animals = ["cat", "dog"]'
    layers = f"avgpool(global); flatten; fc: linear({len(names)})\noutput y"
    assert build(net(f"{line}\n{layers}", head)).labels == names


@pytest.mark.parametrize(
    ("line", "code", "at"),
    [
        ("labels []", "E0207", "[]"),
        ('labels ["a", 3]', "E0207", "3"),
        ("labels 3", "E0207", "3"),
        ("labels imagenet1k", "E0201", "imagenet1k"),
        ('labels ["a", b]', "E0201", "b"),
    ],
)
def test_labels_of_another_kind_are_an_error(line: str, code: str, at: str, net: Net, check: Check) -> None:
    _, diagnostics = check(net(f"{line}\nrelu\noutput y"))
    (error,) = diagnostics.errors
    assert (error.code.id, error.primary.span.text) == (code, at)


def test_unavailable_labels_are_reported(tmp_path: Path, net: Net, codes: Codes) -> None:
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "folder.txt").mkdir()
    for name, code in (
        ("nowhere", "E0613"),
        ("nowhere.txt", "E0405"),
        ("binary.txt", "E0405"),
        ("folder.txt", "E0405"),
        ("../secret.txt", "E0404"),
        ("/etc/passwd", "E0404"),
        ("", "E0613"),
        ("a\0b.txt", "E0405"),
        ("x" * 5000 + ".txt", "E0405"),
    ):
        assert codes(net(f'labels "{name}"\nrelu\noutput y'), path=tmp_path / "net.res") == [code], name


def test_a_model_has_one_of_each(net: Net, codes: Codes) -> None:
    assert codes(net('labels "imagenet1k"\nlabels "imagenet1k"\nrelu\noutput y')) == ["E0609"]
    assert codes(net("preprocess { crop(32) }\npreprocess { crop(32) }\nrelu\noutput y")) == ["E0609"]


def test_steps_see_the_consts_above_them(net: Net, build: Build) -> None:
    graph = build(net("const edge = 32\npreprocess { crop(edge) }\nrelu\noutput y"))
    assert graph.preprocess is not None
    assert graph.preprocess.steps == (Crop(32),)


def test_errors_in_steps_are_reported_beside_those_of_the_network(net: Net, codes: Codes) -> None:
    assert codes(net("preprocess { crop(0) }\nrellu\noutput y")) == ["E0207", "E0202"]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("resize(32x32)", (Resize(32, fit="exact"),)),
        ("resize(32x32, fit = exact)", (Resize(32, fit="exact"),)),
        ("resize(40x40); crop(32x32)", (Resize(40, fit="exact"), Crop(32))),
        ("normalize(123, 58, scale = 255)", (Normalize((123.0,), (58.0,), 255.0),)),
        # The sides of the result depend on the image.
        ("resize(40)", (Resize(40),)),
    ],
)
def test_steps_that_can_make_the_input(steps: str, expected: tuple[object, ...], net: Net, build: Build) -> None:
    graph = build(net(f"preprocess {{ {steps} }}\nrelu\noutput y"))
    assert graph.preprocess is not None
    assert graph.preprocess.steps == expected


def test_a_crop_need_not_be_of_the_size_that_replaces_the_declared_input(net: Net, build: Build) -> None:
    assert build(net("preprocess { crop(32) }\nrelu\noutput y"), input_shape=("N", 3, 64, 64)).preprocess is not None


def test_any_crop_fits_an_input_of_any_size(net: Net, build: Build) -> None:
    assert build(net("preprocess { crop(20) }\nrelu\noutput y", shape="N, 3, H, W")).preprocess is not None


def test_a_misspelt_mean_that_is_larger_than_white_is_two_diagnostics(net: Net, codes: Codes) -> None:
    line = "preprocess { normalize(meen = [127, 127, 127], std = [1, 1, 1]) }"
    assert codes(net(f"{line}\nrelu\noutput y")) == ["E0203", "E0614"]
