"""Which candidates for an int8 model are tried, and which of them is chosen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import resdsl
from resdsl.tools.quantize.agreement import Agreement, OutputComparison
from resdsl.tools.quantize.candidates import Candidate, Recipe
from resdsl.tools.quantize.search import choose, is_worse, keepable, recipes
from resdsl.tools.quantize.speed import gain

GOOD, BAD = (0.999, 1.5), (0.9, 1.5)
"""Cosine, and how many times as fast: what reaches the goal, and what doesn't."""


def candidate(
    recipe: Recipe | str,
    cosine: float | list[float],
    gain: float = 1.5,
    *,
    saturating: tuple[str, ...] = (),
    agree: int = 10,
) -> Candidate:
    """A candidate with this mean cosine, or with these scores of single images; ``agree`` of 10 images."""
    recipe = Recipe(recipe) if isinstance(recipe, str) else recipe
    scores = cosine if isinstance(cosine, list) else [cosine]
    mean = sum(scores) / len(scores)
    agreement = Agreement("logits", min(scores), mean, mean, 20.0, agree, 10, tuple(scores))
    return Candidate(recipe, seconds=1.0, saturating=saturating, agreement=agreement, gain=gain)


def chosen(*candidates: Candidate) -> Candidate:
    return candidates[choose(candidates, "any", lambda: True)]


# --- the choice ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "saturates", "method"),
    [("any", True, "minmax"), ("any", False, "gptq"), ("vnni", False, "minmax"), ("vnni", True, "minmax")],
)
def test_a_measurement_counts_where_it_holds(target: str, saturates: bool, method: str) -> None:
    candidates = [
        candidate("minmax", 0.999, saturating=("conv1",)),
        candidate("nearest", 0.99),
        candidate("gptq", 0.995),
        Candidate(Recipe("gptq", "percentile"), seconds=0.0, problem="not finished within the budget"),
    ]
    assert candidates[choose(candidates, target, lambda: saturates)].method == method


def test_the_only_candidate_is_chosen_although_it_can_saturate() -> None:
    assert choose([candidate("minmax", 0.9, saturating=("conv1",))], "any", lambda: False) == 0


def test_the_goal_counts_before_the_score() -> None:
    fast = candidate("gptq", 0.985, 1.4)
    precise = candidate(Recipe("gptq", keep=("conv1",)), 0.999, 1.1)
    assert chosen(candidate("minmax", 0.9, 1.4), fast, precise) is fast


def test_without_the_goal_a_slow_candidate_is_not_chosen() -> None:
    nearly, slow = candidate(Recipe("gptq", keep=("a",)), 0.95, 1.15), candidate("gptq", 0.97, 0.9)
    fastest = candidate(Recipe("gptq", operators="layers"), 0.94, 1.2)
    assert chosen(slow, fastest, nearly) is nearly


def test_the_most_faithful_is_chosen_where_int8_is_slower() -> None:
    slowest = candidate(Recipe("gptq", keep=("a",)), 0.97, 0.4)
    assert chosen(candidate("gptq", 0.9, 0.8), slowest, candidate("nearest", 0.85, 0.9)) is slowest


@pytest.mark.parametrize("slowest", [0.4, 0.9])
def test_a_faithful_candidate_is_chosen_before_a_fast_one(slowest: float) -> None:
    faithful = candidate(Recipe("gptq", ranges="channels", operators="layers"), 0.99, slowest)
    assert chosen(candidate("minmax", 0.7, 1.2), candidate("gptq", 0.9, 1.2), faithful) is faithful
    # The speed counts among those that are.
    assert chosen(fast := candidate("gptq", 0.985, 1.2), faithful) is fast


def test_a_speed_within_the_error_of_measurements_is_none() -> None:
    slower = candidate(Recipe("gptq", operators="layers"), 0.97, 0.85)
    assert chosen(candidate("minmax", 0.9, 1.04), slower) is slower


def test_no_candidate_is_chosen_that_is_worse_than_the_default_of_onnx_runtime() -> None:
    default = candidate("minmax", 0.97, 0.8)
    assert chosen(default, candidate(Recipe("gptq", operators="layers"), 0.9, 1.2)) is default


# --- the error of the images -----------------------------------------------------------------------------------------

PERCENTILE = Recipe("gptq", ranges="percentile")
IMAGES = [0.990, 0.984, 0.995, 0.981, 0.992, 0.986, 0.997, 0.988]
"""Scores of single images, which differ by more than candidates do."""

CHANCE = [
    image + change for image, change in zip(IMAGES, [4e-3, -3e-3, 2e-3, 5e-3, -4e-3, 3e-3, -2e-3, 1e-3], strict=True)
]
"""Better by 7.5e-4 on average; the differences have a standard deviation of 3.3e-3, so the standard error is 1.2e-3."""

GAIN = [
    image + change for image, change in zip(IMAGES, [4e-4, 9e-4, 7e-4, 5e-4, 8e-4, 1e-3, 6e-4, 1.1e-3], strict=True)
]
"""Better by the same on average, and for each image: the standard error is 8.7e-5."""


