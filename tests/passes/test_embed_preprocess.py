"""A network with embedded preprocessing sees the pixels that Pillow computes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from skimage import data

from resdsl.diagnostics import catalogue
from resdsl.ir.graph import Graph
from resdsl.ir.operator import Refusal
from resdsl.ir.preprocess import Normalize
from resdsl.passes.embed_preprocess import embed_preprocess
from resdsl.passes.fold_normalize import fold_normalize
from resdsl.runtime.preprocess import prepare

from ..building import network
from .computing import body, run, text

NORMALIZE = "normalize(mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225])"


def net(preprocess: str, layers: str = "identity", shape: str = "N, 3, H, W") -> Graph:
    return network(f"preprocess {{ {preprocess} }}\n  {layers}\n  output y", shape)


def photograph(name: str) -> np.ndarray:
    return np.asarray(Image.fromarray(getattr(data, name)()).convert("RGB"))


def levels(graph: Graph) -> np.ndarray:
    """How many levels of grey, of 255, a difference of 1 in each channel of the input is."""
    step = graph.preprocess.steps[-1] if graph.preprocess else None
    std, scale = (step.std, step.scale) if isinstance(step, Normalize) else ((1.0,), 1.0)
    return (np.array(std) * 255 / scale).reshape(-1, 1, 1)


@pytest.mark.parametrize("name", ["chelsea", "astronaut", "rocket"])
@pytest.mark.parametrize(
    "preprocess",
    [
        f"resize(256);  crop(224);  {NORMALIZE}",
        f"resize(232, bicubic);  crop(224);  {NORMALIZE}",
        "resize(96, fit = exact)",
        "resize(40);  resize(90, bicubic)",
    ],
)
def test_resizing_is_that_of_pillow_but_for_a_level_in_few_pixels(preprocess: str, name: str) -> None:
    graph, image = net(preprocess), photograph(name)
    assert graph.preprocess is not None
    expected = prepare(Image.fromarray(image), graph.preprocess)
    found = run(embed_preprocess(graph), image[None])["y"][0]
    assert found.shape == expected.shape
    off = np.abs(found - expected) * levels(graph)
    # ONNX Runtime rounds where the sum is almost half a level to the other side.
    assert off.max() < 1.01
    assert (off > 0.5).mean() < 0.0015


@pytest.mark.parametrize(
    "preprocess",
    [
        NORMALIZE,
        "normalize(mean = [104, 117, 123], std = [1, 1, 1], scale = 255, order = bgr)",
        f"crop(225);  {NORMALIZE}",
        "crop(512)",
        "resize(64);  crop(97)",
    ],
)
@pytest.mark.parametrize("size", [(300, 451), (301, 225), (224, 224)])
def test_all_else_is_to_the_bit(preprocess: str, size: tuple[int, int]) -> None:
    graph, image = net(preprocess), photograph("chelsea")[: size[0], : size[1]]
    if "resize(64)" in preprocess:
        image = image[:64, :64]  # as it is already, so that nothing but the crop acts
    assert graph.preprocess is not None
    expected = prepare(Image.fromarray(image), graph.preprocess)
    np.testing.assert_array_equal(run(embed_preprocess(graph), image[None])["y"][0], expected)


def test_the_nearest_pixel_is_the_same_where_one_is_nearest() -> None:
    # At 451 x 300 to 150 x 100 no place lies halfway between two pixels.
    graph, image = net("resize(100, nearest)"), photograph("chelsea")
    assert graph.preprocess is not None
    expected = prepare(Image.fromarray(image), graph.preprocess)
    np.testing.assert_array_equal(run(embed_preprocess(graph), image[None])["y"][0], expected)


def test_images_of_one_size_go_in_together_and_grey_ones_into_grey_networks() -> None:
    graph = net("resize(20);  crop(16)", shape="N, 1, 16, 16")
    assert graph.preprocess is not None
    images = [photograph("chelsea")[start : start + 90, start : start + 80, :1] for start in (0, 50)]
    found = run(embed_preprocess(graph), np.stack(images))["y"]
    for image, value in zip(images, found, strict=True):
        expected = prepare(Image.fromarray(image[..., 0]), graph.preprocess, channels=1)
        assert np.abs(value - expected).max() < 1.01 / 255


def test_the_input_is_bytes_and_what_was_open_is_known() -> None:
    graph = embed_preprocess(net(f"resize(40);  crop(32);  {NORMALIZE}", "c: conv(4, 3x3, stride = 2)"))
    assert text(graph).startswith("graph net(%x: u8[N, rows, columns, 3]) {\n")
    assert body(graph) == [
        '%preprocess.resize = resize_pixels(40, "bilinear", "short", resized_rows, resized_columns) '
        "%x -> [N, resized_rows, resized_columns, 3]",
        "%preprocess.crop = crop_pixels(32, true) %preprocess.resize -> [N, 32, 32, 3]",
        "%preprocess.normalize = normalize_pixels(255.0, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], false) "
        "%preprocess.crop -> [N, 3, 32, 32]",
        "%c = conv(4, 3x3, stride = 2) %preprocess.normalize -> [N, 4, 16, 16]",
    ]
    assert graph.preprocess is None


def test_an_output_that_is_the_input_is_the_prepared_image() -> None:
    graph = embed_preprocess(network("preprocess { crop(2) }\n  output same\n  relu\n  output y", "N, 3, 2, 2"))
    x = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    np.testing.assert_array_equal(run(graph, x)["same"], x.transpose(0, 3, 1, 2).astype(np.float32) / 255)


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (net("resize(64, lanczos)"), "no `lanczos`"),
        (replace(net("crop(8)"), preprocess=None), "does not say"),
        # Preprocessing that comes with weights is not the specification's, which `check` verifies.
        (
            replace(net("crop(32)", shape="N, 3, 32, 32"), preprocess=net("crop(30)").preprocess),
            r"images of 30 x 30, and `net` takes \[N, 3, 32, 32\]",
        ),
        (net("resize(32)", shape="N, 3, 32, 32"), "takes"),
    ],
)
def test_what_cannot_be_embedded_is_refused(graph: Graph, expected: str) -> None:
    with pytest.raises(Refusal, match=expected) as caught:
        embed_preprocess(graph)
    assert caught.value.code == catalogue.EMBED
    assert caught.value.helps


# --- folding the normalisation into the first convolution ------------------------------------------------------------

FOLDED = {
    # Divisor * mean stays: 255 * 0.5 = 127.5, 255 * 0.25 = 63.75.
    "crop(8);  normalize(mean = [0.5, 0.25, 0], std = [0.2, 0.3, 0.4])|c: conv(4, 3x3)": (127.5, 63.75, 0.0),
    # The zeros around an image turned around are as many: its means are turned around.
    "crop(8);  normalize(mean = [10, 20, 30], std = [2, 3, 4], scale = 255, order = bgr)|c: conv(4, 3x3)": (
        30.0,
        20.0,
        10.0,
    ),
    "crop(8);  normalize(mean = [0.5, 0.25, 0.1], std = [0.2, 0.3, 0.4])|c: conv(4, 3x3, pad = valid, bias = true)": (
        0.0,
        0.0,
        0.0,
    ),
    "crop(8);  normalize(mean = 0.5, std = 0.2)|c: conv(6, 3x3, groups = 3)": (127.5, 127.5, 127.5),
    "crop(8)|c: conv(4, 3x3)": (0.0, 0.0, 0.0),
}


@pytest.mark.parametrize("case", FOLDED)
def test_the_first_convolution_normalises(case: str) -> None:
    preprocess, layers = case.split("|")
    graph = embed_preprocess(net(preprocess, layers))
    folded = fold_normalize(graph)
    normalize = next(node.operator for node in folded.nodes if node.path == "preprocess.normalize")
    assert (normalize.divisor, normalize.std, normalize.reverse) == (1.0, (1.0, 1.0, 1.0), False)
    assert normalize.mean == FOLDED[case]
    image = photograph("astronaut")[None, 100:120, 100:120]
    expected = run(graph, image)["y"]
    np.testing.assert_allclose(run(folded, image)["y"], expected, atol=1e-5 * np.abs(expected).max())
    assert fold_normalize(folded) is folded


@pytest.mark.parametrize(
    "layers",
    [
        "output early\n  conv(4, 3x3)",
        "concat { identity;  conv(4, 3x3) }",
        "relu;  conv(4, 3x3)",
        "maxpool(3x3)",
    ],
)
def test_the_normalisation_stays_where_something_else_reads_it(layers: str) -> None:
    graph = embed_preprocess(net(f"crop(8);  {NORMALIZE}", layers))
    assert fold_normalize(graph) is graph


def test_channels_of_groups_are_not_turned_around() -> None:
    graph = embed_preprocess(net("normalize(mean = 0, std = 1, order = bgr)", "conv(6, 3x3, groups = 3)"))
    assert fold_normalize(graph) is graph
