"""The libraries that an extra of resdsl needs, in the versions that are installed here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement


def pins(extra: str, *, with_cuda: bool = False) -> list[str]:
    """Lines such as ``numpy==2.4.6`` for all that resdsl with ``extra`` needs, directly or not, sorted.

    With ``with_cuda`` the libraries of CUDA that ONNX Runtime loads are among them. What is not installed here, because
    it is for other systems, is a line as its user states it.
    """
    lines: dict[str, str] = {}
    open_requirements = [("resdsl", frozenset({extra}))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while open_requirements:
        name, extras = open_requirements.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for required in _required(name, extras):
            wanted = frozenset(required.extras)
            if with_cuda and required.name == "onnxruntime-gpu":
                wanted |= {"cuda", "cudnn"}
            key = re.sub(r"[-_.]+", "-", required.name).lower()
            try:
                lines[key] = f"{key}=={distribution(required.name).version}"
            except PackageNotFoundError:
                lines.setdefault(key, f"{key}{required.specifier}")
            open_requirements.append((required.name, wanted))
    return [lines[key] for key in sorted(lines)]


def _required(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """What a distribution needs on the Linux of an image; nothing if it is not installed."""
    try:
        texts = distribution(name).requires or []
    except PackageNotFoundError:
        return
    system = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    for text in texts:
        required = Requirement(text)
        marker = required.marker
        if marker is None or any(marker.evaluate({**system, "extra": extra}) for extra in ("", *extras)):
            yield required
