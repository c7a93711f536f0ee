"""The logits of the emitted networks are those of independent implementations with the same weights."""

from __future__ import annotations

import numpy as np
import pytest

from resdsl.passes import LEVELS, optimize
from resdsl.passes.drop_aux import drop_aux

from .running import image_of, reference_weights, run
from .shipped import graph_of, reference, reference_names

LIGHT = ("resnet18", "resnet34", "resnet50")
NETWORKS = [pytest.param(name, marks=pytest.mark.parity(heavy=name not in LIGHT)) for name in reference_names()]


@pytest.mark.parametrize("level", [0, len(LEVELS) - 1], ids=["as-written", "folded"])
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_the_reference_s(name: str, level: int) -> None:
    wanted = reference(name)
    weights = reference_weights(wanted["state_dict"], tuple(wanted["bn_gamma"]))

    found = run(optimize(drop_aux(graph_of(name)), level), weights, image_of(wanted["input"]))["logits"]

    expected = np.array(wanted["logits"], dtype=np.float32)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
