"""resdsl: a small language for residual networks, reviewable as text, checked for shapes, compiled to ONNX.

::

    import resdsl

    network = resdsl.load("resnet50", set={"classes": 10})     # a file, or a built-in network
    print(network.graph.parameter_count, network.graph.macs)
    compiled = resdsl.compile(network, "model.onnx", seed=1)

``import resdsl`` loads nothing else: what a name needs is imported when the name is first used.
"""

from __future__ import annotations

import importlib

from resdsl.version import __version__ as __version__

# Type checkers take it for true. Importing `typing` would double the time of `import resdsl`.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from resdsl.compiler.compile import Compiled as Compiled
    from resdsl.compiler.compile import compile as compile
    from resdsl.compiler.models import Build as Build
    from resdsl.compiler.options import CompileOptions as CompileOptions
    from resdsl.diagnostics import CompileError as CompileError
    from resdsl.diagnostics import Diagnostic as Diagnostic
    from resdsl.diagnostics import Diagnostics as Diagnostics
    from resdsl.diagnostics import ResdslError as ResdslError
    from resdsl.diagnostics import RunError as RunError
    from resdsl.diagnostics import Source as Source
    from resdsl.diagnostics import UnavailableError as UnavailableError
    from resdsl.elaborate import Limits as Limits
    from resdsl.runtime.device import ConvSearch as ConvSearch
    from resdsl.runtime.device import DeviceOptions as DeviceOptions
    from resdsl.runtime.results import Failure as Failure
    from resdsl.runtime.results import Features as Features
    from resdsl.runtime.results import Prediction as Prediction
    from resdsl.runtime.session import open_session as open_session
    from resdsl.specification.load import load as load
    from resdsl.specification.load import loads as loads
    from resdsl.specification.specification import Specification as Specification
    from resdsl.tools.bench.bench import bench as bench
    from resdsl.tools.bench.bench import profile as profile
    from resdsl.tools.bench.timing import Plan as Plan
    from resdsl.tools.check.fix import fix as fix
    from resdsl.tools.compare.compare import Side as Side
    from resdsl.tools.compare.compare import compare as compare
    from resdsl.tools.diff.diff import diff as diff
    from resdsl.tools.doctor.doctor import doctor as doctor
    from resdsl.tools.draw.draw import compared as compared
    from resdsl.tools.draw.draw import cost_picture as cost_picture
    from resdsl.tools.draw.draw import draw as draw
    from resdsl.tools.embed.embed import embed as embed
    from resdsl.tools.evaluate.evaluate import evaluate as evaluate
    from resdsl.tools.export.export import export as export
    from resdsl.tools.import_network.from_torch import from_torch as from_torch
    from resdsl.tools.import_network.import_network import import_network as import_network
    from resdsl.tools.package.options import Serving as Serving
    from resdsl.tools.package.package import package as package
    from resdsl.tools.predict.predict import predict as predict
    from resdsl.tools.predict.predict import predict_to as predict_to
    from resdsl.tools.quantize.quantize import Quantization as Quantization
    from resdsl.tools.quantize.quantize import quantize as quantize
    from resdsl.tools.serve.options import ServeOptions as ServeOptions
    from resdsl.tools.serve.serve import serve as serve
    from resdsl.tools.specs.specs import BuiltinSpec as BuiltinSpec
    from resdsl.tools.specs.specs import specs as specs
    from resdsl.tools.tensors.tensors import tensors as tensors
    from resdsl.tools.train.options import TrainOptions as TrainOptions
    from resdsl.tools.train.train import train as train
    from resdsl.tools.verify.verification import Verification as Verification
    from resdsl.tools.verify.verify import verify as verify
    from resdsl.tools.view.view import view as view
    from resdsl.weights.read import read_weights as read_weights
    from resdsl.weights.save import save_weights as save_weights

# Where each public name is found; a test holds it to the imports above, which type checkers read.
_PUBLIC = {
    "resdsl.compiler.compile": ("Compiled", "compile"),
    "resdsl.compiler.models": ("Build",),
    "resdsl.compiler.options": ("CompileOptions",),
    "resdsl.diagnostics": (
        "CompileError",
        "Diagnostic",
        "Diagnostics",
        "ResdslError",
        "RunError",
        "Source",
        "UnavailableError",
    ),
    "resdsl.elaborate": ("Limits",),
    "resdsl.runtime.device": ("ConvSearch", "DeviceOptions"),
    "resdsl.runtime.results": ("Failure", "Features", "Prediction"),
    "resdsl.runtime.session": ("open_session",),
    "resdsl.specification.load": ("load", "loads"),
    "resdsl.specification.specification": ("Specification",),
    "resdsl.tools.bench.bench": ("bench", "profile"),
    "resdsl.tools.bench.timing": ("Plan",),
    "resdsl.tools.check.fix": ("fix",),
    "resdsl.tools.compare.compare": ("Side", "compare"),
    "resdsl.tools.diff.diff": ("diff",),
    "resdsl.tools.doctor.doctor": ("doctor",),
    "resdsl.tools.draw.draw": ("compared", "cost_picture", "draw"),
    "resdsl.tools.embed.embed": ("embed",),
    "resdsl.tools.evaluate.evaluate": ("evaluate",),
    "resdsl.tools.export.export": ("export",),
    "resdsl.tools.import_network.from_torch": ("from_torch",),
    "resdsl.tools.import_network.import_network": ("import_network",),
    "resdsl.tools.package.options": ("Serving",),
    "resdsl.tools.package.package": ("package",),
    "resdsl.tools.predict.predict": ("predict", "predict_to"),
    "resdsl.tools.quantize.quantize": ("Quantization", "quantize"),
    "resdsl.tools.serve.options": ("ServeOptions",),
    "resdsl.tools.serve.serve": ("serve",),
    "resdsl.tools.specs.specs": ("BuiltinSpec", "specs"),
    "resdsl.tools.tensors.tensors": ("tensors",),
    "resdsl.tools.train.options": ("TrainOptions",),
    "resdsl.tools.train.train": ("train",),
    "resdsl.tools.verify.verification": ("Verification",),
    "resdsl.tools.verify.verify": ("verify",),
    "resdsl.tools.view.view": ("view",),
    "resdsl.weights.read": ("read_weights",),
    "resdsl.weights.save": ("save_weights",),
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}


def load_ipython_extension(shell: object) -> None:
    """``%load_ext resdsl``, for cells that begin with ``%%res``."""
    from resdsl.tools.notebook.magic import register

    _show_in_notebooks()
    register(shell)


def __getattr__(name: str) -> object:
    if name == "__all__":
        return ["__version__", *sorted(_MODULE_OF)]
    if name in ("ray", "torch"):
        # The packages with names of their own; they import Ray and torch when one of them is used.
        return importlib.import_module(f"resdsl.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'resdsl' has no attribute '{name}'")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    if name in ("load", "loads", "Specification"):
        _show_in_notebooks()
    return value


def _show_in_notebooks() -> None:
    """Let notebooks draw specifications. Drawing stands on them, so they cannot import it."""
    from resdsl.specification.specification import Specification

    def display(specification: Specification) -> dict[str, str]:
        from resdsl.tools.notebook.notebook import display

        return display(specification)

    Specification.display = display


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
