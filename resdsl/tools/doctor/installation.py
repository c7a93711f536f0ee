"""What is installed of ONNX Runtime and of the libraries that its providers need."""

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
# Distributions that bring things beside ONNX Runtime and not the `onnxruntime` package itself.
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
    """A package that something needs: the requirement (``nvidia-cudnn-cu13~=9.0``), and the version that is there."""

    requirement: str
    version: str | None
    fits: bool


def runtimes() -> tuple[Distribution, ...]:
    """The distributions that bring a package ``onnxruntime``. Of two, the one installed last wrote over the other."""
    found = {
        (one.name.lower(), one.version)
        for one in distributions()
        # A broken installation may leave metadata without a name.
        if one.name and _FAMILY.fullmatch(one.name) and one.name.lower() not in _OTHERS
    }
    return tuple(Distribution(name, version) for name, version in sorted(found))


def packages(name: str, extras: Sequence[str]) -> tuple[Package, ...]:
    """What the distribution ``name`` asks for under these extras, and what of it is there."""
    try:
        texts = distribution(name).requires or []
    except PackageNotFoundError:
        return ()
    wanted = []
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        if marker and not marker.evaluate({"extra": ""}) and any(marker.evaluate({"extra": one}) for one in extras):
            wanted.append(requirement)
    return tuple(_package(requirement) for requirement in wanted)


def extras_of(name: str) -> tuple[str, ...]:
    """The extras that a distribution offers; none where it is not installed as one."""
    try:
        return tuple(distribution(name).metadata.get_all("Provides-Extra") or ())
    except PackageNotFoundError:
        return ()


def libraries(onnxruntime: ModuleType, kind: str) -> tuple[Library, ...]:
    """The NVIDIA libraries that the provider of ``kind`` (``cuda``, ``tensorrt``) is linked with.

    Told on Linux, by the system's own loader; elsewhere, and in a build without the provider, there are none. Those
    that pip installed count as found once ONNX Runtime has loaded them.
    """
    file = Path(str(onnxruntime.__file__)).parent / "capi" / _PROVIDER_FILES[kind]
    loader = shutil.which("ldd")
    if sys.platform != "linux" or loader is None or not file.is_file():
        return ()
    told = subprocess.run([loader, file], capture_output=True, text=True, check=False, timeout=60).stdout
    names = dict.fromkeys(line.split()[0] for line in told.splitlines() if _NVIDIA.match(line.strip()))
    return tuple(Library(name, _loads(name)) for name in sorted(names))


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _package(requirement: Requirement) -> Package:
    written = f"{requirement.name}{requirement.specifier}"
    try:
        version = distribution(requirement.name).version
    except PackageNotFoundError:
        return Package(written, None, False)
    return Package(written, version, requirement.specifier.contains(version, prereleases=True))
