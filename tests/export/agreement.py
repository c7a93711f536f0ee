"""Exported code and the module of its specification, run side by side. Needs torch."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import resdsl.torch
from resdsl.specification.specification import Specification
from resdsl.tools.export.export import Exported

BATCH = 2

SIZE = 64
"""Height and width of the input where they are not fixed."""


def class_of(exported: Exported, file: Path) -> Any:
    """The class of the model in a file."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, exported.name)


def largest_deviation(specification: Specification, exported: Exported, file: Path, **arguments: Any) -> float:
    """How much outputs differ, at inference and in training, relative to the largest magnitude of each.

    Both have the same tensors, or an ``AssertionError`` says so. ``arguments`` are those of the class.
    """
    import torch

    model = class_of(exported, file)(**arguments)
    expected = resdsl.torch.module(specification, seed=1)
    tensors = expected.state_dict()
    assert {key: value.shape for key, value in model.state_dict().items()} == {
        key: value.shape for key, value in tensors.items()
    }
    model.load_state_dict(tensors)
    shape = specification.graph.input.type.shape
    sizes = [size if isinstance(size, int) else SIZE for size in shape[1:]]
    image = torch.randn([BATCH, *sizes], generator=torch.Generator().manual_seed(0))
    largest = 0.0
    for training in (False, True):
        found = [_run(each.train(training), image) for each in (model, expected)]
        assert list(found[0]) == list(found[1])
        for output, value in found[1].items():
            largest = max(largest, float((found[0][output] - value).abs().max() / value.abs().max()))
    return largest


def _run(model: Any, image: Any) -> dict[str, Any]:
    import torch

    torch.manual_seed(0)  # dropout
    with torch.no_grad():
        found = model(image)
    return found if isinstance(found, dict) else {"": found}
