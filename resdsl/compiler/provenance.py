"""Provenance metadata of a compiled model. It does not depend on the machine or the time."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import PurePath

from resdsl.diagnostics import Source
from resdsl.elaborate import Program
from resdsl.ir import metadata


def provenance(
    program: Program, arguments: Mapping[str, object], level: int, weights: Mapping[str, object]
) -> dict[str, str]:
    """Metadata entries for the sources (by digest), arguments, optimisation level and weights of a model."""
    main, *used = program.sources
    return {
        **metadata.SPECIFICATION.of(_name(main)),
        **metadata.SPECIFICATION_DIGEST.of(_digest(main)),
        **metadata.USED.of({_name(source): _digest(source) for source in used}),
        **metadata.ARGUMENTS.of({name: str(value) for name, value in arguments.items()}),
        **metadata.OPTIMIZE.of(str(level)),
        **metadata.WEIGHTS.of(weights),
    }


def weights_are_random(entries: Mapping[str, str]) -> bool:
    """Whether the metadata of a model says that all weights are random."""
    try:
        origin = metadata.WEIGHTS.find(entries) or {}
    except ValueError:
        return False
    return "scheme" in origin and "checkpoint" not in origin


def _name(source: Source) -> str:
    # The folder is private, and would make the bytes of the model depend on it.
    return source.name if source.name.startswith(("std/", "<")) else PurePath(source.name).name


def _digest(source: Source) -> str:
    return sha256(source.text.encode()).hexdigest()
