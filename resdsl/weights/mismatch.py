"""Why a checkpoint does not match a network: one diagnostic for each cause, not one for each tensor.

Each explanation removes the tensors that it covers from the unexplained ones; the rest is listed by pattern at the end.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from resdsl.diagnostics import Code, Diagnostic, Label, Option, Placeholder, Text, catalogue
from resdsl.diagnostics.suggest import closest
from resdsl.ir.graph import Graph
from resdsl.ops.bn import BatchNorm
from resdsl.weights.checkpoint import Checkpoint
from resdsl.weights.renaming import Renaming, suggest_renamings

_SHOWN = 3
_PATTERNS = 4

_PARTIAL = {
    catalogue.TENSORS_MISSING: catalogue.TENSORS_MISSING_PARTIAL,
    catalogue.TENSORS_UNEXPECTED: catalogue.TENSORS_UNEXPECTED_PARTIAL,
    catalogue.TENSOR_SHAPES: catalogue.TENSOR_SHAPES_PARTIAL,
    catalogue.CLASS_COUNT: catalogue.CLASS_COUNT_PARTIAL,
    catalogue.TENSOR_NAMES: catalogue.TENSOR_NAMES_PARTIAL,
}
"""The warning for each error when loading partially."""

_RESNETS = {
    (2, 2, 2, 2): "ResNet-18",
    (3, 4, 6, 3): "ResNet-50 (with two convolutions in each, ResNet-34)",
    (3, 4, 23, 3): "ResNet-101",
    (3, 8, 36, 3): "ResNet-152",
}
"""He et al. 2015, table 1: blocks in each stage."""


@dataclass(frozen=True, slots=True)
class ShapeMismatch:
    """A tensor that both have, with different shapes."""

    name: str
    stored: tuple[int, ...]
    wanted: tuple[int, ...]

    def __str__(self) -> str:
        return f"`{self.name}` is {list(self.stored)} in the checkpoint and {list(self.wanted)} in the network"


@dataclass(frozen=True, slots=True)
class Pairing:
    """Tensors paired by name. ``loaded`` maps names to keys in the file; ``names`` has every name in the checkpoint."""

    loaded: Mapping[str, str]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[ShapeMismatch, ...]
    names: Mapping[str, str]


class _Unexplained:
    """Tensors that no explanation covers yet."""

    def __init__(self, graph: Graph, checkpoint: Checkpoint, pairing: Pairing) -> None:
        self.graph = graph
        self.checkpoint = checkpoint
        self.pairing = pairing
        self.missing = dict.fromkeys(pairing.missing)
        self.unexpected = dict.fromkeys(pairing.unexpected)
        self.mismatched = {mismatch.name: mismatch for mismatch in pairing.mismatched}
        self.order = (*pairing.missing, *pairing.unexpected)

    def drop(self, names: Iterable[str]) -> None:
        for name in names:
            self.missing.pop(name, None)
            self.unexpected.pop(name, None)
            self.mismatched.pop(name, None)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor of the checkpoint."""
        return self.checkpoint.tensors[self.pairing.names[name]].shape


def explain(
    graph: Graph, checkpoint: Checkpoint, pairing: Pairing, *, partial: bool, new_head: bool = False
) -> Iterator[Diagnostic]:
    """The causes of a misfit, the most telling first; warnings with ``partial``, that of classes with ``new_head``."""
    left = _Unexplained(graph, checkpoint, pairing)
    explanations: Sequence[Callable[[_Unexplained], Iterable[Diagnostic]]] = (
        _folded,
        _other_names,
        _nothing_fits,
        _classes,
        _depth,
        _biases,
        _layouts,
        _other_shapes,
        _absent_parts,
        _rest,
    )
    given: set[str] = set()
    for explanation in explanations:
        for diagnostic in explanation(left):
            notes = _unnamed(checkpoint) if pairing.missing and diagnostic.code in _MISSING else ()
            # What helps with all of them is said once.
            helps = tuple(text for text in diagnostic.helps if text not in given)
            given.update(text for text in helps if text in _GENERAL)
            explained = replace(diagnostic, notes=(*diagnostic.notes, *notes), helps=helps)
            lenient = partial or (new_head and diagnostic.code is catalogue.CLASS_COUNT)
            yield _lenient(explained) if lenient else explained


_MISSING = (catalogue.TENSORS_MISSING, catalogue.TENSOR_NAMES)


