"""resdsl: a small language for residual networks, reviewable as text, checked for shapes, compiled to ONNX.

::

    import resdsl

    spec = resdsl.load("resnet50", set={"classes": 10})     # a file, or a network that resdsl brings along
    print(spec.graph.parameter_count, spec.graph.macs)
    compiled = spec.compile("model.onnx", seed=1)

Whoever imports this package waits for nothing: what a name needs is imported when the name is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resdsl.diagnostics import CompileError, Diagnostic, Diagnostics, Source
    from resdsl.driver.bench import bench
    from resdsl.driver.compare import compare
    from resdsl.driver.compile import Compiled
    from resdsl.driver.doctor import doctor
    from resdsl.driver.draw import draw
    from resdsl.driver.evaluate import evaluate
    from resdsl.driver.fixing import fix
    from resdsl.driver.listing import Shipped, specs
    from resdsl.driver.predict import predict, predict_to
    from resdsl.driver.quantize import Quantization, quantize
    from resdsl.driver.review import diff
    from resdsl.driver.specification import Specification, load, loads
    from resdsl.driver.view import view
    from resdsl.driver.weights import read_weights
    from resdsl.elaborate import Limits
    from resdsl.runtime.rows import Failure, Features, Prediction

__version__ = "0.1.0"

_HOMES = {
    "CompileError": "resdsl.diagnostics",
    "Compiled": "resdsl.driver.compile",
    "Diagnostic": "resdsl.diagnostics",
    "Diagnostics": "resdsl.diagnostics",
    "Failure": "resdsl.runtime.rows",
    "Features": "resdsl.runtime.rows",
    "Limits": "resdsl.elaborate",
    "Prediction": "resdsl.runtime.rows",
    "Quantization": "resdsl.driver.quantize",
    "Shipped": "resdsl.driver.listing",
    "Source": "resdsl.diagnostics",
    "Specification": "resdsl.driver.specification",
    "bench": "resdsl.driver.bench",
    "compare": "resdsl.driver.compare",
    "diff": "resdsl.driver.review",
    "doctor": "resdsl.driver.doctor",
    "draw": "resdsl.driver.draw",
    "fix": "resdsl.driver.fixing",
    "load": "resdsl.driver.specification",
    "loads": "resdsl.driver.specification",
    "evaluate": "resdsl.driver.evaluate",
    "predict": "resdsl.driver.predict",
    "predict_to": "resdsl.driver.predict",
    "quantize": "resdsl.driver.quantize",
    "read_weights": "resdsl.driver.weights",
    "specs": "resdsl.driver.listing",
    "view": "resdsl.driver.view",
}

__all__ = [
    "CompileError",
    "Compiled",
    "Diagnostic",
    "Diagnostics",
    "Failure",
    "Features",
    "Limits",
    "Prediction",
    "Quantization",
    "Shipped",
    "Source",
    "Specification",
    "__version__",
    "bench",
    "compare",
    "diff",
    "doctor",
    "draw",
    "evaluate",
    "fix",
    "load",
    "loads",
    "predict",
    "predict_to",
    "quantize",
    "read_weights",
    "specs",
    "view",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'resdsl' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
