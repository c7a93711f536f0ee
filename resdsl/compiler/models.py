"""Model files: an ONNX file is used as it is, a specification is compiled to a temporary file."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from resdsl.compiler.compile import compile
from resdsl.compiler.options import INFERENCE, CompileOptions
from resdsl.files import scratch_folder
from resdsl.inputs import record_input
from resdsl.runtime.files import ModelFile
from resdsl.specification.load import STDIN, NetworkOptions, load
from resdsl.specification.revision import revision_of
from resdsl.specification.specification import Specification

Model = str | os.PathLike[str] | Specification
"""A model: an ONNX file, or a network as for ``resdsl.load``."""


@dataclass(frozen=True, slots=True)
class Build:
    """How to load and compile a specification. It does not apply to ONNX files."""

    options: CompileOptions = INFERENCE
    network: NetworkOptions = field(default_factory=NetworkOptions)


@contextmanager
def model_files(models: Sequence[tuple[Model, Build]]) -> Iterator[list[ModelFile]]:
    """The files of models, with the names that users gave; compiled files are removed afterwards.

    Raises ``CompileError`` if a specification has errors.
    """
    with scratch_folder() as folder:
        files = []
        for number, (model, build) in enumerate(models):
            if is_specification(model):
                specification = load(model, **build.network)
                file = folder / f"{number}.onnx"
                compile(specification, file, build.options)
                files.append(ModelFile(name_of(model), file))
            else:
                assert not isinstance(model, Specification)
                _record_model(Path(model))
                files.append(ModelFile(name_of(model), Path(model)))
        yield files


def is_specification(model: Model) -> bool:
    """Whether ``model`` must be compiled: a ``.res`` file, a built-in name, ``REV:path`` or ``-``."""
    if isinstance(model, Specification) or model == STDIN:
        return True
    path = Path(model)
    if path.suffix == ".res" or (not path.suffix and not path.is_file()):
        return True
    return isinstance(model, str) and revision_of(model, Path()) is not None


def _record_model(file: Path) -> None:
    """State that a model is read, and with it the files of weights beside it."""
    record_input(file)
    for beside in file.parent.glob(f"{glob.escape(file.stem)}.*data"):
        record_input(beside)


def name_of(model: Model) -> str:
    """The name of a model in messages and results."""
    return model.source.name if isinstance(model, Specification) else os.fspath(model)