def test_a_better_score_by_chance_does_not_clip_ranges() -> None:
    plain = candidate("gptq", IMAGES)
    assert chosen(candidate("minmax", 0.9), plain, candidate(PERCENTILE, CHANCE)) is plain


def test_a_better_score_of_all_images_clips_ranges() -> None:
    better = candidate(PERCENTILE, GAIN)
    assert chosen(candidate("minmax", 0.9), candidate("gptq", IMAGES), better) is better


def test_the_goal_is_judged_within_the_error_too() -> None:
    # 8 of 10 images instead of 9 is chance where the cosines are.
    plain = candidate("gptq", IMAGES, agree=8)
    assert chosen(plain, candidate(PERCENTILE, CHANCE, agree=9)) is plain
    better = candidate(PERCENTILE, GAIN, agree=9)
    assert chosen(plain, better) is better


def test_gptq_is_chosen_before_nearest_where_neither_is_better() -> None:
    gptq, nearest = candidate("gptq", IMAGES), candidate("nearest", CHANCE)
    assert chosen(nearest, gptq) is gptq
    nearest = candidate("nearest", GAIN)
    assert chosen(nearest, gptq) is nearest


def test_layers_are_kept_for_a_gain_beyond_the_error_only() -> None:
    slow = candidate("gptq", IMAGES, 0.7)
    assert chosen(slow, candidate(Recipe("gptq", keep=("a",)), CHANCE, 0.7)) is slow
    kept = candidate(Recipe("gptq", keep=("a",)), GAIN, 0.7)
    assert chosen(slow, kept) is kept


def test_without_a_faithful_candidate_the_best_is_chosen_and_not_the_simplest() -> None:
    low, by_chance = ([score - 0.1 for score in scores] for scores in (IMAGES, CHANCE))
    better = candidate(Recipe("gptq", ranges="channels", operators="layers"), by_chance, 0.7)
    assert chosen(candidate("minmax", 0.8, 0.7), candidate("gptq", low, 0.7), better) is better
    # Nor one that is faithful by chance: the simplest is as good as it within the error, and is not.
    simplest = candidate("gptq", IMAGES, 0.7, agree=8)
    lucky = candidate(Recipe("gptq", keep=("a",)), CHANCE, 0.7)
    better = candidate(better.recipe, [score + 1e-3 for score in CHANCE], 0.7, agree=8)
    assert chosen(simplest, lucky, better) is better
    # The others remain within the error where the simplest is faithful.
    simplest, better = candidate("gptq", IMAGES, 0.7), candidate(better.recipe, CHANCE, 0.7)
    assert chosen(candidate("minmax", 0.8, 0.7), simplest, better) is simplest


def test_the_default_of_onnx_runtime_is_chosen_where_it_is_better_beyond_the_error() -> None:
    gptq = candidate("gptq", IMAGES)
    assert chosen(candidate("minmax", CHANCE), gptq) is gptq
    default = candidate("minmax", GAIN)
    assert chosen(default, gptq) is default


def test_outputs_that_are_no_numbers_are_worse() -> None:
    assert is_worse(candidate("nearest", [math.nan] * 8), candidate("gptq", IMAGES))
    assert not is_worse(candidate("gptq", IMAGES), candidate("nearest", [math.nan] * 8))


# --- the score -------------------------------------------------------------------------------------------------------


def compared(originals: list[list[float]], quantized: list[list[float]]) -> Agreement:
    comparison = OutputComparison()
    for one, other in zip(originals, quantized, strict=True):
        comparison.add(np.float32([one]), np.float32([other]))
    return comparison.agreement("logits")


def test_the_score_is_the_error_against_what_images_differ_by() -> None:
    # The mean is (1, 0); the squared distances from it are 4, 4 and 0, so the variance is 8 / 3.
    originals = [[3.0, 0.0], [-1.0, 0.0], [1.0, 0.0]]
    found = compared(originals, [[3.0, 1.0], [-1.0, 0.0], [1.0, 2.0]])
    assert found.scores == pytest.approx([8 / 11, 1, 8 / 20])
    assert found.score == pytest.approx((8 / 11 + 1 + 8 / 20) / 3)


def test_an_image_near_the_mean_does_not_decide() -> None:
    originals = [[4.0, 0.0], [-4.0, 0.0], [0.0, 4.0], [0.0, -4.0], [0.1, 0.1]]
    # The direction from the mean is wrong for the last image only, or for all others by 27 degrees.
    small = compared(originals, [*originals[:4], [-0.1, -0.1]])
    large = compared(originals, [[4.0, 2.0], [-4.0, 2.0], [2.0, 4.0], [2.0, -4.0], [0.1, 0.1]])
    assert small.centred is not None
    assert large.centred is not None
    assert small.centred < large.centred
    assert small.score > large.score


