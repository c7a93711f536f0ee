"""Checks of ONNX Runtime, devices and libraries: each is tested, each problem has a fix."""

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
from resdsl.runtime.captured_output import captured_output
from resdsl.runtime.device import Device, Driver, nvidia_driver
from resdsl.runtime.processor import processor
from resdsl.runtime.providers import PROVIDERS, libraries_for, onnx_runtime, preload
from resdsl.runtime.session import Session, open_session
from resdsl.tools.doctor import installation

_EXTRAS = ("cuda", "cudnn")
_SEED = 0


class Status(StrEnum):
    """``OK`` works, ``NOTE`` is information, ``PROBLEM`` needs fixing."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check: ``cuda`` in the topic ``devices``, its status, and fixes for a problem."""

    topic: str
    name: str
    status: Status
    detail: str
    fixes: tuple[str, ...] = ()


def check_runtime(probe: bytes | None) -> Iterator[Check]:
    """Checks of ONNX Runtime, the devices, the NVIDIA libraries and the processor.

    ``probe`` is a model of one node, which every device must run; GPUs must return the values of the CPU. Without it
    no device is checked.
    """
    yield from _distributions()
    try:
        onnxruntime = onnx_runtime()
    except UnavailableError as error:
        yield _problem("ONNX Runtime", "import", error.diagnostic)
    else:
        yield from _build(onnxruntime)
        if probe is not None:
            yield from _devices(probe)
        yield from _libraries(onnxruntime)
    yield from _processor()


def _distributions() -> Iterator[Check]:
    topic, installed = "ONNX Runtime", installation.runtimes()
    names = [one.name for one in installed]
    if len(installed) > 1:
        yield Check(
            topic,
            "distributions",
            Status.PROBLEM,
            f"{' and '.join(f'{one.name} {one.version}' for one in installed)} are installed together: they overwrite "
            "each other's files",
            (f"`pip uninstall -y {' '.join(names)}`, then `pip install {_preferred(names)}`",),
        )
    for one in installed if len(installed) == 1 else ():
        yield Check(topic, "distribution", Status.OK, f"{one.name} {one.version}")
    if not installed:
        yield Check(
            topic,
            "distribution",
            Status.NOTE,
            "pip lists none: ONNX Runtime was installed some other way, or not at all",
        )


def _preferred(names: list[str]) -> str:
    return next((name for name in names if "gpu" in name), names[0])


def _build(onnxruntime: ModuleType) -> Iterator[Check]:
    cuda = getattr(onnxruntime, "cuda_version", "") or "without CUDA"
    providers = ", ".join(onnxruntime.get_available_providers())
    built = cuda if cuda == "without CUDA" else f"for CUDA {cuda}"
    yield Check("ONNX Runtime", "build", Status.OK, f"{onnxruntime.__version__} {built}")
    yield Check("ONNX Runtime", "providers", Status.NOTE, f"available: {providers}")


def _devices(probe: bytes) -> Iterator[Check]:
    driver = nvidia_driver()
    for index, gpu in enumerate(driver.gpus):
        yield Check("devices", f"GPU {index}", Status.OK, gpu)
    expected: np.ndarray | None = None
    for name in ("cpu", *(f"cuda:{index}" for index in range(len(driver.gpus))), *([] if driver.gpus else ["cuda"])):
        check, values = _check_device(probe, name, driver, expected)
        expected = values if expected is None else expected
        yield check
    yield _check_device(probe, "tensorrt", driver, expected)[0]


