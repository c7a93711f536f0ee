"""Models on a Ray cluster: jobs over parts of a data set, and a stage for pipelines of Ray Data.

Needs ``resdsl[ray]``. Importing this package imports no Ray: what a name needs is imported when it is first used.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False

if TYPE_CHECKING:
    from resdsl.ray.cluster import Cluster as Cluster
    from resdsl.ray.pipeline import map_batches as map_batches

_MODULE_OF = {"Cluster": "resdsl.ray.cluster", "map_batches": "resdsl.ray.pipeline"}


def __getattr__(name: str) -> object:
    if name == "__all__":
        return sorted(_MODULE_OF)
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'resdsl.ray' has no attribute '{name}'")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
