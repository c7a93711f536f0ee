"""A module that someone's Python code makes. Importing it runs the code."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from resdsl.diagnostics import RunError, UnavailableError, catalogue
from resdsl.inputs import record_input
from resdsl.untrusted import printable

LIBRARIES = ("torchvision", "timm")
"""Libraries whose models are named alone: ``torchvision:resnet50``."""


def library_of(address: str) -> str:
    """The library of ``torchvision:resnet50`` or ``timm:seresnet50``; empty for the address of other code."""
    library, _, name = address.partition(":")
    return library if library in LIBRARIES and name.isidentifier() else ""


def _library_model(address: str) -> nn.Module:
    """A model of torchvision or timm, with random weights. Raises like ``run_subject``, and if it is not installed."""
    library, _, name = address.partition(":")
    place = "torchvision.models" if library == "torchvision" else library
    try:
        package = importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        raise UnavailableError.of(
            catalogue.EXTRA_NEEDED,
            f"`{printable(address)}` needs {library}, which is not installed",
            helps=(f"run `pip install {library}`",),
        ) from None
    with _reporting(address), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made: object = (
            package.get_model(name, weights=None)
            if library == "torchvision"
            else package.create_model(name, pretrained=False)
        )
    if not isinstance(made, nn.Module):
        raise _no_module(address, f"it is a `{printable(type(made).__name__)}`")
    return made


def made_at(address: str, *, seed: int) -> nn.Module:
    """The model of a library, or what ``run_subject`` gives, its random weights from ``seed``.

    What the code prints goes to standard error.
    """
    torch.manual_seed(seed)
    with redirect_stdout(sys.stderr):
        return _library_model(address) if library_of(address) else run_subject(address)


def run_subject(address: str) -> nn.Module:
    """The module at ``package.module:name`` or ``file.py:name``: a module, or what makes one without arguments.

    Runs the code. Raises ``RunError`` if it fails or gives something else.
    """
    place, _, name = address.rpartition(":")
    with _reporting(address):
        found: object = _imported(place)
        for part in name.split("."):
            found = getattr(found, part)
        if not isinstance(found, nn.Module) and callable(found):
            found = found()
    if not isinstance(found, nn.Module):
        raise _no_module(address, f"it is a `{printable(type(found).__name__)}`")
    return found


def _imported(place: str) -> ModuleType:
    if not place.endswith(".py"):
        # As `python -m` does.
        with _path(Path.cwd()):
            return importlib.import_module(place)
    file = Path(place)
    record_input(file)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _path(file.resolve().parent):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextmanager
def _reporting(address: str) -> Iterator[None]:
    try:
        yield
    # Someone's code may raise anything, or exit.
    except (Exception, SystemExit) as error:
        raise _no_module(address, f"{type(error).__name__}: {error}") from error


def _no_module(address: str, fact: str) -> RunError:
    return RunError.of(
        catalogue.NO_MODULE,
        f"`{printable(address)}` gives no module of PyTorch: {printable(fact, most=500)}",
        helps=("name a `torch.nn.Module`, or a function or class that makes one without arguments",),
    )
