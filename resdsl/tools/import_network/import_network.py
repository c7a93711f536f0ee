"""Write an ONNX file as a specification, and prove that it computes the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from resdsl.diagnostics import CompileError, catalogue
from resdsl.files import check_target, is_stream, real_target, whole_file
from resdsl.importer.network import can_name
from resdsl.importer.tensors import OnnxFile
from resdsl.inputs import as_one_run
from resdsl.ir.types import DType
from resdsl.specification.load import Network, load
from resdsl.specification.model_file import ModelFile
from resdsl.specification.specification import Specification
from resdsl.tools.import_network.proof import Proof, prove, require_same_parameters
from resdsl.tools.import_network.text import written
from resdsl.tools.import_network.weights import ImportedWeights
from resdsl.untrusted import printable
from resdsl.weights.save import Saved

_HALF = (DType.F16, DType.BF16)


@dataclass(frozen=True, slots=True)
class ImportedNetwork:
    """The specification of an ONNX file, and the files that were written.

    ``proof`` is ``None`` if none was asked for, ``path`` and ``weights`` if they were not written.
    """

    specification: Specification
    proof: Proof | None = None
    path: Path | None = None
    weights: Saved | None = field(default=None)

    @property
    def text(self) -> str:
        return self.specification.source.text


@as_one_run
def import_network(
    model: Network,
    output: str | os.PathLike[str] | None = None,
    *,
    weights_out: str | os.PathLike[str] | None = None,
    proof: bool = True,
    name: str | None = None,
    seed: int = 0,
) -> ImportedNetwork:
    """Write an ONNX file as a specification, and prove that both compute the same.

    ``model`` is the path of an ONNX file, or ``REV:path``. The text is written to ``output``, and the weights under its
    names to ``weights_out`` as ``.safetensors``. ``name`` is the name of the model in the text, by default that of the
    file. For the ``proof`` the text is compiled with the weights of the file, and both run in ONNX Runtime on the CPU
    with a random input from ``seed``: every output is compared, and every inner value that both have. A file in half
    precision is imported and run as what it is in float32.

    The files are written at the end, whole or not at all. Raises ``CompileError`` if the file cannot be read or written
    as text (E0850, E0852), or if the text computes something else (E0853); ``RunError`` if ONNX Runtime cannot run it.
    """
    network = _model_file(model)
    if name is not None and not can_name(name):
        raise CompileError.of(
            catalogue.COMMAND_LINE,
            f"a model cannot be called `{printable(name)}`",
            helps=("use letters, digits and `_`, and no name of an operator or a keyword",),
        )
    targets = [Path(target) for target in (output, weights_out) if target is not None]
    for target in targets:
        if not is_stream(target):
            check_target(target, real_target(target))
    if len(targets) == 2 and real_target(targets[0]).absolute() == real_target(targets[1]).absolute():
        raise CompileError.of(
            catalogue.COMMAND_LINE, f"the text and the weights cannot both be written to `{printable(targets[0])}`"
        )
    network = _in_float32(network)
    specification = written(network, name)
    require_same_parameters(network, specification)
    if weights_out is not None:
        _require_weights(network)
    proved = _proved(network, specification, seed) if proof else None
    saved = _write(network, specification, output, weights_out)
    return ImportedNetwork(specification, proved, None if output is None else Path(output), saved)


def _model_file(model: Network) -> ModelFile:
    network = load(model)
    if isinstance(network, ModelFile):
        return network
    raise CompileError.of(
        catalogue.COMMAND_LINE,
        f"`{printable(network.source.name)}` is a specification, and only ONNX files (`.onnx`) are imported",
    )


def _in_float32(network: ModelFile) -> ModelFile:
    """A network in half precision as the same in float32, for which the language has a text; others as they are."""
    if not any(node.type.dtype in _HALF for node in network.imported.graph.nodes):
        return network
    from resdsl.onnx.float32 import in_float32  # needs the onnx library

    file = network.imported.file
    try:
        return ModelFile(OnnxFile(file.name, in_float32(file.content, file.read)), network.limits)
    except ValueError as error:
        message = f"`{printable(file.name)}` cannot be read in float32: {error}"
        raise CompileError.of(catalogue.NOT_A_NETWORK, message) from None


def _proved(network: ModelFile, specification: Specification, seed: int) -> Proof:
    with TemporaryDirectory(prefix="resdsl-") as name:
        folder = Path(name)
        if _lacks_weights(network):
            from resdsl.onnx.draw_weights import draw_weights  # most files have their weights

            path = folder / "model.onnx"
            try:
                path.write_bytes(draw_weights(network.imported.file.content))
            except ValueError as error:
                raise CompileError.of(
                    catalogue.TENSOR_UNREADABLE, f"`{printable(network.source.name)}` cannot be run: {error}"
                ) from None
            filled = _model_file(path)
            return replace(prove(filled, path, specification, folder, seed=seed, name=network.source.name), drawn=True)
        with _as_path(network, folder) as path:
            return prove(network, path, specification, folder, seed=seed, name=network.source.name)


@contextmanager
def _as_path(network: ModelFile, folder: Path) -> Iterator[Path]:
    """The file of a network; that of a revision is written to ``folder``."""
    file = network.imported.file
    if file.path is not None:
        yield file.path
        return
    path = folder / "model.onnx"
    path.write_bytes(file.content)
    yield path


def _lacks_weights(network: ModelFile) -> bool:
    """Whether the file was saved without the numbers of its weights."""
    file = network.imported.file
    return any(not file.has_numbers(record) for record in file.model.tensors.values())


def _require_weights(network: ModelFile) -> None:
    file = network.imported.file
    lacking = [name for name, record in file.model.tensors.items() if not file.has_numbers(record)]
    if lacking:
        raise CompileError.of(
            catalogue.NO_WEIGHTS_TO_SAVE,
            f"`{printable(network.source.name)}` was saved without the numbers of {len(lacking):,} of its tensors, "
            f"the first of which is `{printable(lacking[0])}`",
            helps=("import it without writing weights, or export it again with them",),
        )


def _write(
    network: ModelFile,
    specification: Specification,
    output: str | os.PathLike[str] | None,
    weights_out: str | os.PathLike[str] | None,
) -> Saved | None:
    """Write the files; a text is complete before the weights are, and is there only if they are."""
    weights = ImportedWeights(network.source.name, network.imported.graph.parameters)
    if output is None:
        return None if weights_out is None else weights.save(Path(weights_out))
    with whole_file(Path(output)) as stream:
        stream.write(specification.source.text.encode())
        return None if weights_out is None else weights.save(Path(weights_out))
