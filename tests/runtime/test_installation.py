"""Detecting ONNX Runtime from pip's records and the system loader, in environments made for the tests."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import resdsl.tools.doctor.installation as module
from resdsl.tools.doctor.installation import Distribution, Package, extras_of, libraries, packages, runtimes

RUNTIME = """\
Provides-Extra: cuda
Requires-Dist: numpy>=1.21.6
Requires-Dist: nvidia-cuda-runtime~=13.0; extra == "cuda"
Requires-Dist: nvidia-curand~=10.0; extra == "cuda"
Requires-Dist: nvidia-cufft~=12.0; extra == "cuda" and sys_platform == "sunos"
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """``environment("onnxruntime-gpu", "1.31.1", "Requires-Dist: ...")`` is installed, and nothing else is."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    def install(name: str, version: str, more: str = "") -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}")

    return install


def test_two_onnx_runtimes_are_both_found(environment) -> None:
    environment("onnxruntime", "1.30.0")
    environment("onnxruntime-gpu", "1.31.1")
    environment("onnxruntime-extensions", "0.13.0")
    environment("onnx", "1.23.2")
    assert runtimes() == (Distribution("onnxruntime", "1.30.0"), Distribution("onnxruntime-gpu", "1.31.1"))


def test_the_build_for_directml_is_one_too(environment) -> None:
    environment("onnxruntime-directml", "1.24.1")
    assert runtimes() == (Distribution("onnxruntime-directml", "1.24.1"),)


def test_what_an_extra_wants_is_held_against_what_is_there(environment) -> None:
    environment("onnxruntime-gpu", "1.31.1", RUNTIME)
    environment("nvidia-cuda-runtime", "12.4.1")
    assert packages("onnxruntime-gpu", ["cuda"]) == (
        Package("nvidia-cuda-runtime~=13.0", "12.4.1", False),
        Package("nvidia-curand~=10.0", None, False),
    )
    assert extras_of("onnxruntime-gpu") == ("cuda",)


@pytest.mark.usefixtures("environment")
def test_what_is_not_installed_wants_nothing() -> None:
    assert packages("onnxruntime-gpu", ["cuda"]) == ()
    assert extras_of("onnxruntime-gpu") == ()


@pytest.mark.skipif(sys.platform != "linux", reason="the loader is asked on Linux alone")
def test_the_libraries_of_a_provider_are_those_that_it_is_linked_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = tmp_path / "capi" / "libonnxruntime_providers_cuda.so"
    provider.parent.mkdir()
    provider.write_bytes(b"a shared library")
    output = (
        "\tlinux-vdso.so.1 (0x00007ffe)\n"
        "\tlibcublas.so.13 => not found\n"
        "\tlibcudart.so.13 => /opt/cuda/libcudart.so.13 (0x00007f)\n"
        "\tlibm.so.6 => /lib/libm.so.6 (0x00007f)\n"
    )
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(module.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=output))
    monkeypatch.setattr(module, "_loads", lambda name: name == "libcudart.so.13")
    package = SimpleNamespace(__file__=str(tmp_path / "__init__.py"))
    assert [(library.name, library.found) for library in libraries(package, "cuda")] == [
        ("libcublas.so.13", False),
        ("libcudart.so.13", True),
    ]
    assert libraries(package, "tensorrt") == ()