def _unnamed(checkpoint: Checkpoint) -> tuple[str, ...]:
    number = len(checkpoint.unnamed)
    if not number:
        return ()
    return (f"{_tensors(number)} more {_have(number)} a name that an exporter made up: {_listed(checkpoint.unnamed)}",)


def _lenient(diagnostic: Diagnostic) -> Diagnostic:
    return Diagnostic(
        _PARTIAL[diagnostic.code],
        diagnostic.message,
        primary=diagnostic.primary,
        notes=diagnostic.notes,
        # With `partial` it is known that the networks differ.
        helps=tuple(
            text
            for text in diagnostic.helps
            if text not in (_LOAD_PART, _BUILD_IT, _USE_WHOLE) and not text.startswith(_IGNORE)
        ),
    )


_BUILD_IT = "build the network that the checkpoint is for"
_IGNORE = "or ignore "
_USE_WHOLE = "use a checkpoint of the whole network"
_LOAD_PART = Text("or load what matches, and keep initial values for the rest, with ", Option("partial", True))

_GENERAL = (_BUILD_IT, _USE_WHOLE, _LOAD_PART)


def _misfit(
    code: Code, message: str, *helps: str, notes: tuple[str, ...] = (), primary: Label | None = None
) -> Diagnostic:
    return Diagnostic(code, message, primary=primary, notes=notes, helps=(*helps, _LOAD_PART))


def _other_names(left: _Unexplained) -> Iterator[Diagnostic]:
    """The same tensors under other names: an extra prefix, another word for a layer."""
    stored = {name: left.shape(name) for name in left.unexpected}
    wanted = {name: left.graph.parameters[name].shape for name in left.missing}
    renamings = suggest_renamings(stored, wanted)
    pairs = sum(len(renaming.pairs) for renaming in renamings)
    # Any two networks share a few norms of equal size: renaming must match at least half of one side.
    if not renamings or 2 * pairs < min(len(stored), len(wanted)):
        return
    renames = Option("renames", {renaming.old: renaming.new for renaming in renamings})
    typos = [renaming for renaming in renamings if _is_typo(renaming)]
    labels = [f"label it `{renaming.old}` in the specification" for renaming in typos]
    yield _misfit(
        catalogue.TENSOR_NAMES,
        f"{_tensors(pairs)} of `{left.checkpoint.name}` {_have(pairs)} other names than in the network",
        *labels,
        Text("or rename the checkpoint's: " if labels else "rename them: ", renames),
        notes=tuple(_shown(renaming) for renaming in renamings),
        primary=_labelled(left.graph, typos[0]) if typos else None,
    )
    for renaming in renamings:
        left.drop(renaming.pairs)
        left.drop(renaming.pairs.values())


def _is_typo(renaming: Renaming) -> bool:
    """Whether the network's name looks like the checkpoint's, mistyped: ``cnv1`` for ``conv1``."""
    return closest(renaming.new, [renaming.old]) is not None


def _labelled(graph: Graph, renaming: Renaming) -> Label | None:
    """The layer of the network that has the mistyped name."""
    name = next(iter(renaming.pairs.values()))
    node = next((node for node in graph.nodes if name.startswith(f"{node.path}.")), None)
    return Label(node.span, f"labelled `{renaming.new}`") if node is not None and node.path else None


def _shown(renaming: Renaming) -> str:
    theirs, ours = next(iter(renaming.pairs.items()))
    return f"`{theirs}` in the checkpoint is `{ours}` in the network"


def _nothing_fits(left: _Unexplained) -> Iterator[Diagnostic]:
    untouched = len(left.missing) == len(left.pairing.missing)
    if left.pairing.loaded or left.mismatched or not untouched or not left.missing:
        return
    yield Diagnostic(
        catalogue.TENSOR_NAMES,
        f"no tensor of `{left.checkpoint.name}` has a name that is in the network",
        notes=(
            f"in the checkpoint: {_listed(left.unexpected)}" if left.unexpected else "the checkpoint has no weights",
            f"in the network: {_listed(left.missing)}",
        ),
        helps=(
            Text(
                "is it a checkpoint of this network? Rename layers with ",
                Option("renames", {Placeholder("THEIRS"): Placeholder("OURS")}),
            ),
        ),
    )
    left.drop([*left.missing, *left.unexpected])


