"""pyarrow, which reads and writes Parquet and the object stores of clouds; an extra."""

from __future__ import annotations

import importlib
from types import ModuleType

from resdsl.diagnostics import Text, catalogue
from resdsl.diagnostics.errors import UnavailableError


def pyarrow(need: str, *others: str | Text, name: str = "pyarrow") -> ModuleType:
    """The module ``name`` of pyarrow. Raises ``UnavailableError`` without it.

    ``need`` begins the message, ``others`` are what can be done instead of installing it.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UnavailableError.of(
            catalogue.EXTRA_NEEDED,
            f"{need}, which is not installed",
            helps=("install it: `pip install 'resdsl[parquet]'`", *others),
        ) from None
