"""What a server has to know of a model: its ports, whether it takes batches, its labels, and its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resdsl.compiler.models import Build, Model, model_files
from resdsl.diagnostics import RunError, catalogue
from resdsl.importer.tensors import OnnxFile
from resdsl.ir import metadata
from resdsl.ir.preprocess import Preprocess, step_text
from resdsl.runtime.datatypes import datatype
from resdsl.runtime.metadata import read_metadata
from resdsl.runtime.session import Port, Session, open_session


@dataclass(frozen=True, slots=True)
class ServedPort:
    """An input or output. ``sizes`` are without that of a batch; -1 is a size that each request chooses."""

    name: str
    type: str
    sizes: tuple[int, ...]
    labelled: bool = False


@dataclass(frozen=True, slots=True)
class ServedModel:
    """``file`` and ``beside`` (weights in other files) are to be copied; they exist inside ``served_model`` alone.

    ``takes_batches``: the first size of every port is open, and so that of a batch. ``preprocess`` is what clients have
    to do to an image, ``embedded`` what the model does itself: the steps as specifications write them.
    """

    name: str
    file: Path
    beside: tuple[Path, ...]
    inputs: tuple[ServedPort, ...]
    outputs: tuple[ServedPort, ...]
    takes_batches: bool
    labels: tuple[str, ...] = ()
    preprocess: tuple[str, ...] = ()
    embedded: tuple[str, ...] = ()

    @property
    def has_open_sizes(self) -> bool:
        """Whether requests choose sizes of an input, besides that of the batch."""
        return any(-1 in port.sizes for port in self.inputs)


@contextmanager
def served_model(model: Model, build: Build) -> Iterator[ServedModel]:
    """The model, compiled first if it is a specification.

    ONNX Runtime loads it on the CPU, so that a file is refused here which no server could load. Raises ``RunError`` for
    such a file and for values that Triton has no type for, ``CompileError`` if a specification has errors.
    """
    with model_files([(model, build)]) as (made,):
        yield _served(open_session(made.file, device="cpu", name=made.name), made.file)


def _served(session: Session, file: Path) -> ServedModel:
    stated = read_metadata(session.metadata, session.name)
    embedded = metadata.EMBEDDED_PREPROCESS.find(session.metadata)
    ports = (*session.inputs, *session.outputs)
    takes_batches = all(port.shape and not isinstance(port.shape[0], int) for port in ports)
    labels = stated.labels or ()
    return ServedModel(
        stated.model or session.graph_name,
        file,
        OnnxFile.open(file).files_beside(),
        tuple(_port(port, session.name, takes_batches, ()) for port in session.inputs),
        tuple(_port(port, session.name, takes_batches, labels) for port in session.outputs),
        takes_batches,
        labels,
        _steps(stated.preprocess),
        _steps(embedded),
    )


def _steps(preprocess: Preprocess | None) -> tuple[str, ...]:
    return () if preprocess is None else tuple(map(step_text, preprocess.steps))


def _port(port: Port, model: str, takes_batches: bool, labels: tuple[str, ...]) -> ServedPort:
    protocol_type = datatype(port.dtype)
    if protocol_type is None:
        raise RunError.of(
            catalogue.NOT_SERVED,
            f"`{port.name}` of `{model}` is a `{port.dtype}`: servers take and give tensors",
            helps=("change the model so that its inputs and outputs are tensors",),
        )
    sizes = tuple(size if isinstance(size, int) else -1 for size in port.shape[takes_batches:])
    if not sizes:
        raise RunError.of(
            catalogue.NOT_SERVED,
            f"`{port.name}` of `{model}` is a single number: Triton has no type for it",
            helps=("give it a dimension",),
        )
    kind = "TYPE_STRING" if protocol_type == "BYTES" else f"TYPE_{protocol_type}"
    return ServedPort(port.name, kind, sizes, bool(labels) and sizes == (len(labels),))
