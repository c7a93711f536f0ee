"""Random initialisation: its distribution, and what it depends on."""

from __future__ import annotations

import subprocess
import sys
from hashlib import blake2b
from math import sqrt

import numpy as np
import pytest

from resdsl.ir.initializers import ONES, ZEROS, Constant, VarianceScaling
from resdsl.weights.initial import Scheme, zero_init_residual
from resdsl.weights.sampling import filler, initial_value

from ..building import build, shipped

SHAPE = (64, 32, 3, 3)
COUNT = 64 * 32 * 3 * 3
FAN_IN, FAN_OUT = 32 * 9, 64 * 9
KERNEL = VarianceScaling(FAN_IN, FAN_OUT)

# Variances from the papers that the schemes are named in.
VARIANCES = {
    Scheme.HE_NORMAL: 2 / FAN_IN,
    Scheme.HE_NORMAL_FAN_OUT: 2 / FAN_OUT,
    Scheme.HE_UNIFORM: 2 / FAN_IN,
    Scheme.XAVIER_UNIFORM: 2 / (FAN_IN + FAN_OUT),
    Scheme.LECUN_NORMAL: 1 / FAN_IN,
}


@pytest.mark.parametrize("scheme", VARIANCES)
def test_kernels_have_the_mean_and_the_variance_of_their_scheme(scheme: Scheme) -> None:
    values = initial_value("layer.weight", SHAPE, KERNEL, 0, scheme).astype(np.float64)
    variance = VARIANCES[scheme]
    # Standard errors of the mean, and of the variance: at most that of a normal distribution, whose kurtosis is 3.
    assert abs(values.mean()) < 5 * sqrt(variance / COUNT)
    assert abs(values.var() - variance) < 5 * variance * sqrt(2 / COUNT)


@pytest.mark.parametrize("scheme", [Scheme.HE_UNIFORM, Scheme.XAVIER_UNIFORM])
def test_uniform_kernels_fill_their_range_and_do_not_leave_it(scheme: Scheme) -> None:
    values = initial_value("layer.weight", SHAPE, KERNEL, 0, scheme)
    bound = sqrt(3 * VARIANCES[scheme])
    assert 0.999 * bound < np.abs(values).max() <= bound * (1 + 1e-6)


@pytest.mark.parametrize("scheme", [Scheme.HE_NORMAL, Scheme.HE_NORMAL_FAN_OUT, Scheme.LECUN_NORMAL])
def test_normal_kernels_have_the_tails_of_a_normal_distribution(scheme: Scheme) -> None:
    values = initial_value("layer.weight", SHAPE, KERNEL, 0, scheme) / sqrt(VARIANCES[scheme])
    # Beyond one, two and three standard deviations: 31.73 %, 4.55 % and 0.27 %.
    for deviations, share in ((1, 0.3173), (2, 0.0455), (3, 0.0027)):
        found = float((np.abs(values) > deviations).mean())
        assert abs(found - share) < 5 * sqrt(share * (1 - share) / COUNT)


def test_a_linear_layer_counts_its_inputs_as_fan_in() -> None:
    values = initial_value("fc.weight", (300, 500), VarianceScaling(500, 300), 0).astype(np.float64)
    assert abs(values.var() - 2 / 500) < 5 * 2 / 500 * sqrt(2 / values.size)


def test_constants_are_their_value_under_every_scheme() -> None:
    for scheme in Scheme:
        assert (initial_value("bn.weight", (7,), ONES, 0, scheme) == 1).all()
        assert (initial_value("act.weight", (7,), Constant(0.25), 0, scheme) == 0.25).all()
        assert (initial_value("bn.bias", (7,), ZEROS, 0, scheme) == 0).all()
    assert not initial_value("conv.weight", (2, 3, 1, 1), KERNEL, 0, Scheme.ZEROS).any()


def test_a_tensor_depends_on_the_seed_and_on_its_own_name() -> None:
    one = initial_value("a.weight", (64,), KERNEL, 1)
    assert (initial_value("a.weight", (64,), KERNEL, 1) == one).all()
    assert (initial_value("a.weight", (64,), KERNEL, 2) != one).any()
    assert (initial_value("b.weight", (64,), KERNEL, 1) != one).any()
    # The seed and the name do not run into each other.
    assert (initial_value("1", (64,), KERNEL, 1) != initial_value("", (64,), KERNEL, 11)).any()


