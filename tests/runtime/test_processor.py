"""Parsing descriptions of processors and limits of containers."""

from __future__ import annotations

from pathlib import Path

import pytest

import resdsl.runtime.processor as module
from resdsl.runtime.processor import Processor, processor

# Excerpts of /proc/cpuinfo.
SAPPHIRE_RAPIDS = """\
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags\t\t: fpu sse4_2 fma avx2 avx512f avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8
"""
HASWELL = "model name\t: Intel(R) Xeon(R) CPU E5-2690 v3 @ 2.60GHz\nflags\t\t: fpu sse4_2 fma avx2\n"
GRAVITON = "processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp sve i8mm bf16\n"


@pytest.fixture
def describe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    def set_up(cpuinfo: str = "", groups: str = "", files: dict[str, str] | None = None) -> Processor:
        for name, text in {"cpuinfo": cpuinfo, "own": groups, **(files or {})}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        monkeypatch.setattr(module, "_CPU_INFO", tmp_path / "cpuinfo")
        monkeypatch.setattr(module, "_OWN_CGROUPS", tmp_path / "own")
        monkeypatch.setattr(module, "_CGROUPS", tmp_path / "cgroup")
        return processor.__wrapped__()

    return set_up


def test_a_processor_with_matrix_units_is_detected(describe) -> None:
    found = describe(SAPPHIRE_RAPIDS)
    assert found.model.startswith("Intel(R) Xeon(R) Platinum")
    assert found.features == ("AVX2", "FMA", "AVX-512", "AVX-512 VNNI", "AVX-512 BF16", "AMX INT8", "AMX BF16")
    assert found.int8.startswith("AVX-512 VNNI and AMX INT8")
    assert found.bf16.startswith("AVX-512 BF16 and AMX BF16")


def test_a_processor_without_int8_products_is_detected(describe) -> None:
    found = describe(HASWELL)
    assert found.features == ("AVX2", "FMA")
    assert "saturate" in found.int8
    assert "cannot multiply bfloat16" in found.bf16


def test_an_arm_processor_is_detected(describe) -> None:
    found = describe(GRAVITON)
    assert {"NEON", "dot product", "I8MM", "BF16"} <= set(found.features)
    assert "dot product and I8MM" in found.int8


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/app\n", {"cgroup/app/cpu.max": "150000 100000\n"}, 1.5),
        # Inside a container, its own group is the root, whatever its name outside.
        ("0::/docker/3f2a\n", {"cgroup/cpu.max": "200000 100000\n"}, 2.0),
        # The least of a group and of those around it.
        ("0::/a/b\n", {"cgroup/a/cpu.max": "50000 100000", "cgroup/a/b/cpu.max": "300000 100000"}, 0.5),
        ("0::/app\n", {"cgroup/app/cpu.max": "max 100000\n"}, None),
        (
            "4:cpu,cpuacct:/app\n0::/\n",
            {"cgroup/cpu/app/cpu.cfs_quota_us": "250000", "cgroup/cpu/app/cpu.cfs_period_us": "100000"},
            2.5,
        ),
        (
            "4:cpu:/app\n",
            {"cgroup/cpu/app/cpu.cfs_quota_us": "-1", "cgroup/cpu/app/cpu.cfs_period_us": "100000"},
            None,
        ),
        ("nonsense", {}, None),
    ],
)
def test_a_containers_limit_is_found(describe, groups: str, files: dict[str, str], quota: float | None) -> None:
    assert describe(groups=groups, files=files).quota == quota


@pytest.mark.parametrize(("allowed", "quota", "threads"), [(8, None, 8), (8, 1.5, 2), (8, 0.1, 1), (2, 16.0, 2)])
def test_there_are_as_many_threads_as_can_work(allowed: int, quota: float | None, threads: int) -> None:
    assert Processor("a", 16, allowed, quota, ()).threads == threads
