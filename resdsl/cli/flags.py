"""Spells the options in diagnostics as command-line flags."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from resdsl.diagnostics.options import Option

_FLAGS = {
    "input_shape": "--input",
    "renames": "--rename",
    "limits": "--limit",
    "output": "--features",
    "target": "--output",
    "batch_size": "--batch",
    "learning_rate": "--lr",
}
"""Options whose flag differs from their Python name."""

_REPEATED = frozenset({"ignore"})
"""Options whose flag is given once for each value."""

_PRECISIONS = {"f32": "fp32", "f16": "fp16"}


def as_flags(option: Option) -> str:
    """``--partial``, ``--set classes=10``, ``--input N,3,H,W``."""
    flag = _FLAGS.get(option.name, f"--{option.name.replace('_', '-')}")
    return " ".join(_with_value(flag, option))


def _with_value(flag: str, option: Option) -> Iterator[str]:
    value = option.value
    if option.name == "limits" and value == {"outside": True}:
        yield "--allow-outside"
    elif value is None or value is True:
        yield flag
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield f"{flag} {shlex.quote(f'{name}={one}')}"
    elif isinstance(value, tuple) and option.name in _REPEATED:
        for one in value:
            yield f"{flag} {shlex.quote(str(one))}"
    elif isinstance(value, tuple):
        yield f"{flag} {','.join(map(str, value))}"
    else:
        text = _PRECISIONS.get(str(value), str(value)) if option.name == "precision" else str(value)
        yield f"{flag} {shlex.quote(text)}"