def _check_device(
    probe: bytes, device: str, driver: Driver, expected: np.ndarray | None
) -> tuple[Check, np.ndarray | None]:
    """Run the probe on a device: the result of the check, and the values."""
    try:
        session = open_session(probe, device=device, name="a model of one node")
        values = _run(session)
    except RunError as error:
        if device == "cpu" or (driver.gpus and device != "tensorrt"):
            return _problem("devices", device, error.diagnostic), None
        reason = driver.problem or "; ".join(error.diagnostic.notes) or error.diagnostic.message
        fixes = error.diagnostic.helps[:-1] if driver.gpus else ()
        return Check("devices", device, Status.NOTE, f"not available: {reason}", fixes), None
    if expected is not None and not np.allclose(values, expected, rtol=1e-2, atol=1e-2):
        worst = float(np.abs(values - expected).max())
        mismatch = f"its values differ from the CPU's by up to {worst:.3g}"
        return Check("devices", device, Status.PROBLEM, mismatch, ("update the NVIDIA driver and the libraries",)), None
    nodes = session.placement.get(PROVIDERS[session.device.kind])
    placed = f" ({nodes} node{'s' if nodes > 1 else ''})" if nodes else ""
    return Check("devices", device, Status.OK, f"runs a model{placed}"), values


def _run(session: Session) -> np.ndarray:
    (port,) = session.inputs
    shape = [size if isinstance(size, int) else 4 for size in port.shape]
    image = np.random.default_rng(_SEED).standard_normal(shape, dtype=np.float32)
    (value,) = session.run({port.name: image}).values()
    return value


def _libraries(onnxruntime: ModuleType) -> Iterator[Check]:
    """The libraries of CUDA and TensorRT. A missing one is a problem only on a machine with a GPU."""
    topic = "NVIDIA libraries"
    has_gpu = bool(nvidia_driver().gpus)
    with captured_output():
        # As in a run, so that libraries installed by pip are found.
        preload(onnxruntime, Device("tensorrt"))
    for kind in ("cuda", "tensorrt"):
        needed = installation.libraries(onnxruntime, kind)
        missing = [library.name for library in needed if not library.found]
        present = [library.name for library in needed if library.found]
        if missing:
            detail = f"not found: {', '.join(missing)}" + (f"; found: {', '.join(present)}" if present else "")
            status = Status.PROBLEM if has_gpu and kind == "cuda" else Status.NOTE
            yield Check(topic, kind, status, detail, libraries_for(Device(kind)) if has_gpu else ())
        elif needed:
            yield Check(topic, kind, Status.OK, f"found: {', '.join(present)}")
    runtimes = installation.runtimes()
    packages = installation.packages(runtimes[0].name, _EXTRAS) if len(runtimes) == 1 else ()
    for package in packages:
        if package.version and not package.fits:
            fix = f'`pip install "{package.requirement}"`'
            yield Check(topic, package.requirement, Status.PROBLEM, f"{package.version} is installed", (fix,))
    absent = [package.requirement for package in packages if not package.version]
    if packages:
        fitting = [f"{package.requirement} ({package.version})" for package in packages if package.fits]
        detail = "; ".join(
            f"{state}: {', '.join(names)}"
            for state, names in (("installed", fitting), ("not installed", absent))
            if names
        )
        yield Check(topic, "from pip", Status.NOTE if absent else Status.OK, detail)


def _processor() -> Iterator[Check]:
    topic, cpu = "processor", processor()
    yield Check(topic, "model", Status.OK, f"{cpu.model}, {platform.machine()}, {sys.platform}")
    limits = [f"{cpu.cores} in the machine"]
    if cpu.allowed < cpu.cores:
        limits.append(f"{cpu.allowed} available to this process")
    if cpu.quota is not None:
        limits.append(f"CPU time of {cpu.quota:g} by the container's limit")
    yield Check(topic, "cores", Status.OK, ", ".join(limits))
    yield Check(topic, "threads", Status.OK, f"{cpu.threads} by default (`--threads`)")
    yield Check(topic, "instructions", Status.OK, ", ".join(cpu.features) or "unknown")
    yield Check(topic, "int8", Status.NOTE, cpu.int8)
    yield Check(topic, "bf16", Status.NOTE, cpu.bf16)


def _problem(topic: str, name: str, diagnostic: Diagnostic) -> Check:
    detail = "; ".join((diagnostic.message, *diagnostic.notes))
    fixes = tuple(fix for fix in diagnostic.helps if not fix.startswith('`device="cpu"`'))
    return Check(topic, name, Status.PROBLEM, detail, fixes)
