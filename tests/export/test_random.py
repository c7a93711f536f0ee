"""Random specifications as source code. Each is proved as it is written; here also its layout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

import resdsl

from ..properties import generate

EXAMPLES = 60


def test_random_specifications_are_exported_and_formatted(tmp_path: Path) -> None:
    count = 0

    @seed(20)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(generate.specifications())
    def exported(specification: generate.Specification) -> None:
        nonlocal count
        count += 1
        network = resdsl.loads(specification.text, model="net")
        resdsl.export(network, tmp_path / f"net{count}.py")

    exported()
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert count == EXAMPLES
