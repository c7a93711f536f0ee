"""A range for each channel: the factors, where they stand, and that images are spread over all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from skimage import data

import resdsl
from resdsl.onnx.channel_factors import scalable_values, scale_channels
from resdsl.tools.quantize.calibration import spread
from resdsl.tools.quantize.channel_ranges import channel_factors, channel_ranges
from resdsl.tools.quantize.quantize import Quantization, quantize

Array = npt.NDArray[Any]

CHANNELS = 16
SIZES = np.geomspace(0.02, 1, CHANNELS).astype(np.float32)
"""How large the channels are that the depthwise convolution reads, which multiplies them to one size again."""


def network(path: Path, activation: str = "HardSwish", depthwise: bool = True) -> Path:
    """A convolution, an activation, a depthwise convolution and a linear layer; channels differ by a factor of 50."""
    random = np.random.default_rng(0)
    groups = CHANNELS if depthwise else 1
    # Beyond 3, hard-swish is the identity, so small channels are small before it and behind it.
    first = random.standard_normal((CHANNELS, 3, 3, 3)).astype(np.float32) * 4 * SIZES.reshape(-1, 1, 1, 1)
    second = random.standard_normal((CHANNELS, CHANNELS // groups, 3, 3)).astype(np.float32) / 3
    if depthwise:
        second /= SIZES.reshape(-1, 1, 1, 1)
    tensors = {
        "first.weight": first,
        "first.bias": 4 * SIZES,
        "second.weight": second,
        "second.bias": np.zeros(CHANNELS, np.float32),
        "fc.weight": random.standard_normal((5, CHANNELS)).astype(np.float32),
        "fc.bias": np.zeros(5, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "first.weight", "first.bias"], ["a"], name="first", pads=[1] * 4),
        helper.make_node(activation, ["a"], ["b"], name="activation"),
        helper.make_node(
            "Conv", ["b", "second.weight", "second.bias"], ["c"], name="second", pads=[1] * 4, group=groups
        ),
        helper.make_node("HardSwish", ["c"], ["d"], name="last"),
        helper.make_node("GlobalAveragePool", ["d"], ["e"], name="pool"),
        helper.make_node("Flatten", ["e"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "fc.weight", "fc.bias"], ["logits"], name="fc", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    step = '[{"step": "resize", "size": 16, "interpolation": "bilinear", "fit": "exact"}]'
    model.metadata_props.add(key="resdsl.preprocess", value=step)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def run(model: Path, x: Array, *outputs: str) -> list[Array]:
    proto = onnx.load(model)
    known = {info.name for info in proto.graph.output}
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs if name not in known)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(array) for array in session.run(list(outputs), {"x": x})]


# --- where factors stand ---------------------------------------------------------------------------------------------


def test_factors_stand_between_layers_and_operators_in_floating_point(tmp_path: Path) -> None:
    # The result of the first layer, what the depthwise layer reads; not its own result.
    assert scalable_values(network(tmp_path / "m.onnx")) == ("a", "b")
    assert scalable_values(tmp_path / "m.onnx", keep=["second"]) == ("a",)
    assert scalable_values(tmp_path / "m.onnx", keep=["first"]) == ("b",)
    # A layer that is not depthwise adds up what it reads, and its own result has factors.
    assert scalable_values(network(tmp_path / "m.onnx", depthwise=False)) == ("a", "c")
    # A relu keeps factors.
    assert scalable_values(network(tmp_path / "m.onnx", activation="Relu")) == ("b",)
    assert scalable_values(tmp_path / "m.onnx", keep=["first"]) == ()
    assert scalable_values(tmp_path / "m.onnx", keep=["second"]) == ()
    # Nothing is computed with floats between other layers.
    assert scalable_values(network(tmp_path / "m.onnx", activation="Relu", depthwise=False)) == ("c",)
    assert scalable_values(network(tmp_path / "m.onnx", activation="Identity", depthwise=False)) == ("a", "c")


@pytest.mark.parametrize("keep", [(), ("first",), ("second",)])
def test_a_model_with_factors_computes_the_same(keep: tuple[str, ...], tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    factors = {name: random.uniform(0.05, 1, CHANNELS).astype(np.float32) for name in ("a", "b")}
    plain = network(tmp_path / "m.onnx")
    products = scale_channels(plain, tmp_path / "s.onnx", factors, keep)
    onnx.checker.check_model(onnx.load(tmp_path / "s.onnx"), full_check=True)
    assert len(products) == 2 - len(keep)
    x = random.standard_normal((1, 3, 16, 16)).astype(np.float32)
    for ours, theirs in zip(
        run(tmp_path / "s.onnx", x, "a", "b", "logits"), run(plain, x, "a", "b", "logits"), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    if not keep:
        for name, factor in factors.items():
            scaled, value = (*run(tmp_path / "s.onnx", x, f"{name}/scaled"), *run(plain, x, name))
            np.testing.assert_allclose(scaled * factor.reshape(1, -1, 1, 1), value, rtol=1e-4, atol=1e-4)


def test_a_relu_needs_no_product(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    factor = random.uniform(0.05, 1, CHANNELS).astype(np.float32)
    plain = network(tmp_path / "m.onnx", activation="Relu")
    assert scale_channels(plain, tmp_path / "s.onnx", {"b": factor}) == []
    x = random.standard_normal((1, 3, 16, 16)).astype(np.float32)
    (scaled, ours), (value, theirs) = run(tmp_path / "s.onnx", x, "b", "logits"), run(plain, x, "b", "logits")
    np.testing.assert_allclose(scaled * factor.reshape(1, -1, 1, 1), value, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


# --- the factors -----------------------------------------------------------------------------------------------------


def test_ranges_are_those_of_single_channels(tmp_path: Path) -> None:
    images = [{"x": np.random.default_rng(seed).standard_normal((1, 3, 16, 16)).astype(np.float32)} for seed in (0, 1)]
    plain = network(tmp_path / "m.onnx")
    found = channel_ranges(plain, ["a", "b"], images)
    for name, least in (("a", -3.0), ("b", -np.inf)):  # hard-swish is 0 below -3
        values = np.concatenate([run(plain, image["x"], name)[0] for image in images])
        low, high = found[name]
        np.testing.assert_allclose(low, np.minimum(values.min((0, 2, 3)), 0).clip(least), rtol=1e-5)
        np.testing.assert_allclose(high, np.maximum(values.max((0, 2, 3)), 0), rtol=1e-5)


def test_factors_follow_the_ranges_less_than_in_proportion() -> None:
    high = np.array([16.0, 1.0, 0.0])
    # (1 / 16)^(3/4) = 1 / 8; a channel without values has the smallest factor.
    assert channel_factors(np.zeros(3), high) == pytest.approx([1, 1 / 8, 1 / 16])
    assert channel_factors(np.zeros(3), np.zeros(3)) == pytest.approx([1, 1, 1])


def test_channels_with_factors_have_smaller_steps_and_one_zero_point() -> None:
    random = np.random.default_rng(0)
    low, high = -random.uniform(0, 3, 32), random.uniform(0.1, 30, 32)
    factors = channel_factors(low, high)
    assert (factors >= 1 / 16).all()
    assert (factors <= 1).all()
    steps = factors * (max(high / factors) - min(low / factors))
    assert np.log(steps).mean() < np.log(high.max() - low.min()) - 0.3


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for name in ("chelsea", "astronaut", "coffee", "rocket", "colorwheel"):
        image = Image.fromarray(getattr(data, name)())
        for part in range(3):
            image.crop((40 * part, 30, 200 + 40 * part, 200)).resize((32, 32)).save(folder / f"{name}{part}.png")
    return folder


@pytest.mark.parametrize("activation", ["HardSwish", "Relu"])
def test_small_channels_keep_their_values(activation: str, photographs: Path, tmp_path: Path) -> None:
    plain = network(tmp_path / "m.onnx", activation)
    decibels = {}
    for ranges in ("minmax", "percentile", "channels"):
        how = Quantization(method="nearest", operators="layers", ranges=ranges)
        made = quantize(plain, photographs, tmp_path / "q.onnx", how=how)
        decibels[ranges] = made.outputs[0].decibels
        # Nothing but rounding differs between the kernels and the graph as written.
        assert all(layer.kernel_steps is None or layer.kernel_steps <= 1.01 for layer in made.layers)
    assert {layer.name for layer in made.layers} == {"first", "second", "fc"}
    # Errors of layers are of the values that layers write, with their factors.
    assert min(layer.decibels for layer in made.layers) > 20
    # A bit is 6 dB.
    assert decibels["channels"] > max(decibels["minmax"], decibels["percentile"]) + 6
    (row,) = resdsl.predict(tmp_path / "q.onnx", [photographs / "chelsea0.png"])
    assert row
    # The factors are part of the rounding: they are no layers that the network would have gained.
    assert resdsl.diff(plain, tmp_path / "q.onnx").is_empty


# --- the images ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "of"), [(15, 78), (4, 20), (1, 3), (7, 7), (9, 7)])
def test_images_are_spread_over_all(count: int, of: int) -> None:
    found = spread(range(of), count)
    assert len(found) == min(count, of)
    if count < of:
        ends = [index * of // count for index in range(count + 1)]
        assert all(start <= place < end for start, place, end in zip(ends[:-1], found, ends[1:], strict=True))


def test_images_of_a_period_are_not_all_of_one_kind() -> None:
    # Ten scenes by turns: every fifth image is of one of two scenes.
    assert {image % 10 for image in range(80)[4::5]} == {4, 9}
    assert len({image % 10 for image in spread(range(80), 16)}) >= 6
