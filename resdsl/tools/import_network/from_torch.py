"""Write a module of PyTorch as a specification, and prove that it computes the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from resdsl.decompile.words import snake_case
from resdsl.diagnostics import CompileError, catalogue
from resdsl.elaborate.limits import Limits
from resdsl.importer.network import can_name
from resdsl.inputs import as_one_run
from resdsl.ir.graph import Derived, Stored, ValueSource
from resdsl.specification.model_file import SUFFIX, ModelFile
from resdsl.specification.specification import Specification
from resdsl.tools.import_network.original import Array
from resdsl.tools.import_network.proof import Proof, prove, require_same_parameters
from resdsl.tools.import_network.text import written
from resdsl.tools.import_network.writing import ImportedNetwork, Target, check_options, write_files
from resdsl.torch import require_torch
from resdsl.untrusted import printable
from resdsl.weights.renaming import weights_of_blocks

if TYPE_CHECKING:
    from resdsl.torch.agreement import Module
    from resdsl.torch.tracing.module_source import ModuleSource

_ADDRESS = re.compile(r"(?:[A-Za-z_][\w.]*|.+\.py):[A-Za-z_][\w.]*")
"""``torchvision:resnet50``, ``package.module:name`` or ``file.py:name``."""

_COUNTER = "num_batches_tracked"
"""A batch norm counts its batches in a tensor, which no specification has."""


def is_address(model: object) -> bool:
    """Whether this names a module of PyTorch, and not a file."""
    if not isinstance(model, str) or model.endswith(SUFFIX):
        return False
    return _ADDRESS.fullmatch(model) is not None and not Path(model).exists()


@as_one_run
def from_torch(
    module: Module,
    example: Any = None,
    output: Target = None,
    *,
    weights_out: Target = None,
    proof: bool = True,
    name: str | None = None,
    seed: int = 0,
    input_shape: Sequence[int | str] | None = None,
) -> ImportedNetwork:
    """Write a module of PyTorch as a specification, and prove that both compute the same.

    ``module`` is traced at inference in float32 with ``example``, a tensor or a tuple of what ``forward`` takes;
    without one, with an input of ``input_shape``, in which a name such as ``"N"`` or ``"H"`` leaves a size open, or
    else of the shape that the module seems to be made for. It is not changed. Paths of submodules become scopes, the
    names of tensors those of the state dict.

    The text is written to ``output`` and the weights of the module to ``weights_out``. ``name`` is the name of the
    model in the text, by default that of the class. For the ``proof`` the text is compiled with these weights and run
    in ONNX Runtime: every output, and every inner value that both have, must be that of the module.

    Raises ``RunError`` if the module cannot be traced (E0856), ``CompileError`` if the language cannot express it
    (E0852) or if the text computes something else (E0853), and ``UnavailableError`` without torch.
    """
    require_torch()
    options = _Options(output, weights_out, proof, name, seed)
    return _imported(module, type(module).__name__, example, input_shape, options)


def from_address(
    address: str,
    output: Target = None,
    *,
    run_code: bool,
    weights_out: Target = None,
    proof: bool = True,
    name: str | None = None,
    seed: int = 0,
    input_shape: Sequence[int | str] | None = None,
) -> ImportedNetwork:
    """As ``from_torch``, for the module at ``address``, which is made with random numbers from ``seed``.

    The code of other addresses than ``torchvision:NAME`` and ``timm:NAME`` is only run with ``run_code``.
    """
    require_torch()
    from resdsl.torch.subject import library_of, made_at

    options = _Options(output, weights_out, proof, name, seed)
    if not run_code and not library_of(address):
        raise CompileError.of(
            catalogue.COMMAND_LINE,
            f"importing `{printable(address)}` runs its code",
            helps=("if you trust it, add `--run-code` (`run_code=True` in Python)",),
        )
    return _imported(made_at(address, seed=seed), address, None, input_shape, options)


@dataclass(frozen=True, slots=True)
class _Options:
    output: Target
    weights_out: Target
    proof: bool
    name: str | None
    seed: int


def _imported(
    module: Module, called: str, example: Any, input_shape: Sequence[int | str] | None, options: _Options
) -> ImportedNetwork:
    from resdsl.torch.tracing.example import example_of, usual_shape
    from resdsl.torch.tracing.module_source import ModuleSource

    check_options(options.name, options.output, options.weights_out)
    free: tuple[int, ...] = (0,)
    if example is None:
        image, free = example_of(input_shape or usual_shape(module, called), options.seed)
        example = (image,)
    source = ModuleSource(called, module, example if isinstance(example, tuple) else (example,), free=free)
    network = ModelFile(source, Limits())
    specification = written(network, options.name or _model_name(called))
    require_same_parameters(network, specification)
    proved = _proved(source, network, specification, options.seed) if options.proof else None
    saved = write_files(network, specification, options.output, options.weights_out)
    parameters = network.imported.graph.parameters
    used = {key for one in parameters.values() for key in _keys(one.source)}
    state = [key for key in source.state if not key.endswith(_COUNTER)]
    loading = {*state, *weights_of_blocks(state, parameters).values()}
    return ImportedNetwork(
        specification,
        proved,
        None if options.output is None else Path(options.output),
        saved,
        tuple(key for key in state if key not in used and key not in parameters),
        tuple(key for key in parameters if key not in loading),
    )


def _model_name(called: str) -> str:
    """What a module is called in its text: ``resnet50`` for ``torchvision:resnet50``, ``my_net`` for ``MyNet``."""
    word = snake_case(called.rpartition(":")[2].rpartition(".")[2])
    return word if can_name(word) else f"{word}_net"


def _proved(source: ModuleSource, network: ModelFile, specification: Specification, seed: int) -> Proof:
    stored = [key for one in network.imported.graph.parameters.values() for key in _keys(one.source)]
    with TemporaryDirectory(prefix="resdsl-") as folder, source.with_drawn(stored, seed):
        return prove(_ModuleOriginal(network, source), specification, Path(folder), seed=seed)


def _keys(source: ValueSource) -> Iterator[str]:
    """The tensors that a parameter is made of."""
    if isinstance(source, Stored):
        yield source.key
    elif isinstance(source, Derived):
        for operand in source.operands:
            yield from _keys(operand.source)


class _ModuleOriginal:
    """A traced module, run by PyTorch."""

    def __init__(self, network: ModelFile, source: ModuleSource) -> None:
        self.network = network
        self.name = source.name
        self._source = source

    def has(self, value: str) -> bool:
        return self._source.has_value(value)

    def expose(self, values: Sequence[str]) -> None:
        """Nothing to do: the program gives any value."""

    def image(self, seed: int) -> Array:
        return np.random.default_rng(seed).standard_normal(self._source.input_shape).astype(np.float32)

    def run(self, image: Array, values: Sequence[str]) -> dict[str, Array]:
        return self._source.run(image, values)

    def channels_first(self, image: Array) -> Array:
        return image
