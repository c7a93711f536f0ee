"""Measure the speed and memory of models, and where the time goes."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from resdsl.compiler.compile import compile
from resdsl.compiler.models import Build, model_files
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.inputs import random_inputs
from resdsl.runtime.session import open_session
from resdsl.specification.load import loads
from resdsl.tools.bench.layer_times import Profile, record
from resdsl.tools.bench.timing import MatrixProduct, Measurement, Plan, measure

PRODUCT = """\
model product {{
  input x: f32[N, {size}]
  linear({size}, bias = false)
  output y
}}
"""
"""A product of square matrices, which measures the peak of a device."""


def bench(
    models: Sequence[str | os.PathLike[str]],
    plan: Plan | None = None,
    *,
    device: str | DeviceOptions = "auto",
    build: Build | None = None,
    started: Callable[[str], object] = lambda _: None,
) -> Iterator[Measurement]:
    """Measure ONNX files and specifications, interleaved: latency, throughput, memory, and the share of the peak.

    ``plan`` has the batch sizes, thread counts and duration; ``build`` is how specifications are compiled. ``started``
    gets a description of the next step. Raises ``CompileError`` for a specification with errors, ``RunError`` for a
    model that cannot be run.
    """
    options = DeviceOptions.of(device)
    plan = replace(plan or Plan(), product=_product)
    with model_files([(model, build or Build()) for model in models]) as files:
        yield from measure(files, plan, device=options, started=started)


def profile(
    model: str | os.PathLike[str],
    *,
    batch: int = 1,
    size: tuple[int, int] | None = None,
    runs: int = 10,
    device: str | DeviceOptions = "auto",
    build: Build | None = None,
) -> Profile:
    """The time of each layer of an ONNX file or a specification on ``batch`` random images.

    ``size`` is their height and width, if the input size of the model is symbolic. Raises as ``bench`` does.
    """
    with model_files([(model, build or Build())]) as (one,):
        session = open_session(one.file, device=device, name=one.name)
        feeds = random_inputs(session, batch=batch, size=size, seed=0)
        return record(one.file, feeds, device=device, runs=runs, name=one.name)


def peak(device: str | DeviceOptions = "auto") -> float:
    """The multiply-accumulates per second of a device at its peak, measured by a matrix product in ONNX Runtime."""
    options = DeviceOptions.of(device)
    return MatrixProduct(_product, options).peak()


def _product(features: int) -> bytes:
    model = io.BytesIO()
    compile(loads(PRODUCT.format(size=features)), model)
    return model.getvalue()
