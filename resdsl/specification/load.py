"""Load a network: from a file, a built-in name, a git revision, standard input or text."""

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
"""A network: the path of a specification or of an ONNX file, a built-in name, ``REV:path``, ``-`` for standard input, a
``Source``, or a specification."""

STDIN = "-"


class NetworkOptions(TypedDict, total=False):
    """Options that select and configure a network.

    ``model`` is the name of the model, if the file has several. ``set`` gives values of the model's parameters
    (``{"classes": 10}``). ``input_shape`` replaces the shape of the ``input`` statement; a string is a symbolic size.
    ``limits`` bounds the size of the specification.
    """

    model: str | None
    set: Mapping[str, object]
    input_shape: tuple[int | str, ...] | None
    limits: Limits | None


def load(network: Network, *, read: Reader | None = None, **options: Unpack[NetworkOptions]) -> Specification:
    """Load a network.

    ``network`` is the path of a specification or of an ONNX file (``.onnx``), the name of a built-in network
    (``resnet50``), ``REV:path`` for a file as it was in a revision of the current git repository (used files are read
    from the same revision), ``-`` for standard input, a ``Source``, or a ``Specification``, which is returned
    unchanged. ``options`` are those of ``NetworkOptions``.
    ``read`` reads the files that the text uses.

    Raises ``CompileError`` if the text cannot be read. Errors in it are reported later, by the stage that finds them.
    """
    if isinstance(network, Specification):
        return network
    limits = options.get("limits") or Limits()
    model = _model_file(network, limits, options)
    if model is not None:
        return model
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
    """Load a specification from ``text``; messages use ``name``. ``options`` are those of ``NetworkOptions``."""
    return load(Source(name, text), **options)


def _model_file(
    network: str | os.PathLike[str] | Source, limits: Limits, options: NetworkOptions
) -> Specification | None:
    """The network of an ONNX file, also of one in a revision; ``None`` for what is not called so."""
    if isinstance(network, Source) or not os.fspath(network).endswith(".onnx"):
        return None
    from resdsl.specification.model_file import model_of, open_model  # texts are read without the importer

    if isinstance(network, str) and (named := revision_of(network, Path.cwd())) is not None:
        return model_of(*named, limits, options)
    return open_model(Path(network), os.fspath(network), limits, options)


def _source(network: str | os.PathLike[str] | Source, limits: Limits) -> tuple[Source, Reader]:
    if isinstance(network, Source):
        return network, read_file
    if network == STDIN:
        return read_stdin(largest=limits.file_bytes), read_file
    if isinstance(network, str) and (named := revision_of(network, Path.cwd())) is not None:
        revision, path = named
        return revision.source(path, largest=limits.file_bytes), revision.read
    return read_source(network, largest=limits.file_bytes), read_file
