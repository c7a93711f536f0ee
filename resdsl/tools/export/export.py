"""Write a network as source code of PyTorch."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from resdsl.diagnostics import CompileError, Diagnostics, catalogue
from resdsl.elaborate.limits import Budget
from resdsl.elaborate.network import elaborate
from resdsl.elaborate.recording import Recording
from resdsl.files import check_target, is_stream, real_target, whole_file
from resdsl.inputs import as_one_run
from resdsl.ops.opaque import Opaque
from resdsl.specification.load import Network as Source
from resdsl.specification.load import NetworkOptions, load
from resdsl.specification.specification import Specification
from resdsl.tools.export import expressions as py
from resdsl.tools.export.generator import Generator
from resdsl.tools.export.instances import Network, Unfit
from resdsl.tools.export.proof import Mismatch, require_network
from resdsl.tools.export.source import file_text
from resdsl.torch.in_place import overwriting
from resdsl.untrusted import printable

SUFFIX = ".py"

_VALUES = 2
"""Other values of each parameter of the model."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The source code of a network: its text, the class of the model in it, and the arguments that this class takes.

    ``path`` is the file that was written, if one was.
    """

    text: str
    name: str
    arguments: Mapping[str, object]
    path: Path | None = None


@as_one_run
def export(
    network: Source, output: str | os.PathLike[str] | None = None, **options: Unpack[NetworkOptions]
) -> Exported:
    """Write a network as a file of Python that needs only torch.

    ``network`` and ``options`` are as for ``resdsl.load``. Each block of the text is a class, with the parameters that
    its calls give as constructor arguments; the parameters of the model that are numbers are those of its class, with
    the values that they have here as defaults. Modules have the names of the text, so that the state dict is the one
    of ``resdsl.torch.module`` and weights load into both. The file is written to ``output``, whole or not at all.

    The code is proved before it is given: it is carried out symbolically, for the values of the parameters and for
    others, and has to do what the graph does. Raises ``CompileError`` for errors in the text, for operators that the
    language does not have (E0852), and if the file cannot be written.
    """
    target = None if output is None else Path(output)
    if target is not None and not is_stream(target):
        check_target(target, real_target(target))
    specification = load(network, **options)
    _require_known(specification)
    made = _exported(specification)
    if target is None:
        return made
    with whole_file(target) as stream:
        stream.write(made.text.encode())
    return dataclasses.replace(made, path=target)


def _require_known(specification: Specification) -> None:
    """Refuse what has operators that the language does not have, with all of them."""
    graph = specification.graph
    unknown = [node for node in graph.nodes if isinstance(node.operator, Opaque)]
    if unknown:
        kinds = dict.fromkeys(node.operator.label() for node in unknown)
        raise CompileError.of(
            catalogue.NOT_EXPRESSIBLE,
            f"`{printable(specification.source.name)}` has operators that the language does not have: "
            + ", ".join(f"`{printable(kind)}`" for kind in kinds),
            notes=tuple(f"`{printable(node.path)}` is `{printable(node.operator.label())}`" for node in unknown[:20]),
        )


Variants = Mapping[str, Sequence[tuple[object, Network]]]
"""For each parameter of the model, other values of it and the networks with them."""


def _exported(specification: Specification) -> Exported:
    """The code: with all parameters of the model that it can have, and of those forms the first that is proved."""
    first = _network(specification, {})
    assert first is not None
    variants = {name: found for name in _numbers(first) if (found := list(_changed(specification, first, name)))}
    for kept in _choices(list(variants)):
        made = _written(specification, first, {name: variants[name] for name in kept})
        if made is not None:
            return made
    plain = _written(specification, first, {}, plain=True)
    if plain is not None:
        return plain
    raise AssertionError(f"{specification.source.name} was exported wrongly")


def _choices(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Which parameters the class has: all, all but one, one, none."""
    found = [tuple(names), *(tuple(name for name in names if name != other) for other in names)]
    found += [*((name,) for name in names), ()]
    yield from dict.fromkeys(found)


def _written(
    specification: Specification, first: Network, variants: Variants, *, plain: bool = False
) -> Exported | None:
    """The code in which these are the parameters of the model; ``None`` if it is not the network for all values."""
    others = [network for found in variants.values() for _, network in found]
    generator = Generator([first, *others], list(variants), plain=plain)
    try:
        model = generator.model()
        text, name = file_text(generator, model, _title(specification))
        arguments = {one.language: one.name for one in model.signature}
        require_network(text, name, first.graph, {}, first.overwritten)
        for parameter, found in variants.items():
            for value, network in found:
                given = {arguments[parameter]: value} if parameter in arguments else {}
                require_network(text, name, network.graph, given, network.overwritten)
        together = {name: found[0][0] for name, found in variants.items()}
        if len(together) > 1 and (network_ := _network(specification, together)) is not None:
            given = {arguments[name]: value for name, value in together.items() if name in arguments}
            require_network(text, name, network_.graph, given, network_.overwritten)
    except (Unfit, Mismatch, SyntaxError, RecursionError):
        return None
    return Exported(text, name, {one.name: one.default for one in model.signature})


def _title(specification: Specification) -> str:
    """The text that the file is written from, without the folders of this machine."""
    return printable(Path(specification.source.name).name, most=40)


def _numbers(network: Network) -> Iterator[str]:
    """The parameters of the model that are numbers."""
    variables = network.root.context.variables
    for name in network.root.context.frame.definition.parameters:
        literal = py.literal_of(variables[name].value)
        if literal is not None and not isinstance(literal.value, str | tuple):
            yield name


def _changed(specification: Specification, first: Network, name: str) -> Iterator[tuple[object, Network]]:
    """The network with other values of a parameter: two of them, so that no formula fits by accident."""
    literal = py.literal_of(first.root.context.variables[name].value)
    assert literal is not None
    count = 0
    for other in _others(literal.value):
        network = _network(specification, {name: other})
        if network is not None:
            yield other, network
            count += 1
        if count == _VALUES:
            return


def _others(value: object) -> Sequence[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        # Some texts take every second, third or sixth number only.
        return list(dict.fromkeys([value + 1, 2 * value + 1, 2 * value, *range(value + 2, value + 13), value // 2]))
    assert isinstance(value, float)
    return [other for other in (0.25, 0.5, value / 2, 2 * value) if other != value]


def _network(specification: Specification, arguments: Mapping[str, object]) -> Network | None:
    """The text elaborated with some arguments changed; ``None`` if it has errors with them."""
    recording, diagnostics = Recording(), Diagnostics()
    graph = elaborate(
        specification.program,
        diagnostics,
        model=specification.model,
        arguments={**specification.arguments, **arguments},
        input_shape=specification.input_shape,
        limits=specification.limits,
        budget=Budget(linted=True),
        recording=recording,
    )
    if graph is None or diagnostics.errors:
        return None
    return Network(
        graph, recording.builder, recording.root, overwriting(graph, {output.node for output in graph.outputs})
    )
