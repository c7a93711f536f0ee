"""Dropout in training: a mask from the seed, the same on every machine."""

from __future__ import annotations

import numpy as np

from . import small

TEXT = "model one {{ input x: f32[N, 2000];  dropout({rate});  fc: linear(2, bias = false);  output y }}"
_WORD = 2**32 - 1


def _hash(value: int) -> int:
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
        value = ((value ^ value >> shift) * factor) & _WORD
    return value ^ value >> 15


def _kept(rate: float, seed: int, place: int, count: int) -> np.ndarray:
    """The mask in Python's integers."""
    key = _hash(_hash(seed) + place * 0x9E3779B1 % 2**32 & _WORD)
    return np.array([_hash(_hash(index) + key & _WORD) >= round(rate * 2**32) for index in range(count)])


def _gradients(rate: float, seed: int) -> np.ndarray:
    """The gradient of the first weight of each feature, for an image of ones."""
    graph = small.graph(TEXT.format(rate=rate))
    values = {name: np.zeros_like(value) for name, value in small.tensors(graph).items()}
    _, stepper = small.stepper(graph, values, momentum=0.0)
    stepper.run(np.ones((1, 2000), np.float32), np.array([0]), learning_rate=1.0, seed=seed)
    found: np.ndarray = stepper.parameters()["fc.weight"][0]
    return found


def test_what_is_kept_is_scaled_by_the_share_that_is_kept() -> None:
    for rate in (0.25, 0.5):
        found = _gradients(rate, seed=1)
        # With weights of 0 both classes have a probability of a half.
        assert set(np.unique(np.round(found, 5))) == {np.float32(0), np.round(np.float32(0.5 / (1 - rate)), 5)}
        # Of 2000 draws: within five standard deviations.
        assert abs((found > 0).mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / 2000)


def test_the_mask_is_the_hash_of_seed_place_and_index() -> None:
    for seed in (0, 7, 2**31 - 1):
        assert np.array_equal(_gradients(0.5, seed) > 0, _kept(0.5, seed, 1, 2000))


def test_masks_of_other_seeds_and_other_places_are_unrelated() -> None:
    masks = [_kept(0.5, seed, place, 2000) for seed in (0, 1, 2) for place in (1, 2)]
    for one in range(len(masks)):
        for other in range(one):
            assert abs((masks[one] == masks[other]).mean() - 0.5) < 5 * np.sqrt(0.25 / 2000)


def test_the_value_and_its_gradient_have_the_same_mask() -> None:
    text = "model one { input x: f32[N, 8];  a: linear(6, bias = false);  dropout(0.5);  fc: linear(2);  output y }"
    graph = small.graph(text)
    values = small.tensors(graph)
    images, classes = small.batch(graph, classes=2)
    _, stepper = small.stepper(graph, values, momentum=0.0)
    result = stepper.run(images, classes, learning_rate=1.0, seed=3)
    mask = _kept(0.5, 3, 2, 5 * 6).reshape(5, 6) * 2.0
    hidden = images @ values["a.weight"].T * mask
    logits = hidden @ values["fc.weight"].T + values["fc.bias"]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    rows = np.eye(2)[classes]
    assert abs(result.loss + (rows * np.log(shares)).sum() / 5) < 1e-5
    upward = (shares - rows) / 5 @ values["fc.weight"] * mask
    np.testing.assert_allclose(
        values["a.weight"] - stepper.parameters()["a.weight"], upward.T @ images, rtol=1e-4, atol=1e-6
    )
