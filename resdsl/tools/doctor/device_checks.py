"""What runs models here and what does not: each fact tried out, each problem with its fix."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType

import numpy as np

from resdsl.diagnostics import Diagnostic
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.runtime.device import Device, Driver, nvidia_driver
from resdsl.runtime.processor import processor
from resdsl.runtime.providers import PROVIDERS, libraries_for, onnx_runtime, preload
from resdsl.runtime.quiet import capture
from resdsl.runtime.session import Session, open_session
from resdsl.tools.doctor import installation

_EXTRAS = ("cuda", "cudnn")
_SEED = 0


class State(StrEnum):
    """``FINE`` works, ``NOTE`` is as it may be, ``PROBLEM`` wants mending."""

    FINE = "fine"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination: ``cuda`` under ``devices``, what was found, and what to do about it."""

    topic: str
    name: str
    state: State
    said: str
    fixes: tuple[str, ...] = ()


def examine(probe: bytes | None) -> Iterator[Finding]:
    """ONNX Runtime, the devices, the NVIDIA libraries and the processor.

    ``probe`` is a model of one node, which every device has to run; GPUs have to give what the processor gives.
    Without one, no device is tried.
    """
    yield from _distributions()
    try:
        onnxruntime = onnx_runtime()
    except UnavailableError as problem:
        yield _problem("ONNX Runtime", "import", problem.diagnostic)
    else:
        yield from _build(onnxruntime)
        if probe is not None:
            yield from _devices(probe)
        yield from _libraries(onnxruntime)
    yield from _processor()


def _distributions() -> Iterator[Finding]:
    topic, found = "ONNX Runtime", installation.runtimes()
    names = [one.name for one in found]
    if len(found) > 1:
        yield Finding(
            topic,
            "distributions",
            State.PROBLEM,
            f"{' and '.join(f'{one.name} {one.version}' for one in found)} are installed together: each wrote over the "
            "other's files",
            (f"`pip uninstall -y {' '.join(names)}`, then `pip install {_preferred(names)}`",),
        )
    for one in found if len(found) == 1 else ():
        yield Finding(topic, "distribution", State.FINE, f"{one.name} {one.version}")
    if not found:
        yield Finding(topic, "distribution", State.NOTE, "pip lists none: ONNX Runtime came from elsewhere, or not")


def _preferred(names: list[str]) -> str:
    return next((name for name in names if "gpu" in name), names[0])


def _build(onnxruntime: ModuleType) -> Iterator[Finding]:
    cuda = getattr(onnxruntime, "cuda_version", "") or "without CUDA"
    providers = ", ".join(onnxruntime.get_available_providers())
    built = cuda if cuda == "without CUDA" else f"for CUDA {cuda}"
    yield Finding("ONNX Runtime", "build", State.FINE, f"{onnxruntime.__version__} {built}")
    yield Finding("ONNX Runtime", "providers", State.NOTE, f"built in: {providers}")


def _devices(probe: bytes) -> Iterator[Finding]:
    driver = nvidia_driver()
    for index, gpu in enumerate(driver.gpus):
        yield Finding("devices", f"GPU {index}", State.FINE, gpu)
    expected: np.ndarray | None = None
    for name in ("cpu", *(f"cuda:{index}" for index in range(len(driver.gpus))), *([] if driver.gpus else ["cuda"])):
        finding, values = _tried(probe, name, driver, expected)
        expected = values if expected is None else expected
        yield finding
    yield _tried(probe, "tensorrt", driver, expected)[0]


