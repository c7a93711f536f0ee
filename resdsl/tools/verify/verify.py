"""Verify that a PyTorch model, a state dict or an ONNX file is the network of a specification."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from resdsl.diagnostics import Diagnostic, Diagnostics, RunError, catalogue
from resdsl.passes.drop_aux import drop_aux
from resdsl.specification.load import Network, NetworkOptions, load
from resdsl.specification.specification import Specification
from resdsl.tools.verify.differences import listed, of_computation, of_tensors
from resdsl.tools.verify.verification import Verification
from resdsl.untrusted import printable

if TYPE_CHECKING:
    from resdsl.torch.agreement import Module

_CODE = re.compile(r"(?:[\w.]+|.+\.py):[\w.]+")
"""``package.module:name`` or ``file.py:name``."""


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
    network, diagnostics = specification.graph.name, Diagnostics()
    tensors = compare_tensors(specification.graph, subject)
    for difference in of_tensors(specification.graph, tensors, name, source):
        diagnostics.report(difference)
    count = len(specification.graph.parameters)
    if not tensors.agree:
        return Verification(network, f"`{name}` is not the network of `{source}`: the tensors differ", diagnostics)
    try:
        computed = compare_computation(specification, subject, tensors, seed=seed)
    # The code of the module may raise anything.
    except Exception as error:
        message = f"`{name}` cannot be run: {printable(f'{type(error).__name__}: {error}', most=500)}"
        raise RunError.of(catalogue.NO_MODULE, message) from error
    if computed.first:
        diagnostics.report(of_computation(specification.graph, computed, name, source))
        return Verification(network, f"`{name}` is not the network of `{source}`: the computation differs", diagnostics)
    deviation = f"{computed.deviation:.0e}" if computed.deviation else "0"
    heads = f", without {listed(tensors.heads)}" if tensors.heads else ""
    return Verification(
        network,
        f"`{name}` is the network of `{source}`{heads}: {count:,} tensors, {computed.values:,} values and "
        f"{computed.outputs} of its outputs agree, largest deviation {deviation}",
        diagnostics,
    )


def _verify_onnx(specification: Specification, file: str, options: NetworkOptions) -> Verification:
    from resdsl.tools.diff.diff import diff  # for files alone

    exported = load(file, limits=options.get("limits"))
    name, source = printable(file), printable(specification.source.name)
    network, diagnostics = specification.graph.name, Diagnostics()
    review = diff(specification, exported)
    if not review.is_empty:
        changes = "1 change" if len(review.changes) == 1 else f"{len(review.changes)} changes"
        message = f"`{name}` is not the network of `{source}`: {changes}"
        helps = (f"`resdsl diff {source} {name}` shows them",)
        diagnostics.report(Diagnostic(catalogue.NOT_THE_NETWORK, message, helps=helps))
        return Verification(network, message, diagnostics, review)
    forms = f", in another form: {', '.join(review.forms)}" if review.forms else ""
    return Verification(network, f"`{name}` is the network of `{source}`{forms}", diagnostics, review)


def _verify_weights(specification: Specification, file: str) -> Verification:
    from resdsl.weights.match import match
    from resdsl.weights.read import read_weights

    name, source = printable(file), printable(specification.source.name)
    network, diagnostics = specification.graph.name, Diagnostics()
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
        return Verification(network, f"`{name}` does not have the tensors of `{source}`", diagnostics)
    return Verification(
        network,
        f"`{name}` has the tensors of `{source}`: {report}; a file of weights says nothing of the computation",
        diagnostics,
    )
