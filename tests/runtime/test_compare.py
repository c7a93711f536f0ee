"""Differences between values, against NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from resdsl.diagnostics.errors import RunError
from resdsl.runtime.session import Session
from resdsl.tools.compare.divergence import Tolerance, ValuePair, difference, differences

VALUE = ValuePair("a", "b", "Conv", is_output=False)


def test_a_difference_is_reported_in_numbers() -> None:
    a = np.float32([[3.0, 4.0], [0.0, 0.0]])
    b = np.float32([[3.0, 0.0], [0.0, 3.0]])
    found = difference(VALUE, a, b, Tolerance())
    assert (found.worst, found.mean) == (4.0, 7 / 4)
    assert found.scale == 2.5  # sqrt((9 + 16) / 4)
    assert found.cosine == pytest.approx(9 / (5 * np.sqrt(18)))
    assert found.outside == 2
    assert found.diverges


@pytest.mark.parametrize(
    ("tolerance", "diverges"),
    [
        (Tolerance(rtol=0.0, atol=0.5), False),
        (Tolerance(rtol=0.0, atol=0.49), True),
        (Tolerance(rtol=0.005, atol=0.0), False),
        (Tolerance(rtol=0.0049, atol=0.0), True),
    ],
)
def test_numbers_agree_within_the_sum_of_both_tolerances(tolerance: Tolerance, diverges: bool) -> None:
    assert difference(VALUE, np.float64([100.0]), np.float64([100.5]), tolerance).diverges == diverges


def test_a_small_number_among_large_ones_may_have_their_error() -> None:
    large = np.full(1000, 1000.0)
    a, b = np.append(large, 0.0), np.append(large, 0.05)
    assert not difference(VALUE, a, b, Tolerance()).diverges
    assert difference(VALUE, np.float64([0.0]), np.float64([0.05]), Tolerance()).diverges
    # A tenth of ``rtol``, of the root mean square.
    assert difference(VALUE, a, np.append(large, 5.0), Tolerance(rtol=0.01)).diverges
    assert not difference(VALUE, a, np.append(large, 5.0), Tolerance(rtol=0.1)).diverges


@pytest.mark.parametrize(
    ("a", "b", "diverges"),
    [
        ([np.nan], [np.nan], False),
        ([np.inf], [np.inf], False),
        ([np.inf], [-np.inf], True),
        ([np.inf, 1.0], [np.inf, 5.0], True),
        ([1.0], [np.nan], True),
        ([], [], False),
        ([0.0], [0.0], False),
    ],
)
def test_what_is_no_number_agrees_with_its_like_alone(a: list[float], b: list[float], diverges: bool) -> None:
    assert difference(VALUE, np.float32(a), np.float32(b), Tolerance()).diverges == diverges


def test_precisions_are_compared_as_numbers() -> None:
    found = difference(VALUE, np.float32([1.0, 2.0]), np.float16([1.0, 2.0]), Tolerance())
    assert (found.worst, found.cosine) == (0.0, pytest.approx(1.0))


def test_another_shape_is_a_divergence_and_is_reported() -> None:
    found = difference(VALUE, np.zeros((1, 2)), np.zeros((1, 3)), Tolerance())
    assert found.diverges
    assert found.misfit == "the other is [1, 3]"


def test_outputs_of_two_sessions_are_compared(open_model: Callable[..., Session]) -> None:
    one = open_model(weight=np.eye(3))
    other = open_model(weight=np.diag([1.0, 1.0, 1.5]))
    image = np.ones((1, 3, 2, 2), np.float32)
    (found,) = differences(one, other, [ValuePair("logits", "logits", "MatMul", True)], {"image": image}, Tolerance())
    assert (found.worst, found.mean, found.outside) == (0.5, pytest.approx(0.5 / 3), 1)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [(("N", 3, 4, 4), "takes [N, 3, 4, 4], and the input is [1, 3, 2, 2]"), (("N", 3, 4), "differ")],
)
def test_models_of_other_inputs_cannot_be_compared(
    shape: tuple[int | str, ...], expected: str, open_model: Callable[..., Session]
) -> None:
    one, other = open_model(), open_model(shape=shape)
    with pytest.raises(RunError) as caught:
        list(differences(one, other, [], {"image": np.ones((1, 3, 2, 2), np.float32)}, Tolerance()))
    assert caught.value.diagnostic.code.id == "E0838"
    assert expected in caught.value.diagnostic.message