def _classes(left: _Unexplained) -> Iterator[Diagnostic]:
    """The last layer has a different number of outputs."""
    last = _last_layers(left.graph)
    heads: dict[int, list[ShapeMismatch]] = defaultdict(list)
    for mismatch in left.mismatched.values():
        node = left.graph.parameters[mismatch.name].node
        if node in last and mismatch.stored[1:] == mismatch.wanted[1:] and mismatch.stored:
            heads[node].append(mismatch)
    for node, mismatches in heads.items():
        theirs, ours = mismatches[0].stored[0], mismatches[0].wanted[0]
        head = left.graph.nodes[node]
        sources = left.graph.argument_sources.get(head.path, {})
        setting = [name for argument, name in sources.items() if getattr(head.operator, argument) == ours]
        span = head.span
        yield _misfit(
            catalogue.CLASS_COUNT,
            f"`{left.checkpoint.name}` has {theirs:,} classes, the network {ours:,}",
            Text("build it with ", Option("set", {setting[0]: theirs}))
            if setting
            else f"give `{left.graph.nodes[node].path}` {theirs} outputs",
            notes=(f"{mismatches[0]}",),
            primary=Label(span, f"{ours:,} classes"),
        )
        left.drop(mismatch.name for mismatch in mismatches)


def _last_layers(graph: Graph) -> set[int]:
    """Layers that no other layer follows."""
    before_a_layer: set[int] = set()
    for node in reversed(graph.nodes):
        if node.operator.counts_as_layer or node.index in before_a_layer:
            before_a_layer.update(node.inputs)
    return {node.index for node in graph.nodes if node.operator.counts_as_layer} - before_a_layer


def _folded(left: _Unexplained) -> Iterator[Diagnostic]:
    """The checkpoint was saved after batch norms were folded into the preceding convolutions."""
    norms = [name for name in left.missing if _is_norm(left.graph, name)]
    every = sum(_is_norm(left.graph, name) for name in left.graph.parameters)
    biases = [name for name in left.unexpected if name.endswith(".bias") and _weight_of(name) in left.pairing.loaded]
    if not norms or len(norms) < every or not biases:
        return
    yield _misfit(
        catalogue.TENSORS_MISSING,
        f"the batch norms of `{left.checkpoint.name}` are folded into its convolutions: {len(norms)} tensors of norms"
        f" are missing, and {len(biases)} convolutions have a bias instead",
        "use the weights from before the folding (a model compiled with `-O0` keeps them)",
        notes=(f"missing: {_listed(norms)}", f"instead: {_listed(biases)}"),
    )
    left.drop([*norms, *biases])


def _is_norm(graph: Graph, name: str) -> bool:
    return isinstance(graph.nodes[graph.parameters[name].node].operator, BatchNorm)


def _weight_of(bias: str) -> str:
    return bias.removesuffix(".bias") + ".weight"


def _depth(left: _Unexplained) -> Iterator[Diagnostic]:
    """A different number of blocks in a stage."""
    ours, theirs = _blocks(left.graph.parameters), _blocks(left.pairing.names)
    facts: list[str] = []
    explained: list[str] = []
    for stage in [stage for stage in ours if stage in theirs]:
        names = [
            name
            for number in ours[stage].keys() ^ theirs[stage].keys()
            for name in (ours[stage].get(number) or theirs[stage][number])
        ]
        if not names or not ours[stage].keys() & theirs[stage].keys():
            continue
        facts.append(
            f"`{stage}` has {len(theirs[stage])} blocks in the checkpoint and {len(ours[stage])} in the network"
        )
        explained += names
    if not facts:
        return
    stages = tuple(len(theirs.get(f"layer{number}.*", ())) for number in (1, 2, 3, 4))
    known = f": its stages are those of {_RESNETS[stages]}" if stages in _RESNETS else ""
    deeper = explained[0] in left.unexpected
    yield _misfit(
        catalogue.TENSORS_UNEXPECTED if deeper else catalogue.TENSORS_MISSING,
        f"`{left.checkpoint.name}` is for a {'deeper' if deeper else 'shallower'} network{known}",
        _BUILD_IT,
        notes=(*facts, f"{_tensors(len(explained))}: {_listed(name for name in left.order if name in set(explained))}"),
    )
    left.drop(explained)