def test_another_process_draws_the_same_bytes() -> None:
    code = (
        "import sys; from resdsl.weights.sampling import initial_value;"
        "from resdsl.ir.initializers import VarianceScaling;"
        "sys.stdout.write(initial_value('conv1.weight', (4, 3, 7, 7), VarianceScaling(147, 196), 5).tobytes().hex())"
    )
    drawn = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert drawn == initial_value("conv1.weight", (4, 3, 7, 7), VarianceScaling(147, 196), 5).tobytes().hex()


def test_adding_a_layer_changes_no_other_tensor() -> None:
    head = "model net() {\n  input x: f32[N, 3, 8, 8]\n  a: conv(4, 3x3)\n"
    small, large = build(head + "output y\n}\n"), build(head + "b: conv(4, 3x3)\n  output y\n}\n")
    (name,) = small.parameters
    values = [initial_value(name, graph.parameters[name].shape, KERNEL, 0) for graph in (small, large)]
    assert (values[0] == values[1]).all()


def started_at_zero(graph_name: str) -> list[str]:
    graph = shipped(graph_name)
    changed = zero_init_residual(graph)
    return [name for name, parameter in changed.parameters.items() if parameter.source != graph.parameters[name].source]


@pytest.mark.parametrize(
    ("name", "norm", "blocks"),
    # Blocks in each stage: He et al. 2015, table 1. SE: the norm before the gate, as timm's `zero_init_last`.
    [("resnet18", "bn2", (2, 2, 2, 2)), ("resnet50", "bn3", (3, 4, 6, 3)), ("seresnet50", "bn3", (3, 4, 6, 3))],
)
def test_the_last_norm_of_every_residual_starts_at_zero(name: str, norm: str, blocks: tuple[int, ...]) -> None:
    assert started_at_zero(name) == [
        f"layer{stage}.{block}.{norm}.weight" for stage, count in enumerate(blocks, start=1) for block in range(count)
    ]


def test_a_norm_is_found_through_a_scale() -> None:
    graph = build(
        "model net() {\n  input x: f32[N, 3, 8, 8]\n  residual(scale = 0.5) { a: conv(3, 3x3); n: bn }\n  output y\n}\n"
    )
    (name,) = [name for name, parameter in zero_init_residual(graph).parameters.items() if name == "n.weight"]
    assert zero_init_residual(graph).parameters[name].source == ZEROS


def test_every_kind_of_norm_can_start_at_zero() -> None:
    for norm in ("group_norm(1)", "layer_norm", "instance_norm(affine = true)"):
        graph = build(
            f"model net() {{ input x: f32[N, 3, 8, 8]; residual {{ a: conv(3, 3x3); n: {norm} }}; output y }}\n"
        )
        assert zero_init_residual(graph).parameters["n.weight"].source == ZEROS


def test_a_main_path_that_ends_with_a_convolution_is_left_alone() -> None:
    assert started_at_zero("resnetv2_50") == []


def drawn(seed: int, name: str) -> np.random.Generator:
    """What the values of a seed and a name are drawn from, and were from the first version on."""
    number = int.from_bytes(blake2b(f"{seed}:{name}".encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.PCG64(number))


@pytest.mark.parametrize("seed", [0, 7, -1, 2**70])
def test_the_values_of_a_seed_and_a_name_stay_what_they_are(seed: int) -> None:
    kernel = VarianceScaling(10, 3)
    for number in range(50):
        name = f"layer{number}.weight"
        normal = drawn(seed, name).standard_normal(30, np.float32) * np.float32(sqrt(2 / 10))
        assert initial_value(name, (3, 10), kernel, seed).tobytes() == normal.tobytes()
        uniform = (drawn(seed, name).random(30, np.float32) - np.float32(0.5)) * np.float32(2 * sqrt(6 / 10))
        assert initial_value(name, (3, 10), kernel, seed, Scheme.HE_UNIFORM).tobytes() == uniform.tobytes()


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("count", [1, 7, 1000])
def test_values_are_the_same_however_they_are_divided(scheme: Scheme, count: int) -> None:
    fill = filler("conv1.weight", KERNEL, 0, scheme)
    parts = [np.empty(min(count, 9408 - start), np.float32) for start in range(0, 9408, count)]
    for part in parts:
        fill(part)
    whole = initial_value("conv1.weight", (64, 3, 7, 7), KERNEL, 0, scheme)
    assert np.concatenate(parts).tobytes() == whole.tobytes()
