"""What both ways of importing share: the options that are checked first, and the files that are written last."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from resdsl.diagnostics import CompileError, catalogue
from resdsl.files import check_target, is_stream, real_target, whole_file
from resdsl.importer.network import can_name
from resdsl.specification.model_file import ModelFile
from resdsl.specification.specification import Specification
from resdsl.tools.import_network.proof import Proof
from resdsl.tools.import_network.weights import ImportedWeights
from resdsl.untrusted import printable
from resdsl.weights.save import Saved

Target = str | os.PathLike[str] | None


@dataclass(frozen=True, slots=True)
class ImportedNetwork:
    """The specification of an imported network, and the files that were written.

    ``proof`` is ``None`` if none was asked for, ``path`` and ``weights`` if they were not written. ``unused`` are the
    tensors of a module's state dict that it does not need at inference, ``renamed`` those of the text that have other
    names than in the state dict.
    """

    specification: Specification
    proof: Proof | None = None
    path: Path | None = None
    weights: Saved | None = field(default=None)
    unused: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.specification.source.text


def check_options(name: str | None, output: Target, weights_out: Target) -> None:
    """Raise ``CompileError`` for a name that a model cannot have, and for files that cannot be written."""
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


def write_files(
    network: ModelFile,
    specification: Specification,
    output: Target,
    weights_out: Target,
) -> Saved | None:
    """Write the files; a text is complete before the weights are, and is there only if they are."""
    weights = ImportedWeights(network.source.name, network.imported.graph.parameters)
    if output is None:
        return None if weights_out is None else weights.save(Path(weights_out))
    with whole_file(Path(output)) as stream:
        stream.write(specification.source.text.encode())
        return None if weights_out is None else weights.save(Path(weights_out))
