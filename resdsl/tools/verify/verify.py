"""Verify that a PyTorch model, a state dict or an ONNX file is the network of a specification."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from resdsl.diagnostics import Diagnostic, Diagnostics, RunError, Text, catalogue
from resdsl.passes.drop_aux import drop_aux
from resdsl.specification.load import Network, NetworkOptions, load
from resdsl.specification.specification import Specification
from resdsl.untrusted import printable

if TYPE_CHECKING:
    from resdsl.torch.agreement import Module

_CODE = re.compile(r"(?:[\w.]+|.+\.py):[\w.]+")
"""``package.module:name`` or ``file.py:name``."""

_MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Verification:
    """What was verified, in one line, and an error for each difference."""

    summary: str
    diagnostics: Diagnostics = field(repr=False)

    @property
    def agrees(self) -> bool:
        return not self.diagnostics.errors


def runs_code(subject: str) -> bool:
    """Whether verifying against ``subject`` imports Python code, which runs it."""
    return _CODE.fullmatch(subject) is not None and not Path(subject).exists()


def verify(
    network: Network,
    subject: str | os.PathLike[str] | Module,
    *,
    seed: int = 0,
    **options: Unpack[NetworkOptions],
) -> Verification:
    """Whether ``subject`` is the network of a specification.

    ``subject`` is a module of PyTorch, or where one is made without arguments (``package.module:function``,
    ``file.py:Class``), which imports and runs that code; an ONNX file; or a file of weights, whose code is not run.
    Of a module, names, shapes and the numbers computed are compared: both run at inference on one random input, with
    weights drawn from ``seed`` and the names of the tensors. Of an ONNX file the networks are compared as ``diff``
    does, of a file of weights names and shapes.

    ``network`` and ``options`` are as for ``resdsl.load``. Raises ``CompileError`` if the specification has errors or a
    file cannot be read, ``RunError`` if no module is made, and ``UnavailableError`` if torch is needed and missing.
    """
    specification = load(network, **options)
    if isinstance(subject, str) and runs_code(subject):
        from resdsl.torch import require_torch

        require_torch()
        from resdsl.torch.subject import run_subject

        return _verify_module(specification, run_subject(subject), subject, seed)
    if isinstance(subject, str | os.PathLike):
        if Path(subject).suffix == ".onnx":
            return _verify_onnx(specification, os.fspath(subject), options)
        return _verify_weights(specification, os.fspath(subject))
    return _verify_module(specification, subject, type(subject).__name__, seed)


def _verify_module(specification: Specification, subject: Module, called: str, seed: int) -> Verification:
    from resdsl.torch.agreement import compare_computation, compare_tensors

    name, source = printable(called), printable(specification.source.name)
    diagnostics = Diagnostics()
    tensors = compare_tensors(specification.graph, subject)
    for names, what in ((tensors.missing, "lacks"), (tensors.unexpected, "has other tensors:")):
        if names:
            diagnostics.report(_difference(f"`{name}` {what} {_listed(names)}", source))
    if tensors.reshaped:
        shapes = [f"`{printable(one)}` {list(b)} instead of {list(a)}" for one, (a, b) in tensors.reshaped.items()]
        diagnostics.report(_difference(f"`{name}` has other shapes: {_cut(shapes)}", source))
    count = len(specification.graph.parameters)
    if not tensors.agree:
        return Verification(f"`{name}` is not the network of `{source}`: the tensors differ", diagnostics)
    try:
        computed = compare_computation(specification, subject, tensors, seed=seed)
    # The code of the module may raise anything.
    except Exception as error:
        message = f"`{name}` cannot be run: {printable(f'{type(error).__name__}: {error}', most=500)}"
        raise RunError.of(catalogue.NO_MODULE, message) from error
    if computed.first:
        message = f"`{name}` has the tensors of `{source}`, and computes something else: "
        notes = (f"it is the first that differs; the {computed.values} values before it agree",)
        found = _difference(f"{message}`{printable(computed.first)}` {computed.found}", source, notes)
        diagnostics.report(found)
        return Verification(f"`{name}` is not the network of `{source}`: the computation differs", diagnostics)
    deviation = f"{computed.deviation:.0e}" if computed.deviation else "0"
    heads = f", without {_listed(tensors.heads)}" if tensors.heads else ""
    return Verification(
        f"`{name}` is the network of `{source}`{heads}: {count:,} tensors, {computed.values:,} values and "
        f"{computed.outputs} of its outputs agree, largest deviation {deviation}",
        diagnostics,
    )


def _verify_onnx(specification: Specification, file: str, options: NetworkOptions) -> Verification:
    from resdsl.review.review import compare

    exported = load(file, limits=options.get("limits"))
    name, source = printable(file), printable(specification.source.name)
    diagnostics = Diagnostics()
    review = compare(specification.graph, exported.graph, sources=(source, name), any_form=True)
    if not review.is_empty:
        changes = "1 change" if len(review.changes) == 1 else f"{len(review.changes)} changes"
        message = f"`{name}` is not the network of `{source}`: {changes}"
        helps = (f"`resdsl diff {source} {name}` shows them",)
        diagnostics.report(Diagnostic(catalogue.NOT_THE_NETWORK, message, helps=helps))
        return Verification(message, diagnostics)
    forms = f", in another form: {', '.join(review.forms)}" if review.forms else ""
    return Verification(f"`{name}` is the network of `{source}`{forms}", diagnostics)


def _verify_weights(specification: Specification, file: str) -> Verification:
    from resdsl.weights.match import match
    from resdsl.weights.read import read_weights

    name, source = printable(file), printable(specification.source.name)
    diagnostics = Diagnostics()
    with read_weights(file) as checkpoint:
        graph = specification.graph
        absent = tuple(
            head.path
            for head in graph.aux_heads
            if not any(tensor.startswith(f"{head.path}.") for tensor in checkpoint.tensors)
        )
        graph = drop_aux(graph) if absent else graph
        _, report = match(graph, checkpoint, diagnostics)
    if diagnostics.errors:
        return Verification(f"`{name}` does not have the tensors of `{source}`", diagnostics)
    return Verification(
        f"`{name}` has the tensors of `{source}`: {report}; a file of weights says nothing of the computation",
        diagnostics,
    )


def _difference(message: str, source: str, notes: tuple[str | Text, ...] = ()) -> Diagnostic:
    helps = (f"change `{source}` and have it reviewed, or undo the change of the model",)
    return Diagnostic(catalogue.NOT_THE_NETWORK, message, notes=notes, helps=helps)


def _listed(names: tuple[str, ...]) -> str:
    return _cut([f"`{printable(name)}`" for name in names])


def _cut(words: list[str]) -> str:
    more = f" and {len(words) - _MOST_NAMES:,} more" if len(words) > _MOST_NAMES else ""
    return ", ".join(words[:_MOST_NAMES]) + more
