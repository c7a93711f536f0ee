"""Learning rates."""

from __future__ import annotations

import math

import pytest

from resdsl.tools.train.options import TrainOptions
from resdsl.tools.train.schedule import Decay, Schedule


def test_steps_fall_to_a_tenth_at_32k_and_48k_of_64k_as_in_the_paper() -> None:
    schedule = Schedule(0.1, 64_000, Decay.STEP)
    rates = {step: schedule.rate(step) for step in (0, 31_999, 32_000, 47_999, 48_000, 63_999)}
    assert rates == pytest.approx({0: 0.1, 31_999: 0.1, 32_000: 0.01, 47_999: 0.01, 48_000: 0.001, 63_999: 0.001})


def test_cosine_is_equation_5_of_sgdr() -> None:
    schedule = Schedule(0.2, 10, Decay.COSINE)
    assert [schedule.rate(step) for step in range(10)] == pytest.approx(
        [0.5 * 0.2 * (1 + math.cos(math.pi * step / 10)) for step in range(10)]
    )


@pytest.mark.parametrize("decay", list(Decay))
def test_warm_up_rises_evenly_to_the_peak(decay: Decay) -> None:
    schedule = Schedule(0.4, 100, decay, warmup=4)
    assert [schedule.rate(step) for step in range(4)] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert schedule.rate(4) == pytest.approx(0.4)


def test_constant_stays() -> None:
    assert {Schedule(0.3, 7, Decay.CONSTANT).rate(step) for step in range(7)} == {0.3}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 10, "accumulate": 3}, "does not divide"),
        ({"split": 1.0}, "split"),
    ],
)
def test_impossible_options_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainOptions(**changes)  # type: ignore[arg-type]


def test_the_learning_rate_follows_the_batch_and_pretrained_weights() -> None:
    assert TrainOptions(batch_size=256).peak_rate(pretrained=False) == pytest.approx(0.2)
    assert TrainOptions(batch_size=32).peak_rate(pretrained=True) == pytest.approx(0.0025)
    assert TrainOptions(optimizer="adamw").peak_rate(pretrained=False) == pytest.approx(1e-3)
