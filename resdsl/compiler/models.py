"""Models by what people call them: an ONNX file, or a specification that becomes one for the while."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from resdsl.elaborate import Limits
from resdsl.runtime.files import ModelFile
from resdsl.specification.specification import load


@dataclass(frozen=True, slots=True)
class Build:
    """How a specification becomes a model.

    ``level``, ``precision``, ``for_runtime``, ``weights`` and ``seed`` are as for ``Specification.compile``, the rest
    as for ``resdsl.load``. ONNX files are taken as they are.
    """

    level: int = 1
    precision: str = "f32"
    for_runtime: bool = False
    weights: str | os.PathLike[str] | None = None
    seed: int = 0
    arguments: Mapping[str, object] = field(default_factory=dict)
    model: str | None = None
    input_shape: tuple[int | str, ...] | None = None
    limits: Limits | None = None


@contextmanager
def built(sources: Sequence[tuple[str, Build]]) -> Iterator[list[ModelFile]]:
    """The models under the names that they were given; what was compiled is gone afterwards.

    Raises ``CompileError`` for a specification that has mistakes.
    """
    with TemporaryDirectory(prefix="resdsl-") as folder:
        models = []
        for number, (source, build) in enumerate(sources):
            if is_specification(source):
                file = Path(folder) / f"{number}.onnx"
                _compile(source, file, build)
                models.append(ModelFile(source, file))
            else:
                models.append(ModelFile(source, Path(source)))
        yield models


def is_specification(source: str) -> bool:
    """Whether ``source`` is read as a specification rather than run as a model: a ``.res`` file, or a bare name."""
    path = Path(source)
    return path.suffix == ".res" or (not path.suffix and not path.is_file())


def _compile(source: str, file: Path, build: Build) -> None:
    specification = load(
        source, model=build.model, set=build.arguments, input_shape=build.input_shape, limits=build.limits
    )
    specification.compile(
        file,
        weights=build.weights,
        seed=build.seed,
        optimize=build.level,
        precision=build.precision,
        for_runtime=build.for_runtime,
    )
