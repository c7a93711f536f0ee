"""Write an ONNX file, or a module of PyTorch by its name, as a specification, and prove that it computes the same."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from resdsl.diagnostics import CompileError, catalogue
from resdsl.importer.tensors import OnnxFile
from resdsl.inputs import as_one_run
from resdsl.ir.types import DType
from resdsl.specification.load import Network, load
from resdsl.specification.model_file import ModelFile
from resdsl.specification.specification import Specification
from resdsl.tools.import_network.from_torch import from_address, is_address
from resdsl.tools.import_network.original import OnnxOriginal
from resdsl.tools.import_network.proof import Proof, prove, require_same_parameters
from resdsl.tools.import_network.text import written
from resdsl.tools.import_network.writing import ImportedNetwork, check_options, write_files
from resdsl.untrusted import printable

_HALF = (DType.F16, DType.BF16)


@as_one_run
def import_network(
    model: Network,
    output: str | os.PathLike[str] | None = None,
    *,
    weights_out: str | os.PathLike[str] | None = None,
    proof: bool = True,
    name: str | None = None,
    seed: int = 0,
    run_code: bool = False,
    input_shape: Sequence[int | str] | None = None,
) -> ImportedNetwork:
    """Write a network of another tool as a specification, and prove that both compute the same.

    ``model`` is the path of an ONNX file, or ``REV:path``; or a model of PyTorch: ``torchvision:NAME``, ``timm:NAME``,
    or with ``run_code``, which allows to import and run that code, ``package.module:function`` or ``file.py:Class``.
    For these, the options are those of ``from_torch``. ``input_shape`` is the shape of the input, such as
    ``("N", 3, 224, 224)``; of an ONNX file it fixes the sizes that the file leaves open.

    The text is written to ``output``, and the weights under its names to ``weights_out`` as ``.safetensors``. ``name``
    is the name of the model in the text, by default that of the file. For the ``proof`` the text is compiled with the
    weights of the model, and both run on the CPU with a random input from ``seed``: every output is compared, and every
    inner value that both have. A model in half precision is imported and run as what it is in float32.

    The files are written at the end, whole or not at all. Raises ``CompileError`` if the file cannot be read or written
    as text (E0850, E0852), or if the text computes something else (E0853); ``RunError`` if ONNX Runtime cannot run it,
    or if PyTorch cannot trace it (E0855, E0856).
    """
    if isinstance(model, str) and is_address(model):
        return from_address(
            model,
            output,
            run_code=run_code,
            weights_out=weights_out,
            proof=proof,
            name=name,
            seed=seed,
            input_shape=input_shape,
        )
    network = _model_file(model, input_shape)
    check_options(name, output, weights_out)
    network = _in_float32(network)
    specification = written(network, name)
    require_same_parameters(network, specification)
    if weights_out is not None:
        _require_weights(network)
    proved = _proved(network, specification, seed) if proof else None
    saved = write_files(network, specification, output, weights_out)
    return ImportedNetwork(specification, proved, None if output is None else Path(output), saved)


def _model_file(model: Network, input_shape: Sequence[int | str] | None) -> ModelFile:
    network = load(model, input_shape=None if input_shape is None else tuple(input_shape))
    if isinstance(network, ModelFile):
        return network
    raise CompileError.of(
        catalogue.COMMAND_LINE,
        f"`{printable(network.source.name)}` is a specification, and only ONNX files (`.onnx`) are imported",
    )


def _onnx_file(network: ModelFile) -> OnnxFile:
    file = network.imported.file
    assert isinstance(file, OnnxFile)
    return file


def _in_float32(network: ModelFile) -> ModelFile:
    """A network in half precision as the same in float32, for which the language has a text; others as they are."""
    if not any(node.type.dtype in _HALF for node in network.imported.graph.nodes):
        return network
    from resdsl.onnx.float32 import in_float32  # needs the onnx library

    file = _onnx_file(network)
    try:
        content = in_float32(file.content, file.read)
        return ModelFile(OnnxFile(file.name, content, given_shape=file.given_shape), network.limits)
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
                path.write_bytes(draw_weights(_onnx_file(network).content))
            except ValueError as error:
                raise CompileError.of(
                    catalogue.TENSOR_UNREADABLE, f"`{printable(network.source.name)}` cannot be run: {error}"
                ) from None
            filled = _model_file(path, network.imported.file.given_shape)
            original = OnnxOriginal(filled, path, network.source.name)
            return replace(prove(original, specification, folder, seed=seed), drawn=True)
        with _as_path(network, folder) as path:
            return prove(OnnxOriginal(network, path), specification, folder, seed=seed)


@contextmanager
def _as_path(network: ModelFile, folder: Path) -> Iterator[Path]:
    """The file of a network; that of a revision is written to ``folder``."""
    file = _onnx_file(network)
    if file.path is not None:
        yield file.path
        return
    path = folder / "model.onnx"
    path.write_bytes(file.content)
    yield path


def _lacks_weights(network: ModelFile) -> bool:
    """Whether the file was saved without the numbers of its weights."""
    file = _onnx_file(network)
    return any(not file.has_numbers(record) for record in file.model.tensors.values())


def _require_weights(network: ModelFile) -> None:
    file = _onnx_file(network)
    lacking = [name for name, record in file.model.tensors.items() if not file.has_numbers(record)]
    if lacking:
        raise CompileError.of(
            catalogue.NO_WEIGHTS_TO_SAVE,
            f"`{printable(network.source.name)}` was saved without the numbers of {len(lacking):,} of its tensors, "
            f"the first of which is `{printable(lacking[0])}`",
            helps=("import it without writing weights, or export it again with them",),
        )