def _blocks(names: Iterable[str]) -> dict[str, dict[int, list[str]]]:
    """The tensors of the numbered blocks of a stage, by number: of ``layer1.*``, of ``denseblock1.denselayer*``.

    A block has layers and these have tensors; a number at the last level is that of a layer (``downsample.0``).
    """
    blocks: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        parts = name.split(".")
        for position in range(1, len(parts) - 2):
            numbered = re.fullmatch(r"(\D*)(\d{1,5})", parts[position], re.ASCII)
            if numbered:
                stage = ".".join((*parts[:position], f"{numbered[1]}*"))
                blocks[stage][int(numbered[2])].append(name)
    return blocks


def _biases(left: _Unexplained) -> Iterator[Diagnostic]:
    """Layers whose weight both sides have and whose bias only one has."""
    matched = {*left.pairing.loaded, *(mismatch.name for mismatch in left.pairing.mismatched)}
    ours = [name for name in left.missing if name.endswith(".bias") and _weight_of(name) in matched]
    ours = [name for name in ours if not _is_norm(left.graph, name)]
    if ours:
        yield _misfit(
            catalogue.TENSORS_MISSING,
            f"{_layers(ours)} of the network {_have(len(ours))} a bias that `{left.checkpoint.name}` lacks",
            f"write `bias = false` for {_them(len(ours))}",
            notes=(_listed(ours),),
        )
    theirs = [name for name in left.unexpected if name.endswith(".bias") and _weight_of(name) in matched]
    if theirs:
        yield _misfit(
            catalogue.TENSORS_UNEXPECTED,
            f"{_layers(theirs)} of `{left.checkpoint.name}` {_have(len(theirs))} a bias that the network lacks",
            f"write `bias = true` for {_them(len(theirs))}",
            notes=(_listed(theirs),),
        )
    left.drop([*ours, *theirs])


def _layouts(left: _Unexplained) -> Iterator[Diagnostic]:
    """The same values with the axes in another order."""
    convolutions: list[ShapeMismatch] = []
    linear: list[ShapeMismatch] = []
    for mismatch in left.mismatched.values():
        stored, wanted = mismatch.stored, mismatch.wanted
        if len(wanted) == 4 and stored == (*wanted[2:], wanted[1], wanted[0]):
            convolutions.append(mismatch)
        elif len(wanted) == 2 and stored == wanted[::-1]:
            linear.append(mismatch)
    for mismatches, order, transposed in (
        (convolutions, "(height, width, in, out)", "(3, 2, 0, 1)"),
        (linear, "(in, out)", "(1, 0)"),
    ):
        if mismatches:
            yield _misfit(
                catalogue.TENSOR_SHAPES,
                f"{_tensors(len(mismatches))} of `{left.checkpoint.name}` {_have(len(mismatches))} the axes in"
                f" TensorFlow's order, {order}",
                f"convert {_them(len(mismatches))}: `tensor.transpose{transposed}`",
                notes=_examples(mismatches),
            )
        left.drop(mismatch.name for mismatch in mismatches)


def _other_shapes(left: _Unexplained) -> Iterator[Diagnostic]:
    groups: dict[str, list[ShapeMismatch]] = defaultdict(list)
    for mismatch in left.mismatched.values():
        groups[_difference(mismatch)].append(mismatch)
    for what, mismatches in groups.items():
        yield _misfit(
            catalogue.TENSOR_SHAPES,
            f"{_tensors(len(mismatches))} of `{left.checkpoint.name}` {_have(len(mismatches))} {what}",
            _BUILD_IT,
            notes=_examples(mismatches),
        )
    left.mismatched.clear()


def _difference(mismatch: ShapeMismatch) -> str:
    stored, wanted = mismatch.stored, mismatch.wanted
    if len(stored) != len(wanted):
        return "a different number of axes than in the network"
    if stored[:2] == wanted[:2]:
        return "kernels of a different size than in the network"
    if len(stored) == 4 and stored[0] == wanted[0] and stored[2:] == wanted[2:]:
        return "different input channels or groups than in the network"
    return "different channels than in the network"


