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
    from resdsl.compiler.compile import Compiled
    from resdsl.diagnostics import CompileError, Diagnostic, Diagnostics, Source
    from resdsl.elaborate import Limits
    from resdsl.runtime.results import Failure, Features, Prediction
    from resdsl.specification.specification import Specification, load, loads
    from resdsl.tools.bench.bench import bench
    from resdsl.tools.check.fix import fix
    from resdsl.tools.compare.compare import compare
    from resdsl.tools.diff.diff import diff
    from resdsl.tools.doctor.doctor import doctor
    from resdsl.tools.draw.draw import draw
    from resdsl.tools.evaluate.evaluate import evaluate
    from resdsl.tools.predict.predict import predict, predict_to
    from resdsl.tools.quantize.quantize import Quantization, quantize
    from resdsl.tools.specs.specs import Shipped, specs
    from resdsl.tools.view.view import view
    from resdsl.weights.source import read_weights

__version__ = "0.1.0"

_HOMES = {
    "CompileError": "resdsl.diagnostics",
    "Compiled": "resdsl.compiler.compile",
    "Diagnostic": "resdsl.diagnostics",
    "Diagnostics": "resdsl.diagnostics",
    "Failure": "resdsl.runtime.results",
    "Features": "resdsl.runtime.results",
    "Limits": "resdsl.elaborate",
    "Prediction": "resdsl.runtime.results",
    "Quantization": "resdsl.tools.quantize.quantize",
    "Shipped": "resdsl.tools.specs.specs",
    "Source": "resdsl.diagnostics",
    "Specification": "resdsl.specification.specification",
    "bench": "resdsl.tools.bench.bench",
    "compare": "resdsl.tools.compare.compare",
    "diff": "resdsl.tools.diff.diff",
    "doctor": "resdsl.tools.doctor.doctor",
    "draw": "resdsl.tools.draw.draw",
    "fix": "resdsl.tools.check.fix",
    "load": "resdsl.specification.specification",
    "loads": "resdsl.specification.specification",
    "evaluate": "resdsl.tools.evaluate.evaluate",
    "predict": "resdsl.tools.predict.predict",
    "predict_to": "resdsl.tools.predict.predict",
    "quantize": "resdsl.tools.quantize.quantize",
    "read_weights": "resdsl.weights.source",
    "specs": "resdsl.tools.specs.specs",
    "view": "resdsl.tools.view.view",
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
