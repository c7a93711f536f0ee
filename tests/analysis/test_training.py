"""What a training step costs, and the signal at initialisation."""

from __future__ import annotations

import numpy as np
import pytest

from resdsl.analysis.signal import signal, signal_warnings
from resdsl.analysis.training import largest_batch, training_cost
from resdsl.weights.initial import Scheme
from resdsl.weights.sampling import initial_value

from ..building import build, network, shipped

SMALL = network("c1: conv(4, 3x3);  bn: bn;  relu;  c2: conv(8, 1x1, stride = 2);  flatten;  fc: linear(5)\n  output y")

# By hand: outputs x products each.
C1, C2, FC = 4 * 8 * 8 * 3 * 9, 8 * 4 * 4 * 4, 5 * 8 * 4 * 4


def test_a_step_has_three_times_the_products_but_for_the_gradient_of_the_images() -> None:
    cost = training_cost(SMALL, 10)
    assert cost.forward_macs == 10 * (C1 + C2 + FC)
    assert cost.macs == 10 * (2 * C1 + 3 * C2 + 3 * FC)


def test_layers_before_the_first_trained_one_cost_their_forward_pass_alone() -> None:
    cost = training_cost(SMALL, 1, frozen=lambda name: name.startswith(("c1.", "bn.", "c2.")))
    assert cost.macs == C1 + C2 + 2 * FC
    trained = 5 * 8 * 4 * 4 + 5
    assert cost.gradients == 4 * trained


def test_memory_is_that_of_weights_gradients_state_and_values() -> None:
    weights = 4 * 3 * 9 + 2 * 4 + 8 * 4 + 5 * 128 + 5
    statistics = 2 * 4
    # c1, bn and relu; c2; flatten; fc.
    values = 3 * 4 * 64 + 8 * 16 + 128 + 5
    for optimizer, states in (("sgd", 1), ("adamw", 2)):
        cost = training_cost(SMALL, 3, optimizer=optimizer)
        assert cost.parameters == 4 * (weights + statistics)
        assert (cost.gradients, cost.optimizer) == (4 * weights, 4 * states * weights)
        assert cost.activations == 3 * 4 * values
        # The columns of c1: each pixel once for each of 3 * 9 points; and the gradients of two of its values.
        working = 64 * 27 + 2 * 4 * 64
        assert cost.working == 3 * 4 * working
        assert cost.bytes == 4 * (weights + statistics) + 4 * (1 + states) * weights + 12 * (values + working)


def test_columns_of_depthwise_convolutions_add_up() -> None:
    one = "conv(channels, 3x3, groups = channels)"
    once, twice = (
        training_cost(network(f"{'; '.join([one] * count)}; flatten; f: linear(2)\n  output y"), 1) for count in (1, 2)
    )
    gradients = 2 * 4 * 3 * 64
    assert (once.working, twice.working) == (gradients + 4 * 3 * 64 * 9, gradients + 2 * 4 * 3 * 64 * 9)


def test_the_largest_batch_is_the_last_that_fits() -> None:
    cost = training_cost(SMALL, 7)
    fits = largest_batch(cost, 1_000_000)
    assert isinstance(training_cost(SMALL, fits).bytes, int)
    assert training_cost(SMALL, fits).bytes <= 1_000_000 < training_cost(SMALL, fits + 1).bytes  # type: ignore[operator]
    assert largest_batch(cost, 100) == 0


def test_sizes_may_be_symbolic() -> None:
    graph = build("model m() {\n  input x: f32[N, 3, H, W]\n  c: conv(4, 3x3)\n  output y\n}\n")
    cost = training_cost(graph, 2)
    assert not isinstance(cost.macs, int)
    assert not isinstance(cost.bytes, int)


