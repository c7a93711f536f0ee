"""The networks of torchvision with these names: the same tensors, and with the same weights the same logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from resdsl.passes.drop_aux import drop_aux

from .running import image_of, reference_weights, run
from .shipped import graph_of

NETWORKS = ("googlenet", "inception_v3", "mobilenet_v2")
SIZES = {"inception_v3": 299}


def torchvision_model(name: str) -> Any:
    models = pytest.importorskip("torchvision.models")
    options = {} if name == "mobilenet_v2" else {"aux_logits": True, "transform_input": False, "init_weights": False}
    return models.get_model(name, weights=None, **options).eval()


@pytest.mark.torch
@pytest.mark.parametrize("name", NETWORKS)
def test_tensors_and_logits_are_those_of_torchvision(name: str) -> None:
    torch = pytest.importorskip("torch")
    model = torchvision_model(name)
    stored = {key: list(tensor.shape) for key, tensor in model.state_dict().items() if "num_batches_tracked" not in key}
    graph = graph_of(name)
    assert {parameter.name: list(parameter.shape) for parameter in graph.parameters.values()} == stored

    weights = reference_weights(stored, (0.5, 0.9))
    model.load_state_dict({key: torch.from_numpy(np.array(weights(key))) for key in stored}, strict=False)
    image = image_of([2, 3, SIZES.get(name, 224), SIZES.get(name, 224)])
    with torch.no_grad():
        expected = model(torch.from_numpy(image)).numpy()

    found = run(drop_aux(graph), weights, image)["logits"]
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
