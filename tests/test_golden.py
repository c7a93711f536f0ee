"""Every golden file belongs to a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).parent


def test_every_golden_file_has_a_test(
    golden_files_with_a_test: Callable[[Path], set[Path]], was_collected_whole: Callable[[Path], bool]
) -> None:
    orphans = []
    for path in sorted(TESTS.rglob("golden/*/*")):
        module = path.parents[2] / f"test_{path.parent.name}.py"
        if not module.exists() or (was_collected_whole(module) and path not in golden_files_with_a_test(module)):
            orphans.append(path.relative_to(TESTS).as_posix())
    assert orphans == []
