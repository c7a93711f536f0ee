"""`resdsl doctor` on this machine, and on simulated ones with a GPU or a broken installation."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

import resdsl.tools.doctor.device_checks as module
from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.diagnostics.errors import UnavailableError
from resdsl.runtime.device import Driver, nvidia_driver
from resdsl.tools.doctor.device_checks import Check, Status, check_runtime
from resdsl.tools.doctor.installation import Distribution, Library, Package

MakeModel = Callable[..., bytes]


@pytest.fixture
def probe(make_model: MakeModel) -> bytes:
    return make_model(shape=("N", 3, 4, 4))


@pytest.fixture
def with_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A machine with a GPU, on which a model gives ``value``, or that refuses."""

    def become(value: float = 1.0, refusal: Diagnostic | None = None) -> None:
        def open_session(_: bytes, *, device: str, **__: str) -> SimpleNamespace:
            kind = device.split(":", maxsplit=1)[0]
            if kind == "tensorrt":
                raise UnavailableError(Diagnostic(catalogue.DEVICE_UNUSABLE, "no", helps=("fit it", "`--device cpu`")))
            if kind == "cuda" and refusal:
                raise UnavailableError(refusal)
            values = np.full((4, 3), value if kind == "cuda" else 1.0, np.float32)
            return SimpleNamespace(
                inputs=[SimpleNamespace(name="x", shape=("N", 3))],
                run=lambda _: {"y": values},
                placement={"CUDAExecutionProvider": 1},
                device=SimpleNamespace(kind=kind),
            )

        monkeypatch.setattr(module, "nvidia_driver", lambda: Driver(gpus=("NVIDIA A",)))
        monkeypatch.setattr(module, "open_session", open_session)

    return become


def of(findings: list[Check], name: str) -> Check:
    (found,) = [finding for finding in findings if finding.name == name and finding.topic == "devices"]
    return found


@pytest.mark.skipif(nvidia_driver().problem is None, reason="there is a GPU here")
def test_a_machine_without_a_gpu_is_in_good_health(probe: bytes) -> None:
    found = list(check_runtime(probe))
    assert [finding for finding in found if finding.status is Status.PROBLEM] == []
    # GlobalAveragePool, Flatten and MatMul
    assert of(found, "cpu").detail == "runs a model (3 nodes)"
    assert "NVIDIA driver" in of(found, "cuda").detail
    assert {finding.topic for finding in found} >= {"ONNX Runtime", "devices", "processor"}


def test_a_gpu_that_gives_the_processors_values_is_fine(probe: bytes, with_gpu: Callable[..., None]) -> None:
    with_gpu(value=1.001)
    found = of(list(check_runtime(probe)), "cuda:0")
    assert (found.status, found.detail) == (Status.OK, "runs a model (1 node)")


def test_a_gpu_that_gives_other_values_is_a_problem(probe: bytes, with_gpu: Callable[..., None]) -> None:
    with_gpu(value=3.0)
    found = of(list(check_runtime(probe)), "cuda:0")
    assert found.status is Status.PROBLEM
    assert "differ from the CPU's by up to 2" in found.detail


def test_a_gpu_that_cannot_be_used_is_a_problem_with_its_fix(probe: bytes, with_gpu: Callable[..., None]) -> None:
    cause = Diagnostic(
        catalogue.DEVICE_UNUSABLE,
        "the device `cuda:0` cannot be used",
        notes=("libcublas.so.13 is missing",),
        helps=("install the CUDA libraries", "`--device cpu` runs it on the CPU"),
    )
    with_gpu(refusal=cause)
    found = of(list(check_runtime(probe)), "cuda:0")
    assert found.status is Status.PROBLEM
    assert "libcublas.so.13 is missing" in found.detail
    # That the CPU would run it is not a fix for the GPU.
    assert found.fixes == ("install the CUDA libraries",)


def test_tensorrt_need_not_be_there(probe: bytes, with_gpu: Callable[..., None]) -> None:
    with_gpu()
    found = of(list(check_runtime(probe)), "tensorrt")
    assert (found.status, found.fixes) == (Status.NOTE, ("fit it",))


def test_libraries_that_a_gpu_lacks_are_a_problem(
    probe: bytes, with_gpu: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu()
    wanted = {"cuda": (Library("libcudart.so.13", True), Library("libcublas.so.13", False)), "tensorrt": ()}
    monkeypatch.setattr(module.installation, "libraries", lambda _, kind: wanted[kind])
    (found,) = [one for one in check_runtime(probe) if one.topic == "NVIDIA libraries" and one.name == "cuda"]
    assert found.status is Status.PROBLEM
    assert found.detail == "not found: libcublas.so.13; found: libcudart.so.13"
    assert "onnxruntime-gpu[cuda,cudnn]" in found.fixes[0]


def test_a_package_of_another_version_than_wanted_is_a_problem(probe: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = (Package("nvidia-cudnn-cu13~=9.0", "8.9", False),)
    monkeypatch.setattr(module.installation, "packages", lambda *_: wanted)
    (found,) = [one for one in check_runtime(probe) if one.name == "nvidia-cudnn-cu13~=9.0"]
    assert (found.status, found.detail) == (Status.PROBLEM, "8.9 is installed")
    assert found.fixes == ('`pip install "nvidia-cudnn-cu13~=9.0"`',)


def test_two_onnx_runtimes_are_a_problem_with_its_fix(probe: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    both = (Distribution("onnxruntime", "1.30.0"), Distribution("onnxruntime-gpu", "1.31.1"))
    monkeypatch.setattr(module.installation, "runtimes", lambda: both)
    found = next(check_runtime(probe))
    assert found.status is Status.PROBLEM
    assert "onnxruntime 1.30.0 and onnxruntime-gpu 1.31.1 are installed together" in found.detail
    assert found.fixes == ("`pip uninstall -y onnxruntime onnxruntime-gpu`, then `pip install onnxruntime-gpu`",)


def test_onnx_runtime_that_cannot_be_imported_hides_nothing_else(probe: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise UnavailableError(Diagnostic(catalogue.NO_ONNX_RUNTIME, "ONNX Runtime cannot be loaded", helps=("so",)))

    monkeypatch.setattr(module, "onnx_runtime", broken)
    found = list(check_runtime(probe))
    (problem,) = [finding for finding in found if finding.status is Status.PROBLEM]
    assert (problem.detail, problem.fixes) == ("ONNX Runtime cannot be loaded", ("so",))
    assert found[-1].topic == "processor"
