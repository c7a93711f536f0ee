"""The rounding of weights: pairs within 16 bits, scales, ranges and corrected biases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from resdsl.onnx.qdq import QdqModel, prepare
from resdsl.tools.quantize.fit import BudgetExceededError, FitOptions, fit_layer, fit_weights
from resdsl.tools.quantize.kernels import kernel_errors, layers_beyond
from resdsl.tools.quantize.layer_inputs import InputStatistics, columns, place_count
from resdsl.tools.quantize.quantizer import Settings, quantize_file
from resdsl.tools.quantize.ranges import OUTERMOST, value_ranges
from resdsl.tools.quantize.rounding import channel_scales, compensated, kernel_order, least_scales, nearest, partners

Array = np.ndarray


def madd(x: Array, weight: Array) -> Array:
    """Sums of two products of bytes ``[P, K]`` and weights ``[M, K]``, which ``vpmaddubsw`` would saturate."""
    products = x[:, None, :].astype(np.int64) * weight[None].astype(np.int64)
    if products.shape[-1] % 2:
        products = np.concatenate([products, np.zeros_like(products[..., :1])], -1)
    return products[..., 0::2] + products[..., 1::2]


def saturates(x: Array, weight: Array) -> bool:
    sums = madd(x, weight)
    return bool((sums > 32767).any() or (sums < -32768).any())


def inputs(random: np.random.Generator, places: int, columns: int) -> InputStatistics:
    statistics = InputStatistics(full=True)
    x = random.standard_normal((1, places, columns)) * random.uniform(0.1, 3, columns)
    statistics.add(x + 0.1, x)
    return statistics


@given(
    st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([(8, 3, 3, 3), (5, 16, 1, 1), (4, 7, 3, 3), (6, 9, 1, 1)])
)
def test_no_sum_of_two_products_leaves_16_bits(seed: int, gptq: bool, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(seed)
    # Weights of one sign are the worst case: every pair adds up.
    weight = np.abs(random.standard_normal(shape)) * random.choice([-1, 1], (shape[0], 1, 1, 1))
    size = int(np.prod(shape[1:]))
    bias = random.standard_normal(shape[0])
    rounded, scale, _ = fit_layer(weight, bias, inputs(random, 64, size), 0.02, FitOptions(gptq=gptq), bound=True)
    ordered = rounded.reshape(shape[0], -1)[:, kernel_order(shape)]
    assert not saturates(np.full((1, size), 255), ordered)
    assert not saturates(random.integers(0, 256, (50, size)), ordered)
    # And of each sign alone: zeros where the other weight of a pair has the other sign.
    assert not saturates(255 * (ordered > 0), ordered)
    assert not saturates(255 * (ordered < 0), ordered)
    assert np.abs(rounded).max() <= 127
    assert (scale > 0).all()


def test_the_simulation_saturates_without_the_bound() -> None:
    weight = np.random.default_rng(0).uniform(0.5, 1, (4, 16, 1, 1))
    rounded, *_ = fit_layer(
        weight, np.zeros(4), inputs(np.random.default_rng(1), 64, 16), 0.02, FitOptions(), bound=False
    )
    assert saturates(np.full((1, 16), 255), rounded.reshape(4, 16))


def test_kernels_read_taps_before_channels() -> None:
    weight = np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
    assert (weight.reshape(2, -1)[:, kernel_order(weight.shape)] == weight.transpose(0, 2, 3, 1).reshape(2, -1)).all()
    assert partners(kernel_order((1, 3, 1, 1))).tolist() == [1, 0, -1]


def test_scales_have_less_weighted_error_than_that_of_the_largest_weight() -> None:
    random = np.random.default_rng(0)
    weight, importance = random.uniform(-1, 1, (32, 64)), np.ones(64)
    weight[:, 0], importance[0] = 1.2, 1e-6  # the largest weight is of an input that hardly varies
    simple = np.abs(weight).max(1) / 127

    def error(scale: Array) -> float:
        rounded = nearest(weight, scale, bound=False, limit=127)
        return float((np.square(weight - rounded * scale[:, None]) * importance).sum())

    ours = channel_scales(weight, np.tile(importance, (32, 1)), bound=False, limit=127)
    assert error(ours) < 0.8 * error(simple)


def test_biases_of_channels_without_weights_fit_int32() -> None:
    weight, bias = np.full((2, 4, 1, 1), 1e-12), np.array([3.0, -5.0])
    _, scale, corrected = fit_layer(
        weight, bias, inputs(np.random.default_rng(0), 64, 4), 0.01, FitOptions(), bound=True
    )
    steps = corrected / (0.01 * scale)
    assert (np.abs(steps) <= 2**24).all()
    assert scale == pytest.approx(np.abs(bias) / (0.01 * 2**23), rel=1e-3)
    assert least_scales(bias, np.zeros(2), 0.01) == pytest.approx(scale, rel=1e-3)


def test_gptq_has_less_error_than_the_nearest_integers() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((500, 24)) @ random.standard_normal((24, 24))  # correlated
    weight = random.standard_normal((16, 24))
    scale = np.abs(weight).max(1) / 7  # coarse
    plain = nearest(weight, scale, bound=False, limit=7)
    ours = compensated(weight, x.T @ x / len(x), scale, None, limit=7)

    def error(rounded: Array) -> float:
        return float(np.square(x @ (weight - rounded * scale[:, None]).T).sum())

    assert error(ours) < 0.7 * error(plain)


def test_inputs_that_hardly_vary_are_rounded_with_compensation_too() -> None:
    random = np.random.default_rng(0)
    # Each input varies by a hundred-thousandth of its mean, and half of them never: squares of float32 cannot tell.
    x = np.repeat(random.uniform(5, 10, 32), 2) + 1e-4 * random.standard_normal((4000, 64)) * ([0, 1] * 32)
    statistics = InputStatistics(full=True)
    for part in np.split(x.astype(np.float32), 4):
        statistics.add(part[None], part[None])
    covariance = np.cov(x.astype(np.float32).astype(np.float64).T, bias=True)
    np.testing.assert_allclose(statistics.moments[0], covariance, atol=1e-4 * covariance.max())
    np.testing.assert_allclose(statistics.variances[0], np.diag(covariance), atol=1e-4 * covariance.max())
    weight, bias = random.standard_normal((6, 64, 1, 1)), np.zeros(6)
    errors = []
    for gptq in (True, False):
        rounded, scale, _ = fit_layer(weight, bias, statistics, 0.05, FitOptions(gptq=gptq), bound=True)
        error = (weight - rounded * scale.reshape(-1, 1, 1, 1)).reshape(6, 64)
        errors.append(float((error @ covariance @ error.T).trace()))
    assert errors[0] <= 1.05 * errors[1]  # the inputs are independent, so there is little to compensate


def test_moments_that_rounding_errors_made_negative_are_damped() -> None:
    moments = np.diag([1.0, 0.01, -0.05])
    rounded = compensated(np.array([[0.9, 2.2, -3.1]]), moments, np.ones(1), None, limit=127)
    np.testing.assert_array_equal(rounded, [[1, 2, -3]])


def test_the_corrected_bias_removes_the_mean_error() -> None:
    random = np.random.default_rng(0)
    x = random.gamma(1, 1, (2000, 12))
    quantized = np.floor(x / 0.05) * 0.05  # a biased quantization of the inputs
    statistics = InputStatistics(full=False)
    statistics.add(x[None], quantized[None])
    weight, bias = random.standard_normal((6, 12, 1, 1)), random.standard_normal(6)
    rounded, scale, corrected = fit_layer(weight, bias, statistics, 0.05, FitOptions(), bound=True)
    true = x @ weight.reshape(6, 12).T + bias
    ours = quantized @ (rounded.reshape(6, 12) * scale[:, None]).T
    assert np.abs((ours + corrected - true).mean(0)).max() < 1e-6
    assert np.abs((ours + bias - true).mean(0)).max() > 1e-3


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [1, 2, 0, 1], "strides": [2, 1]},
        {"dilations": [2, 1], "group": 2},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 3]},
    ],
)
def test_columns_times_weights_are_the_convolution(attributes: dict[str, object]) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((1, 4, 9, 8)).astype(np.float32)
    groups = int(str(attributes.get("group", 1)))
    weight = random.standard_normal((6, 4 // groups, 3, 2)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x})[0][0].reshape(6, -1)
    known = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    count = place_count(x, "Conv", known, (3, 2))
    assert count == expected.shape[1]
    read = columns(x, "Conv", known, (3, 2), np.arange(count))
    ours = np.einsum("gpk,gmk->gmp", read, weight.reshape(groups, 6 // groups, -1)).reshape(6, -1)
    assert ours == pytest.approx(expected, abs=1e-4)


# --- whole models ----------------------------------------------------------------------------------------------------


def network(path: Path, *, shared: bool = False, bias: bool = True, opset: int = 17) -> Path:
    """Convolutions of all kinds: 3x3, grouped, depthwise, 1x1, a transposed one, an addition, a linear layer."""
    random = np.random.default_rng(0)
    tensors: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def conv(
        read: str, name: str, shape: tuple[int, ...], op: str = "Conv", weight: str = "", **attributes: int
    ) -> str:
        stored = weight or f"{name}.weight"
        if not weight:
            # Mostly of one sign, so that sums of products saturate.
            signs = random.choice([-1, 1], (shape[0], 1, 1, 1))
            values = np.abs(random.standard_normal(shape)) * signs / np.prod(shape[1:]) ** 0.5
            tensors.append(numpy_helper.from_array(values.astype(np.float32), stored))
        names = [read, stored]
        if bias:
            channels = shape[1] if op == "ConvTranspose" else shape[0]
            tensors.append(numpy_helper.from_array(random.standard_normal(channels).astype(np.float32), f"{name}.bias"))
            names.append(f"{name}.bias")
        pads = [shape[2] // 2] * 4
        nodes.append(helper.make_node(op, names, [name], name=name, pads=pads, **attributes))
        nodes.append(helper.make_node("Relu", [name], [f"{name}.relu"], name=f"{name}.act"))
        return f"{name}.relu"

    x = conv("x", "stem", (16, 3, 3, 3))
    a = conv(x, "first", (16, 16, 3, 3))
    b = conv(a, "second", (16, 16, 3, 3), weight="first.weight" if shared else "")
    nodes.append(helper.make_node("Add", [a, b], ["sum"], name="sum"))
    x = conv("sum", "grouped", (32, 4, 3, 3), group=4)
    x = conv(x, "depthwise", (32, 1, 3, 3), group=32)
    x = conv(x, "point", (24, 32, 1, 1))
    x = conv(x, "up", (24, 8, 1, 1), op="ConvTranspose")
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"], name="pool"))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"))
    tensors.append(numpy_helper.from_array(random.standard_normal((8, 5)).astype(np.float32), "fc.weight"))
    nodes.append(helper.make_node("MatMul", ["flat", "fc.weight"], ["logits"], name="fc"))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 5])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def test_models_of_an_old_opset_are_converted(tmp_path: Path) -> None:
    network(tmp_path / "old.onnx", shared=True, bias=False, opset=11)
    assert prepare(tmp_path / "old.onnx", tmp_path / "new.onnx")
    model = onnx.load(tmp_path / "new.onnx")
    assert [entry.version for entry in model.opset_import] == [13]
    assert all(len(node.input) == 3 for node in model.graph.node if node.op_type == "Conv")
    for feed in feeds(2):
        assert logits(tmp_path / "new.onnx", feed) == pytest.approx(logits(tmp_path / "old.onnx", feed), rel=1e-5)


def feeds(count: int = 6) -> list[dict[str, Array]]:
    random = np.random.default_rng(1)
    return [{"x": random.uniform(0, 1, (1, 3, 12, 12)).astype(np.float32)} for _ in range(count)]


def quantized(folder: Path, **form: bool) -> QdqModel:
    prepare(network(folder / "float.onnx", **form), folder / "prepared.onnx")
    quantize_file(folder / "prepared.onnx", folder / "q.onnx", iter(feeds()), Settings(keep=("up",)))
    return QdqModel(folder / "prepared.onnx", folder / "q.onnx")


def logits(model: Path, feed: dict[str, Array]) -> Array:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["logits"], feed)[0][0])


@pytest.mark.parametrize("gptq", [False, True])
@pytest.mark.parametrize("form", [{}, {"shared": True}, {"bias": False}], ids=["plain", "shared", "without biases"])
def test_the_weights_of_all_layers_are_fitted(gptq: bool, form: dict[str, bool], tmp_path: Path) -> None:
    model = quantized(tmp_path, **form)
    assert "first" in layers_beyond(model)
    fit_weights(model, feeds(), FitOptions(gptq=gptq))
    assert layers_beyond(model) == ()
    model.save(tmp_path / "ours.onnx")
    # Independently of `layers_beyond`: the weights in the file, in the kernels' order.
    tensors = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(tmp_path / "ours.onnx").graph.initializer
    }
    for name in ("stem", "first", "second", "grouped", "point"):
        stored = next(key for key in (f"{name}.weight_quantized", "first.weight_copy_quantized") if key in tensors)
        rows = tensors[stored].transpose(0, 2, 3, 1).reshape(len(tensors[stored]), -1)
        assert not saturates(np.full((1, rows.shape[1]), 255), rows), name


@pytest.mark.parametrize("gptq", [False, True])
def test_the_mean_error_on_other_images_is_less_than_with_plain_rounding(gptq: bool, tmp_path: Path) -> None:
    model = quantized(tmp_path)
    fit_weights(model, feeds(), FitOptions(gptq=gptq))
    model.save(tmp_path / "ours.onnx")
    other = feeds(30)[6:]

    def mean_error(file: str) -> float:
        differences = [logits(tmp_path / file, feed) - logits(tmp_path / "float.onnx", feed) for feed in other]
        return float(np.abs(np.mean(differences, axis=0)).sum())

    assert mean_error("ours.onnx") < 0.5 * mean_error("q.onnx")


def test_kernels_of_bounded_layers_compute_what_the_graph_says(tmp_path: Path) -> None:
    model = quantized(tmp_path)
    fit_weights(model, feeds(), FitOptions())
    errors = kernel_errors(model, feeds(2))
    assert {"stem", "first", "grouped", "depthwise", "point"} <= errors.keys()
    assert all(error.steps <= 1.01 for error in errors.values()), errors


def test_the_graph_is_that_of_the_quantizer(tmp_path: Path) -> None:
    model = quantized(tmp_path)
    fit_weights(model, feeds(), FitOptions())
    model.save(tmp_path / "ours.onnx")
    before, after = onnx.load(tmp_path / "q.onnx"), onnx.load(tmp_path / "ours.onnx")
    assert before.graph.node == after.graph.node
    assert {t.name: (t.data_type, tuple(t.dims)) for t in before.graph.initializer} == {
        t.name: (t.data_type, tuple(t.dims)) for t in after.graph.initializer
    }


def test_ranges_leave_out_the_outermost_values_and_contain_zero(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["y"], ["z"])]
    shape = [None, 4, 250, 250]
    graph = helper.make_graph(
        nodes,
        "ranges",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    random = np.random.default_rng(0)
    images = [{"x": random.standard_normal((1, 4, 250, 250), dtype=np.float32)} for _ in range(4)]
    images[2]["x"][0, 0, 0, :2] = 90.0, -60.0  # two of a million
    found = value_ranges(tmp_path / "m.onnx", ["x", "y", "z", "absent"], lambda: iter(images))
    x = np.concatenate([image["x"].ravel() for image in images])
    bins = 150 / 4096  # the histogram's resolution
    assert found["x"] == pytest.approx(np.quantile(x, [OUTERMOST / 2, 1 - OUTERMOST / 2]), abs=2 * bins)
    high = np.quantile(np.maximum(x, 0), 1 - OUTERMOST / 2)
    assert found["y"] == (0.0, pytest.approx(high, abs=2 * bins))
    assert found["z"] == (pytest.approx(-high, abs=2 * bins), 0.0)
    assert found.keys() <= {"x", "y", "z", "absent"}
    assert max(found["x"]) < 10


def test_the_budget_ends_a_fit(tmp_path: Path) -> None:
    with pytest.raises(BudgetExceededError):
        fit_weights(quantized(tmp_path), feeds(), FitOptions(), deadline=0.0)


def test_a_product_and_the_sum_of_its_bias_become_one_layer(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    tensors = {"w": random.standard_normal((6, 4), dtype=np.float32), "b": random.standard_normal(4, dtype=np.float32)}
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["product"]), helper.make_node("Add", ["product", "b"], ["logits"])],
        "linear",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 6])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "float.onnx")
    assert prepare(tmp_path / "float.onnx", tmp_path / "joined.onnx")
    joined = onnx.load(tmp_path / "joined.onnx")
    assert [node.op_type for node in joined.graph.node] == ["Gemm"]
    x = random.standard_normal((3, 6), dtype=np.float32)
    session = onnxruntime.InferenceSession(tmp_path / "joined.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"x": x})
    np.testing.assert_allclose(logits, x @ tensors["w"] + tensors["b"], rtol=1e-5)
