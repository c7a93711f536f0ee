"""Connect to a Ray cluster, and decide how many copies of a model run on it."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.diagnostics.errors import UnavailableError
from resdsl.runtime.captured_output import captured_output
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.processor import processor

_MOST_THREADS = 4
"""CPU threads of a copy by default: more of them share a session less well than more copies would."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a job runs.

    ``address`` is ``auto`` (the cluster of this machine), ``ray://HOST:PORT``, ``HOST:PORT``, or ``None``: that of the
    environment (``RAY_ADDRESS``, which ``ray job submit`` sets), otherwise a cluster of this machine that ends with the
    job. ``actors`` is the number of copies of the model (by default as many as fit), ``partition`` the number of images
    in a file of results.
    """

    address: str | None = None
    actors: int | None = None
    partition: int = 1024


ANYWHERE = Cluster()
"""The cluster of the environment or of this machine, with as many copies as fit."""


@dataclass(frozen=True, slots=True)
class Copies:
    """``number`` copies of a model, each with a session on ``device`` and ``threads`` CPUs; on a GPU, one GPU each."""

    number: int
    device: DeviceOptions
    threads: int

    @property
    def gpus(self) -> int:
        return int(self.device.device != "cpu")

    def __str__(self) -> str:
        of = "one GPU" if self.gpus else f"{self.threads} CPU{'s' * (self.threads > 1)}"
        return f"{self.number} {'copies' if self.number > 1 else 'copy'} on {of}{' each' * (self.number > 1)}"


_ENVIRONMENT = {
    # What goes wrong is reported as a diagnostic; Ray keeps its own account in its log files.
    "RAY_DATA_LOG_LEVEL": "ERROR",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    # A cluster that ends with the job has nothing to report to anybody.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Settings of Ray unless the user has others."""


def require_ray() -> ModuleType:
    """The module ``ray``. Raises ``UnavailableError`` without Ray Data."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        importlib.import_module("ray.data")
        return importlib.import_module("ray")
    except ImportError:
        raise UnavailableError.of(
            catalogue.EXTRA_NEEDED,
            "running on a cluster needs Ray, which is not installed",
            helps=("install it: `pip install 'resdsl[ray]'`",),
        ) from None


_CLIENT_TRIES = 3
"""The cluster starts a process for each client, which does not always succeed."""


@contextmanager
def connected(cluster: Cluster) -> Iterator[None]:
    """A connection to the cluster, unless there is one already. Raises ``UnavailableError`` if it cannot be reached."""
    ray = require_ray()
    if ray.is_initialized():
        yield
        return
    address = cluster.address or ("auto" if os.environ.get("RAY_ADDRESS") else "local")
    here = {"num_cpus": processor().threads, "include_dashboard": False} if address == "local" else {}
    for left in range(_CLIENT_TRIES if address.startswith("ray://") else 1, 0, -1):
        try:
            with captured_output():  # the native part of Ray states its own settings
                ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **here)
            break
        except Exception as error:  # Ray raises exceptions of many types, among them `Exception`
            if left > 1 and isinstance(error, ConnectionAbortedError):
                continue
            raise unusable(f"the Ray cluster `{address}` cannot be reached: {first_line(error)}") from None
    try:
        yield
    finally:
        ray.shutdown()


def copies_on(cluster: Cluster, device: DeviceOptions) -> Copies:
    """How many copies of a model the connected cluster can run. Raises ``UnavailableError`` if there is room for none.

    A copy takes a GPU if the cluster has GPUs and ``device`` is not ``cpu``, otherwise ``threads`` CPUs of one machine.
    """
    ray = require_ray()
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = [int(machine.get("CPU", 0)) for machine in machines]
    gpus = [int(machine.get("GPU", 0)) for machine in machines]
    kind = device.device.strip().lower()
    if kind not in ("auto", "cpu", "cuda", "tensorrt"):
        raise UnavailableError.of(
            catalogue.DEVICE_UNUSABLE,
            f"Ray gives each copy a GPU of its own, so `{device.device}` cannot be chosen",
            helps=(Text("use ", Option("device", "cuda")),),
        )
    if kind != "cpu" and any(gpus):
        threads = device.threads or max(1, min(cpu // gpu for cpu, gpu in zip(cpus, gpus, strict=True) if gpu))
        room = sum(min(gpu, cpu // threads) for cpu, gpu in zip(cpus, gpus, strict=True))
        chosen = replace(device, device="cuda" if kind == "auto" else kind, threads=threads)
    elif kind in ("auto", "cpu"):
        threads = device.threads or min(max(cpus, default=1), _MOST_THREADS)
        room = sum(cpu // threads for cpu in cpus)
        chosen = replace(device, device="cpu", threads=threads)
    else:
        raise unusable("the Ray cluster has no GPUs", Text(Option("device", "cpu"), " runs the model on its CPUs"))
    if not room:
        most = max(cpus, default=0)
        raise unusable(
            f"no machine of the Ray cluster has {threads} CPUs for one copy of the model: the largest has {most}",
            Text("use fewer: ", Option("threads", max(most, 1))),
        )
    return Copies(min(room, cluster.actors or room), chosen, threads)


def unusable(fact: str, *helps: str | Text) -> UnavailableError:
    """The error of a cluster that cannot run a job."""
    return UnavailableError.of(
        catalogue.CLUSTER, fact, helps=helps or ("check the address, and `ray status` on that machine",)
    )


def first_line(error: BaseException) -> str:
    """What an exception of Ray says, without its traces: its first line, and the last if that only introduces one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = f"{lines[0]} {lines[-1]}" if lines[0].endswith(":") and len(lines) > 1 else lines[0]
    return said[:500]
