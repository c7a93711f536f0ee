"""Check the installation and the devices of this machine."""

from __future__ import annotations

import io
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from resdsl.compiler.compile import compile
from resdsl.specification.load import loads
from resdsl.tools.doctor import installation
from resdsl.tools.doctor.device_checks import Check, Status, check_runtime
from resdsl.version import __version__

PROBE = """\
model probe {
  input x: f32[N, 64]
  linear(64, bias = false)
  output y
}
"""
"""A network of one node, which each device must run."""

_LIBRARIES = ("numpy", "onnx", "lark", "pillow")
"""Required dependencies whose versions are listed."""

_DEVELOPER_EXTRAS = frozenset({"fuzz", "test"})
"""Extras for developing resdsl, which are not checked."""


def doctor() -> Iterator[Check]:
    """The results of all checks, one by one; only those with ``Status.PROBLEM`` need fixing."""
    yield Check("resdsl", "version", Status.OK, __version__)
    yield Check("resdsl", "Python", Status.OK, f"{platform.python_version()} on {platform.platform()}")
    for name in _LIBRARIES:
        yield _library(name)
    probe = io.BytesIO()
    try:
        compile(loads(PROBE), probe)
    except ImportError as error:
        # Incompatible versions of `onnx` and `protobuf`, or builds for another Python.
        fix = "`pip install --force-reinstall onnx`"
        yield Check("resdsl", "compiling", Status.PROBLEM, f"does not work: {error}", (fix,))
    yield from check_runtime(probe.getvalue() or None)
    yield from _extras()


def _library(name: str) -> Check:
    try:
        return Check("resdsl", name, Status.OK, version(name))
    except PackageNotFoundError:
        fix = f"`pip install --force-reinstall {name}`"
        return Check("resdsl", name, Status.PROBLEM, "pip does not list it", (fix,))


def _extras() -> Iterator[Check]:
    for extra in installation.extras_of("resdsl"):
        if extra in _DEVELOPER_EXTRAS:
            continue
        needed = installation.packages("resdsl", [extra])
        missing = [package.requirement for package in needed if not package.fits]
        if missing:
            fix = f"`pip install 'resdsl[{extra}]'`"
            yield Check("extras", extra, Status.NOTE, f"lacks {', '.join(missing)}", (fix,))
        else:
            yield Check("extras", extra, Status.OK, "installed")
