"""The installed distributions of ONNX Runtime and the libraries that its providers need."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path
from types import ModuleType

from packaging.requirements import InvalidRequirement, Requirement

_FAMILY = re.compile(r"onnxruntime(?:-[a-z0-9-]+)?|ort-nightly(?:-[a-z0-9-]+)?", re.IGNORECASE)
# Distributions of the family that do not contain the `onnxruntime` package itself.
_OTHERS = frozenset({"onnxruntime-extensions", "onnxruntime-genai", "onnxruntime-genai-cuda", "onnxruntime-tools"})
_NVIDIA = re.compile(r"lib(?:cu|nv)\w+\.so")
_PROVIDER_FILES = {"cuda": "libonnxruntime_providers_cuda.so", "tensorrt": "libonnxruntime_providers_tensorrt.so"}


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution as pip lists it."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Library:
    """A shared library that a provider needs: ``libcudart.so.13``; ``found`` says whether it can be loaded."""

    name: str
    found: bool


@dataclass(frozen=True, slots=True)
class Package:
    """A required package: the requirement (``nvidia-cudnn-cu13~=9.0``) and the installed version."""

    requirement: str
    version: str | None
    fits: bool


def runtimes() -> tuple[Distribution, ...]:
    """The installed distributions of the package ``onnxruntime``. Two of them overwrite each other's files."""
    versions = {
        (one.name.lower(), one.version)
        for one in distributions()
        # A damaged installation can leave metadata without a name.
        if one.name and _FAMILY.fullmatch(one.name) and one.name.lower() not in _OTHERS
    }
    return tuple(Distribution(name, version) for name, version in sorted(versions))


def packages(name: str, extras: Sequence[str]) -> tuple[Package, ...]:
    """The packages that the distribution ``name`` requires for these extras, with their installed versions."""
    try:
        texts = distribution(name).requires or []
    except PackageNotFoundError:
        return ()
    required = []
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        if marker and not marker.evaluate({"extra": ""}) and any(marker.evaluate({"extra": one}) for one in extras):
            required.append(requirement)
    return tuple(_package(requirement) for requirement in required)


def extras_of(name: str) -> tuple[str, ...]:
    """The extras of a distribution; empty if it is not installed."""
    try:
        return tuple(distribution(name).metadata.get_all("Provides-Extra") or ())
    except PackageNotFoundError:
        return ()


def libraries(onnxruntime: ModuleType, kind: str) -> tuple[Library, ...]:
    """The NVIDIA libraries that the provider of ``kind`` (``cuda``, ``tensorrt``) is linked with.

    From ``ldd``, so on Linux only; empty elsewhere, and for a build without the provider. Libraries installed by pip
    are found once ONNX Runtime has preloaded them.
    """
    file = Path(str(onnxruntime.__file__)).parent / "capi" / _PROVIDER_FILES[kind]
    loader = shutil.which("ldd")
    if sys.platform != "linux" or loader is None or not file.is_file():
        return ()
    listing = subprocess.run([loader, file], capture_output=True, text=True, check=False, timeout=60).stdout
    names = dict.fromkeys(line.split()[0] for line in listing.splitlines() if _NVIDIA.match(line.strip()))
    return tuple(Library(name, _loads(name)) for name in sorted(names))


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _package(requirement: Requirement) -> Package:
    text = f"{requirement.name}{requirement.specifier}"
    try:
        version = distribution(requirement.name).version
    except PackageNotFoundError:
        return Package(text, None, False)
    return Package(text, version, requirement.specifier.contains(version, prereleases=True))
