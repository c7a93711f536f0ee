"""What of resdsl works on this machine, and what to do about the rest."""

from __future__ import annotations

import io
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from resdsl.compiler.compile import compile
from resdsl.specification.load import loads
from resdsl.tools.doctor import installation
from resdsl.tools.doctor.device_checks import Finding, State, examine
from resdsl.version import __version__

PROBE = """\
model probe {
  input x: f32[N, 64]
  linear(64, bias = false)
  output y
}
"""
"""A network of one node, which a GPU has to run to be believed."""

_LIBRARIES = ("numpy", "onnx", "lark", "pillow")
"""Those that most depends on; each is a requirement of resdsl itself and not of an extra."""

_OF_DEVELOPERS = frozenset({"fuzz", "test"})
"""Extras for those who work on resdsl; nobody else lacks them."""


def doctor() -> Iterator[Finding]:
    """Everything that is found, as it is found; nothing is wrong unless a finding is a ``State.PROBLEM``."""
    yield Finding("resdsl", "version", State.FINE, __version__)
    yield Finding("resdsl", "Python", State.FINE, f"{platform.python_version()} on {platform.platform()}")
    for name in _LIBRARIES:
        yield _library(name)
    probe = io.BytesIO()
    try:
        compile(loads(PROBE), probe)
    except ImportError as error:
        # `onnx` and `protobuf` of versions that don't go together, or built for another Python.
        fix = "`pip install --force-reinstall onnx`"
        yield Finding("resdsl", "compiling", State.PROBLEM, f"does not work: {error}", (fix,))
    yield from examine(probe.getvalue() or None)
    yield from _extras()


def _library(name: str) -> Finding:
    try:
        return Finding("resdsl", name, State.FINE, version(name))
    except PackageNotFoundError:
        fix = f"`pip install --force-reinstall {name}`"
        return Finding("resdsl", name, State.PROBLEM, "pip does not list it", (fix,))


def _extras() -> Iterator[Finding]:
    for extra in installation.extras_of("resdsl"):
        if extra in _OF_DEVELOPERS:
            continue
        needed = installation.packages("resdsl", [extra])
        missing = [package.requirement for package in needed if not package.fits]
        if missing:
            fix = f"`pip install 'resdsl[{extra}]'`"
            yield Finding("extras", extra, State.NOTE, f"lacks {', '.join(missing)}", (fix,))
        else:
            yield Finding("extras", extra, State.FINE, "installed")
