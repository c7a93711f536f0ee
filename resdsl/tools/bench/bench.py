"""Measuring models and specifications."""

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
from resdsl.tools.bench.profile import Profile
from resdsl.tools.bench.profile import profile as profile_model
from resdsl.tools.bench.timing import Measured, Plan, Product
from resdsl.tools.bench.timing import bench as bench_models

PRODUCT = """\
model product {{
  input x: f32[N, {size}]
  linear({size}, bias = false)
  output y
}}
"""
"""A product of square matrices, for what a device can do at the most."""


def bench(
    models: Sequence[str | os.PathLike[str]],
    plan: Plan | None = None,
    *,
    device: str | DeviceOptions = "auto",
    build: Build | None = None,
    started: Callable[[str], object] = lambda _: None,
) -> Iterator[Measured]:
    """Measure ONNX files and specifications in turns: latency, throughput, memory, and how near the peak they come.

    ``plan`` says which batch sizes and numbers of threads, and for how long; ``build`` how specifications become
    models. ``started`` is told what comes next. Raises ``CompileError`` for a specification that has mistakes,
    ``RunError`` for a model that cannot be run.
    """
    options = DeviceOptions(device) if isinstance(device, str) else device
    plan = replace(plan or Plan(), product=_product)
    with model_files([(model, build or Build()) for model in models]) as files:
        yield from bench_models(files, plan, device=options, started=started)


def profile(
    model: str | os.PathLike[str],
    *,
    batch: int = 1,
    size: tuple[int, int] | None = None,
    runs: int = 10,
    device: str | DeviceOptions = "auto",
    build: Build | None = None,
) -> Profile:
    """How long each layer of an ONNX file or a specification takes on ``batch`` random images.

    ``size`` is their height and width where the model leaves it open. Raises as ``bench`` does.
    """
    with model_files([(model, build or Build())]) as (one,):
        session = open_session(one.file, device=device, name=one.name)
        feeds = random_inputs(session, batch=batch, size=size, seed=0)
        return profile_model(one.file, feeds, device=device, runs=runs, name=one.name)


def peak(device: str | DeviceOptions = "auto") -> float:
    """The multiply-accumulates that a device does in a second at the most, by ONNX Runtime's product of matrices."""
    options = DeviceOptions(device) if isinstance(device, str) else device
    return Product(_product, options).peak()


def _product(features: int) -> bytes:
    product = io.BytesIO()
    compile(loads(PRODUCT.format(size=features)), product)
    return product.getvalue()
