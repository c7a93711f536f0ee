"""A network as a module of PyTorch."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Unpack, cast

import torch

from resdsl.compiler.compile import prepare
from resdsl.compiler.options import CompileOptions
from resdsl.diagnostics import CompileError, Diagnostic, Diagnostics, catalogue
from resdsl.diagnostics.suggest import closest
from resdsl.ir.graph import Graph
from resdsl.passes.drop_aux import drop_aux
from resdsl.specification.load import Network as Source
from resdsl.specification.load import NetworkOptions, load
from resdsl.torch.network import Network, build, counters
from resdsl.torch.plan import Wanted, plan
from resdsl.untrusted import printable
from resdsl.weights.checkpoint import Checkpoint
from resdsl.weights.initial import Scheme
from resdsl.weights.values import stream

if TYPE_CHECKING:
    from collections.abc import Iterator

Outputs = str | Sequence[str] | None


class ModuleOptions(NetworkOptions, total=False):
    """The options of ``resdsl.load``, and those of ``resdsl.compile`` that decide the numbers of a network.

    Two defaults are those of training. With ``aux``, heads that only training needs are part of the network. With
    ``new_head``, a classifier for another number of classes than that of the weights keeps its initial values.
    """

    weights: str | os.PathLike[str] | Checkpoint | None
    renames: Mapping[str, str]
    ignore: tuple[str, ...]
    partial: bool
    new_head: bool
    keep_preprocess: bool
    init: Scheme
    seed: int
    zero_init_residual: bool
    aux: bool


def module(
    network: Source,
    *,
    outputs: Outputs = None,
    device: torch.device | str | None = None,
    **options: Unpack[ModuleOptions],
) -> Network:
    """The network as a ``torch.nn.Module`` in training mode, with the numbers that ``resdsl.compile`` writes.

    ``network`` is as for ``resdsl.load``. The scopes and layers of the text are modules under their names
    (``model.layer1[0].conv1``), so the state dict has the names and shapes of the specification.

    ``forward`` takes the input, ``[N, C, H, W]``, and gives the outputs of the text: one as a tensor, several as a dict
    in their order. Heads that only training needs (``aux``) are given in training mode, in the dict; ``aux=False``
    leaves them out with their tensors. ``outputs`` chooses others: a name for one tensor, or several for a dict. It
    may name layers and scopes (``layer3``), and what is not needed for them is not computed.

    On ``device="meta"`` tensors have no values: after ``to_empty``, load ``state_dict(network, ..)``.

    Raises ``CompileError`` for errors in the text, weights that do not match, and outputs that do not exist. What
    ``resdsl.compile`` warns of when it matches weights is a ``UserWarning``: a new classifier, weights of another
    variant, and what ``partial`` left out.
    """
    with _prepared(network, options) as (graph, weighted, chosen):
        wanted = _wanted(graph, outputs)
        with torch.device("meta"):
            made = build(plan(graph, wanted, _RESERVED))
        if torch.device(device or "cpu").type != "meta":
            made.load_state_dict({**_values(weighted, chosen), **counters(made)}, assign=True)
            made.to(device)
    made.preprocess, made.labels = weighted.preprocess, weighted.labels
    made.input_channels = 1 if graph.input.type.channels == 1 else 3
    made.outputs = tuple(wanted.nodes)
    return made


def state_dict(network: Source, **options: Unpack[ModuleOptions]) -> dict[str, torch.Tensor]:
    """The tensors of the network by name, on the CPU; options and errors are those of ``module``.

    They are what ``load_state_dict`` of a module takes that was made on the meta device.
    """
    with _prepared(network, options) as (_, weighted, chosen):
        return _values(weighted, chosen)


@contextmanager
def _prepared(network: Source, options: ModuleOptions) -> Iterator[tuple[Graph, Graph, CompileOptions]]:
    """The network, the same one with its weights while their file is open, and the options that they depend on."""
    given: dict[str, Any] = dict(options)
    if unknown := given.keys() - ModuleOptions.__annotations__.keys():
        raise TypeError(f"unexpected options: {', '.join(sorted(unknown))}")
    of_network = {name: given.pop(name) for name in NetworkOptions.__annotations__ if name in given}
    chosen = CompileOptions(**{"aux": True, "new_head": True, **given})
    specification = load(network, **cast("NetworkOptions", of_network))
    with ExitStack() as files:
        whole = specification.graph
        before = _counted(specification.diagnostics)
        weighted = prepare(specification, chosen, files).lowered
        for warning in specification.diagnostics.warnings:
            if before.get(warning) != specification.diagnostics.repeats(warning):
                # Where `module` or `state_dict` is called: this function is called by contextlib.
                facts = "; ".join((warning.message, *warning.notes))
                warnings.warn(f"{warning.code.title}: {facts} ({warning.code.id})", stacklevel=4)
        graph = whole if chosen.aux else drop_aux(whole)
        yield graph, weighted, chosen


def _counted(diagnostics: Diagnostics) -> dict[Diagnostic, int]:
    return {warning: diagnostics.repeats(warning) for warning in diagnostics.warnings}


def _values(graph: Graph, options: CompileOptions) -> dict[str, torch.Tensor]:
    values = stream(graph.parameters.values(), options.seed, options.init)
    return {parameter.name: torch.from_numpy(value) for parameter, value in values}


_RESERVED = frozenset(dir(torch.nn.Module()))
"""Attributes of a module: a child of such a name is reached by ``_modules``."""


def _wanted(graph: Graph, outputs: Outputs) -> Wanted:
    if outputs is None:
        nodes = {output.name: output.node for output in graph.outputs}
        heads = frozenset(output.name for output in graph.outputs if output.aux)
        return Wanted(nodes, heads, alone=True)
    known = {node.path: node.index for node in graph.nodes[1:]}
    known |= {scope.path: scope.output for scope in graph.root.leaves_first() if scope.label}
    known |= {output.name: output.node for output in graph.outputs}
    names = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    for name in names:
        if name not in known:
            raise _no_such_output(name, known, graph)
    nodes = {name: known[name] for name in names}
    heads = frozenset(name for name, node in nodes.items() if node in graph.aux_nodes)
    return Wanted(nodes, heads, alone=isinstance(outputs, str))


def _no_such_output(name: str, known: Mapping[str, int], graph: Graph) -> CompileError:
    near = closest(name, known)
    return CompileError.of(
        catalogue.NO_SUCH_OUTPUT,
        f"the network has no output, layer or scope named `{printable(name)}`",
        helps=(
            *((f"did you mean `{near}`?",) if near else ()),
            f"its outputs are {', '.join(f'`{output.name}`' for output in graph.outputs)}",
        ),
    )
