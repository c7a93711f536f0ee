"""Several networks averaged in one file."""

from __future__ import annotations

import numpy as np

from ..building import build
from .running import image_of, run, weights_for
from .shipped import graph_of

MEMBERS = {"a": "3x3, 8", "b": "1x1, 12", "c": "5x5, 4"}

MODEL = """
model {name}(classes = 7) {{
  input image: f32[N, 3, 12, 12]
  conv1: conv({width}, {kernel});  bn1: bn;  relu
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
  softmax
  output probabilities
}}
"""


def member(name: str) -> str:
    kernel, width = MEMBERS[name].split(", ")
    return MODEL.format(name=f"member_{name}", kernel=kernel, width=width)


ENSEMBLE = (
    "".join(map(member, MEMBERS))
    + """
model ensemble() {
  input image: f32[N, 3, 12, 12]
  mean { a: member_a(); b: member_b(); c: member_c() }
  output probabilities
}
"""
)


def test_an_ensemble_is_the_mean_of_its_members_probabilities() -> None:
    ensemble = build(ENSEMBLE, "ensemble")
    weights = weights_for(ensemble)
    image = image_of([2, 3, 12, 12])
    alone = [
        run(build(member(name)), lambda tensor, name=name: weights(f"{name}.{tensor}"), image)["probabilities"]
        for name in MEMBERS
    ]
    found = run(ensemble, weights, image)
    assert list(found) == ["probabilities"]
    np.testing.assert_allclose(found["probabilities"], np.mean(alone, axis=0), rtol=1e-5)
    # The members differ, so that a mean of one of them alone would be seen.
    assert np.abs(alone[0] - alone[1]).max() > 1e-3


def test_the_winning_ensemble_has_its_members_tensors_below_their_labels() -> None:
    wanted = {
        f"{label}.{tensor}": parameter.shape
        for label, name in zip("abc", ("resnet50", "resnet101", "resnet152"), strict=True)
        for tensor, parameter in graph_of(name).parameters.items()
    }
    ensemble = graph_of("ensemble_resnet")
    assert {name: parameter.shape for name, parameter in ensemble.parameters.items()} == wanted
    assert [(output.name, str(ensemble.nodes[output.node].type)) for output in ensemble.outputs] == [
        ("probabilities", "[N, 1000]")
    ]