def test_outputs_that_do_not_differ_are_compared_by_their_cosine() -> None:
    found = compared([[1.0, 0.0]] * 2, [[1.0, 0.0], [1.0, 1.0]])
    assert found.scores == pytest.approx([1, 0.5**0.5])
    assert compared([[1.0, 0.0]], [[1.0, 1.0]]).score == pytest.approx(0.5**0.5)


# --- the speed -------------------------------------------------------------------------------------------------------


def test_the_speed_is_that_against_the_original(tmp_path: Path) -> None:
    for layers in (1, 12):
        body = ";  ".join(f"conv{number}: conv(64, 3x3)" for number in range(layers))
        text = f"model m {{\n  input x: f32[N, 64, 32, 32]\n  {body}\n  output y\n}}\n"
        resdsl.compile(resdsl.loads(text), tmp_path / f"{layers}.onnx")
    feed = {"x": np.ones((1, 64, 32, 32), np.float32)}
    # 12 times the products, whatever else the machine does.
    assert 3 < gain(tmp_path / "12.onnx", tmp_path / "1.onnx", feed) < 40
    assert 1 / 40 < gain(tmp_path / "1.onnx", tmp_path / "12.onnx", feed) < 1 / 3


# --- the search ------------------------------------------------------------------------------------------------------


def tried(
    measured: Callable[[Recipe], tuple[float, float] | None], recipe: Recipe, *, scalable: bool = True
) -> list[str]:
    """The names of what is tried, where each recipe has the cosine and speed that ``measured`` says; none: it fails."""
    candidates: list[Candidate] = []

    def keep() -> Iterator[tuple[str, ...]]:
        return keepable(("dw1", "dw2", "dw3"), ("a", "dw2", "b", "dw1", "dw3"))

    def best() -> Candidate:
        return candidates[choose(candidates, "any", lambda: True)]

    for one in recipes(recipe, candidates, best, keep, lambda: scalable):
        found = measured(one)
        failed = Candidate(one, seconds=1.0, problem="no")
        candidates.append(failed if found is None else candidate(one, *found))
    return [one.name for one in candidates]


FIRST = ["minmax", "nearest", "gptq", "gptq, percentile ranges"]
LAYERS = "gptq, percentile ranges, layers only"
CHANNELS = "gptq, ranges of channels, layers only"


def test_the_search_ends_with_the_goal() -> None:
    assert tried(lambda _: GOOD, Recipe("best")) == FIRST
    assert tried(lambda recipe: GOOD if recipe.operators == "layers" else BAD, Recipe("best")) == [*FIRST, LAYERS]
    kept = tried(lambda recipe: GOOD if len(recipe.keep) == 1 else BAD, Recipe("best"))
    assert kept == [*FIRST, LAYERS, CHANNELS, "gptq, 3 layers kept", "gptq, 1 layer kept"]
    channels = tried(lambda recipe: GOOD if recipe.ranges == "channels" else BAD, Recipe("best"))
    assert channels == [*FIRST, LAYERS, CHANNELS]


def test_what_is_slow_is_searched_to_the_end_from_the_best() -> None:
    speeds = {"minmax": (0.8, 0.7), "nearest": (0.85, 0.7), "gptq": (0.9, 0.7)}
    names = tried(lambda recipe: speeds[recipe.method], Recipe("best"))
    kept = ["gptq, 3 layers kept", "gptq, 1 layer kept", "gptq, 2 layers kept", "gptq, 4 layers kept"]
    assert names == [*FIRST, LAYERS, CHANNELS, *kept]


def test_the_search_ends_with_the_budget() -> None:
    names = tried(lambda recipe: None if recipe.keep else (0.9, 0.7), Recipe("best"))
    assert names == [*FIRST, LAYERS, CHANNELS, "gptq, 3 layers kept"]


def test_ranges_of_channels_are_tried_where_channels_can_have_factors_and_once() -> None:
    assert CHANNELS not in tried(lambda _: BAD, Recipe("best"), scalable=False)
    assert tried(lambda _: BAD, Recipe("best", "channels", "layers")).count(CHANNELS) == 1


def test_some_layer_stays_in_int8() -> None:
    assert list(keepable((), ("a", "b"))) == [("a",)]
    assert list(keepable(("a", "b"), ("b", "a"))) == [("b",)]


def test_what_is_asked_for_is_all_that_is_tried() -> None:
    assert tried(lambda _: BAD, Recipe("entropy", reduce_range=True)) == ["entropy, 7-bit weights"]
    assert tried(lambda _: BAD, Recipe("gptq", "percentile", "layers")) == [LAYERS]


def test_a_model_whose_weights_cannot_be_fitted_is_quantized_all_the_same() -> None:
    def without_fits(recipe: Recipe) -> tuple[float, float] | None:
        return GOOD if recipe.method == "minmax" else None

    assert tried(without_fits, Recipe("best")) == FIRST
    assert tried(without_fits, Recipe("gptq")) == ["gptq", "minmax"]
