"""A network from anywhere: the one function that turns what a user names into a specification."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypedDict, Unpack

from resdsl.diagnostics import Source
from resdsl.elaborate.limits import Limits
from resdsl.elaborate.program import Reader, read_file
from resdsl.specification.revision import revision_of
from resdsl.specification.specification import Specification
from resdsl.specification.text import read_source, read_stdin

Network = str | os.PathLike[str] | Source | Specification
"""What names a network: a file, a built-in network, ``REV:path``, ``-``, a text, or a specification."""

STDIN = "-"


class NetworkOptions(TypedDict, total=False):
    """Which network a text stands for.

    ``model`` chooses among several models of a file, ``set`` gives arguments to the model's parameters
    (``{"classes": 10}``), ``input_shape`` replaces the shape that the file writes after ``input`` (an integer, or a
    name for a symbolic size). ``limits`` bounds what the text may ask for.
    """

    model: str | None
    set: Mapping[str, object]
    input_shape: tuple[int | str, ...] | None
    limits: Limits | None


def load(network: Network, *, read: Reader | None = None, **options: Unpack[NetworkOptions]) -> Specification:
    """The specification that ``network`` names.

    It is a path, the name of a built-in network (``resnet50``), ``REV:path`` for a file as it was in a revision of the
    git repository around (with the files that it uses, of that revision), ``-`` for standard input, a ``Source``, or a
    ``Specification``, which stays as it is. ``options`` are those of ``NetworkOptions``. ``read`` is how the files are
    read that the text uses.

    Raises ``CompileError`` if the text cannot be read. Errors in it are reported by the stages that find them.
    """
    if isinstance(network, Specification):
        return network
    limits = options.get("limits") or Limits()
    source, reader = _source(network, limits)
    return Specification(
        source,
        model=options.get("model"),
        arguments=options.get("set", MappingProxyType({})),
        input_shape=options.get("input_shape"),
        limits=limits,
        read=read or reader,
    )


def loads(text: str, *, name: str = "<text>", **options: Unpack[NetworkOptions]) -> Specification:
    """The specification that ``text`` is; messages call it ``name``. ``options`` are those of ``NetworkOptions``."""
    return load(Source(name, text), **options)


def _source(network: str | os.PathLike[str] | Source, limits: Limits) -> tuple[Source, Reader]:
    if isinstance(network, Source):
        return network, read_file
    if network == STDIN:
        return read_stdin(largest=limits.file_bytes), read_file
    if isinstance(network, str) and (named := revision_of(network, Path.cwd())) is not None:
        revision, path = named
        return revision.source(path, largest=limits.file_bytes), revision.read
    return read_source(network, largest=limits.file_bytes), read_file