@pytest.mark.parametrize("scheme", [Scheme.HE_NORMAL, Scheme.XAVIER_UNIFORM, Scheme.LECUN_NORMAL])
@pytest.mark.parametrize(
    "activation", ["relu", "tanh", "silu", "gelu", "sigmoid", "leaky_relu", "elu", "hard_swish", "relu6"]
)
def test_moments_are_those_of_random_values_through_random_layers(scheme: Scheme, activation: str) -> None:
    graph = network(f"a: linear(512, bias = false);  {activation};  b: linear(512, bias = false)\n  output y", "N, 512")
    functions = {
        "relu": lambda x: np.maximum(x, 0),
        "tanh": np.tanh,
        "silu": lambda x: x / (1 + np.exp(-x)),
        "gelu": lambda x: x / 2 * (1 + np.vectorize(__import__("math").erf)(x / np.sqrt(2))),
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "leaky_relu": lambda x: np.where(x >= 0, x, 0.01 * x),
        "elu": lambda x: np.where(x >= 0, x, np.expm1(x)),
        "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
        "relu6": lambda x: np.clip(x, 0, 6),
    }
    x = np.random.default_rng(0).normal(size=(200, 512))
    first, second = (
        initial_value(one.name, one.shape, one.source, 0, scheme).astype(np.float64)  # type: ignore[arg-type]
        for one in graph.parameters.values()
    )
    a = x @ first.T
    y = functions[activation](a)
    b = y @ second.T
    for found, values in zip(signal(graph, scheme.variance)[1:], (a, y, b), strict=True):
        assert found.square == pytest.approx((values**2).mean(), rel=0.15)
        assert found.mean == pytest.approx(values.mean(), abs=0.15 * np.sqrt((values**2).mean()))


def test_residuals_add_variances_and_norms_take_them_away() -> None:
    graph = network("residual { bn;  c: conv(channels, 3x3) }\n  bn\n  output y")
    moments = signal(graph, Scheme.LECUN_NORMAL.variance)
    assert [value.variance for value in moments] == pytest.approx([1, 1, 1, 2, 1])


def test_concatenated_channels_have_the_mean_of_the_squares() -> None:
    graph = network("concat { identity; c: conv(9, 1x1) }\n  output y")
    # 3 channels of variance 1 and 9 of variance 2.
    assert signal(graph, Scheme.HE_NORMAL.variance)[-1].variance == pytest.approx((3 + 9 * 2) / 12)


def plain(layers: int, body: str) -> str:
    return (
        f"model m() {{\n  input x: f32[N, 64, 8, 8]\n  l: {layers} x {{ {body} }}\n"
        "  avgpool(global);  flatten;  fc: linear(10)\n  output y\n}\n"
    )


@pytest.mark.parametrize(
    ("body", "scheme", "word"),
    [
        ("conv(64, 3x3); relu", Scheme.HE_NORMAL, None),
        ("conv(64, 3x3); relu", Scheme.XAVIER_UNIFORM, "dies"),
        ("residual { conv(64, 3x3); relu; conv(64, 3x3) }", Scheme.HE_NORMAL, "explodes"),
        ("residual { conv(64, 3x3); bn; relu; conv(64, 3x3); bn }; relu", Scheme.HE_NORMAL, None),
    ],
)
def test_a_signal_that_dies_or_explodes_is_reported_where_it_does(body: str, scheme: Scheme, word: str | None) -> None:
    warnings = list(signal_warnings(build(plain(40, body)), scheme.variance))
    assert len(warnings) == (word is not None)
    if word is not None:
        assert f"the signal {word}" in warnings[0].message
        assert warnings[0].primary is not None


def test_half_of_the_signal_is_lost_in_each_layer_of_xavier_and_relu() -> None:
    moments = signal(build(plain(8, "conv(64, 3x3); relu")), Scheme.XAVIER_UNIFORM.variance)
    # The input has not gone through a ReLU: the first layer loses nothing.
    assert moments[16].square == pytest.approx(0.5**8, rel=1e-3)


@pytest.mark.parametrize("name", ["resnet50", "plain34", "densenet121", "inception_v3", "mobilenet_v2", "resnetv2_50"])
def test_networks_that_are_known_to_train_have_no_warning(name: str) -> None:
    assert list(signal_warnings(shipped(name), Scheme.HE_NORMAL.variance)) == []
