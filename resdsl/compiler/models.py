"""Model files for what a user names: an ONNX file as it is, a specification compiled to a temporary one."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from resdsl.compiler.compile import compile
from resdsl.compiler.options import INFERENCE, CompileOptions
from resdsl.inputs import record_input
from resdsl.runtime.files import ModelFile
from resdsl.specification.load import STDIN, NetworkOptions, load
from resdsl.specification.revision import revision_of
from resdsl.specification.specification import Specification

Model = str | os.PathLike[str] | Specification
"""What names a model: an ONNX file, or a network as for ``resdsl.load``."""


@dataclass(frozen=True, slots=True)
class Build:
    """How a specification becomes a model. ONNX files are taken as they are."""

    options: CompileOptions = INFERENCE
    network: NetworkOptions = field(default_factory=NetworkOptions)


@contextmanager
def model_files(models: Sequence[tuple[Model, Build]]) -> Iterator[list[ModelFile]]:
    """The files of models, each with the name that it was given by; compiled ones are removed afterwards.

    Raises ``CompileError`` for a specification that has errors.
    """
    with TemporaryDirectory(prefix="resdsl-") as folder:
        files = []
        for number, (model, build) in enumerate(models):
            if is_specification(model):
                specification = load(model, **build.network)
                file = Path(folder) / f"{number}.onnx"
                compile(specification, file, build.options)
                files.append(ModelFile(name_of(model), file))
            else:
                assert not isinstance(model, Specification)
                _record_model(Path(model))
                files.append(ModelFile(name_of(model), Path(model)))
        yield files


def is_specification(model: Model) -> bool:
    """Whether ``model`` is compiled first: a ``.res`` file, a built-in name, ``REV:path`` or ``-``."""
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
    """What messages and results call a model."""
    return model.source.name if isinstance(model, Specification) else os.fspath(model)
