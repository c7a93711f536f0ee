"""The number of examples: few and fixed by default; many and random with ``RESDSL_PROPERTIES=deep``."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, settings

Test = TypeVar("Test", bound=Callable[..., None])

DEEP = os.environ.get("RESDSL_PROPERTIES") == "deep"
DEEP_EXAMPLES = int(os.environ.get("RESDSL_EXAMPLES", "2000"))


def examples(quick: int = 60) -> Callable[[Test], Test]:
    """The settings of a test of properties."""
    return settings(
        max_examples=DEEP_EXAMPLES if DEEP else quick,
        derandomize=not DEEP,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
