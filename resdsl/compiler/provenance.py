"""What a compiled file says of where it came from. Nothing that depends on the machine or the hour goes in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import PurePath

from resdsl.diagnostics import Source
from resdsl.elaborate import Program


def provenance(
    program: Program, arguments: Mapping[str, object], level: int, weights: Mapping[str, object]
) -> dict[str, str]:
    """Entries for the model's metadata.

    ``resdsl.spec`` is the name of the specification's file, ``resdsl.spec.sha256`` the digest of its text in UTF-8;
    ``resdsl.used`` gives the digests of the files that it uses, ``resdsl.arguments`` what the model was called with,
    ``resdsl.optimize`` the level, and ``resdsl.weights`` where the weights are from; the last three are JSON.
    """
    main, *used = program.sources
    return {
        "resdsl.spec": _name(main),
        "resdsl.spec.sha256": _digest(main),
        "resdsl.used": _json({_name(source): _digest(source) for source in used}),
        "resdsl.arguments": _json({name: str(value) for name, value in arguments.items()}),
        "resdsl.optimize": str(level),
        "resdsl.weights": _json(weights),
    }


def weights_are_random(metadata: Mapping[str, str]) -> bool:
    """Whether a model's metadata says that all of its weights were drawn at random."""
    try:
        origin = json.loads(metadata.get("resdsl.weights", "null"))
    except (ValueError, RecursionError):
        return False
    return isinstance(origin, dict) and "scheme" in origin and "checkpoint" not in origin


def _name(source: Source) -> str:
    # Where the file lay on the disk is nobody's business, and would make the bytes depend on it.
    return source.name if source.name.startswith(("std/", "<")) else PurePath(source.name).name


def _digest(source: Source) -> str:
    return sha256(source.text.encode()).hexdigest()


def _json(data: Mapping[str, object]) -> str:
    return json.dumps(data, sort_keys=True, ensure_ascii=False)