def _absent_parts(left: _Unexplained) -> Iterator[Diagnostic]:
    """Top-level parts that one side lacks."""
    ours, theirs = _tops(left.graph.parameters), _tops(left.pairing.names)
    absent = [top for top in ours if top not in theirs]
    names = [name for name in left.missing if _top(name) in absent]
    if names:
        present = [top for top in ours if top in theirs]
        tail = list(ours)[-len(absent) :] == absent
        where = f": the checkpoint ends at `{present[-1]}`" if tail and present else ""
        yield _misfit(
            catalogue.TENSORS_MISSING,
            f"`{left.checkpoint.name}` has no tensors for {_parts(names)}{where}",
            _USE_WHOLE,
            notes=(_listed(names),),
        )
        left.drop(names)
    names = [name for name in left.unexpected if _top(name) not in ours]
    if names:
        yield _misfit(
            catalogue.TENSORS_UNEXPECTED,
            f"`{left.checkpoint.name}` has {_parts(names)}, which the network lacks",
            _BUILD_IT,
            *_ignoring(left, [f"{top}.*" for top in _tops(names)]),
            notes=(_listed(names),),
        )
        left.drop(names)


def _ignoring(left: _Unexplained, patterns: Sequence[str]) -> tuple[str, ...]:
    """The suggestion to ignore tensors of the checkpoint, if the patterns match none that the network has."""
    used = [name for name in left.pairing.names if name in left.graph.parameters]
    if any(fnmatchcase(name, pattern) for name in used for pattern in patterns) or len(patterns) > _PATTERNS:
        return ()
    if set("".join(patterns)) & set("[]'"):
        return ()  # a pattern or a shell would take these for something else
    return (Text(f"{_IGNORE}{_them(2 if len(left.unexpected) > 1 else 1)} with ", Option("ignore", tuple(patterns))),)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _tops(names: Iterable[str]) -> dict[str, None]:
    return dict.fromkeys(_top(name) for name in names)


def _parts(names: Sequence[str]) -> str:
    """``layer4.* (42 tensors) and fc.* (2 tensors)``, each name between backticks."""
    counts = Counter(_top(name) for name in names)
    parts = [f"`{top}.*` ({_tensors(count)})" for top, count in list(counts.items())[:_PATTERNS]]
    if len(counts) > _PATTERNS:
        parts.append(f"{len(counts) - _PATTERNS} more")
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _rest(left: _Unexplained) -> Iterator[Diagnostic]:
    name = left.checkpoint.name
    for names, code, fact in (
        (left.missing, catalogue.TENSORS_MISSING, f"the network has and `{name}` lacks"),
        (left.unexpected, catalogue.TENSORS_UNEXPECTED, f"`{name}` has and the network lacks"),
    ):
        groups: dict[str, list[str]] = defaultdict(list)
        for tensor in names:
            groups[_pattern(tensor)].append(tensor)
        largest = sorted(groups.items(), key=lambda item: -len(item[1]))
        for pattern, group in largest[:_PATTERNS]:
            message = f"{_tensors(len(group))} `{pattern}` that {fact}"
            ignoring = _ignoring(left, [pattern]) if names is left.unexpected else ()
            yield _misfit(code, message, _BUILD_IT, *ignoring, notes=(_listed(group),))
        others = [tensor for _, group in largest[_PATTERNS:] for tensor in group]
        if others:
            message = f"{_tensors(len(others))} more that {fact}"
            yield _misfit(code, message, _BUILD_IT, notes=(_listed(others),))


def _pattern(name: str) -> str:
    """The part of a block that a tensor belongs to, in any block: ``*.se.*`` for ``layer1.0.se.fc1.weight``.

    A number is no name of a part: of ``features.1.0.weight`` it is ``features.*.0.*``.
    """
    parts = name.split(".")
    for position, part in enumerate(parts[:-2]):
        if part.isdigit() and not parts[position + 1].isdigit():
            return f"*.{parts[position + 1]}.*"
    return ".".join((*(re.sub(r"\d+", "*", part) for part in parts[:-2]), *parts[-2:-1], "*"))


def _examples(mismatches: Sequence[ShapeMismatch]) -> tuple[str, ...]:
    more = len(mismatches) - _SHOWN
    return (*(str(one) for one in mismatches[:_SHOWN]), *((f"and {more} more",) if more > 0 else ()))


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(f"`{name:.100}`" for name in every[:_SHOWN]) + more


def _tensors(number: int) -> str:
    return f"{number:,} tensor{'' if number == 1 else 's'}"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _them(number: int) -> str:
    return "it" if number == 1 else "them"


def _layers(names: Sequence[str]) -> str:
    return f"{len(names)} layer{'' if len(names) == 1 else 's'}"