def _tried(probe: bytes, device: str, driver: Driver, expected: np.ndarray | None) -> tuple[Finding, np.ndarray | None]:
    """What comes of running the probe on a device, and the values that it gave."""
    try:
        session = open_session(probe, device=device, name="a model of one node")
        values = _run(session)
    except RunError as problem:
        if device == "cpu" or (driver.gpus and device != "tensorrt"):
            return _problem("devices", device, problem.diagnostic), None
        said = driver.problem or "; ".join(problem.diagnostic.notes) or problem.diagnostic.message
        fixes = problem.diagnostic.helps[:-1] if driver.gpus else ()
        return Finding("devices", device, State.NOTE, f"not usable: {said}", fixes), None
    if expected is not None and not np.allclose(values, expected, rtol=1e-2, atol=1e-2):
        worst = float(np.abs(values - expected).max())
        wrong = f"gives other values than the processor, by up to {worst:.3g}"
        return Finding("devices", device, State.PROBLEM, wrong, ("update the NVIDIA driver and the libraries",)), None
    nodes = session.placement.get(PROVIDERS[session.device.kind])
    told = f" ({nodes} node{'s' if nodes > 1 else ''})" if nodes else ""
    return Finding("devices", device, State.FINE, f"runs a model{told}"), values


def _run(session: Session) -> np.ndarray:
    (port,) = session.inputs
    shape = [size if isinstance(size, int) else 4 for size in port.shape]
    image = np.random.default_rng(_SEED).standard_normal(shape, dtype=np.float32)
    (value,) = session.run({port.name: image}).values()
    return value


def _libraries(onnxruntime: ModuleType) -> Iterator[Finding]:
    """What CUDA and TensorRT want. What is missing is a problem only where there is a GPU that wants it."""
    topic = "NVIDIA libraries"
    has_gpu = bool(nvidia_driver().gpus)
    with capture():
        # So that what pip installed is found as it is in a run.
        preload(onnxruntime, Device("tensorrt"))
    for kind in ("cuda", "tensorrt"):
        wanted = installation.libraries(onnxruntime, kind)
        missing = [library.name for library in wanted if not library.found]
        found = [library.name for library in wanted if library.found]
        if missing:
            said = f"not found: {', '.join(missing)}" + (f"; found: {', '.join(found)}" if found else "")
            state = State.PROBLEM if has_gpu and kind == "cuda" else State.NOTE
            yield Finding(topic, kind, state, said, libraries_for(Device(kind)) if has_gpu else ())
        elif wanted:
            yield Finding(topic, kind, State.FINE, f"found: {', '.join(found)}")
    runtimes = installation.runtimes()
    packages = installation.packages(runtimes[0].name, _EXTRAS) if len(runtimes) == 1 else ()
    for package in packages:
        if package.version and not package.fits:
            fix = f'`pip install "{package.requirement}"`'
            yield Finding(topic, package.requirement, State.PROBLEM, f"{package.version} is installed", (fix,))
    absent = [package.requirement for package in packages if not package.version]
    if packages:
        present = [f"{package.requirement} ({package.version})" for package in packages if package.fits]
        said = "; ".join(
            f"{what}: {', '.join(names)}"
            for what, names in (("installed", present), ("not installed", absent))
            if names
        )
        yield Finding(topic, "from pip", State.NOTE if absent else State.FINE, said)


def _processor() -> Iterator[Finding]:
    topic, found = "processor", processor()
    yield Finding(topic, "model", State.FINE, f"{found.model}, {platform.machine()}, {sys.platform}")
    limits = [f"{found.cores} in the machine"]
    if found.allowed < found.cores:
        limits.append(f"{found.allowed} allowed to this process")
    if found.quota is not None:
        limits.append(f"time of {found.quota:g} by the container's limit")
    yield Finding(topic, "cores", State.FINE, ", ".join(limits))
    yield Finding(topic, "threads", State.FINE, f"{found.threads}, unless `--threads` says otherwise")
    yield Finding(topic, "instructions", State.FINE, ", ".join(found.features) or "not known")
    yield Finding(topic, "int8", State.NOTE, found.int8)
    yield Finding(topic, "bf16", State.NOTE, found.bf16)


def _problem(topic: str, name: str, diagnostic: Diagnostic) -> Finding:
    said = "; ".join((diagnostic.message, *diagnostic.notes))
    fixes = tuple(fix for fix in diagnostic.helps if not fix.startswith('`device="cpu"`'))
    return Finding(topic, name, State.PROBLEM, said, fixes)
