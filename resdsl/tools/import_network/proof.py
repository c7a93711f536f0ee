"""Whether a text computes what that does which it was imported from: both run on the same input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.analysis.correspondence import corresponding
from resdsl.compiler.compile import compile
from resdsl.diagnostics import CompileError, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.ir.graph import Graph, Node
from resdsl.onnx.names import name_values
from resdsl.onnx.outline import Outline
from resdsl.ops.sigmoid import Sigmoid
from resdsl.specification.model_file import ModelFile
from resdsl.specification.specification import Specification
from resdsl.tools.import_network.original import Original, exposed, outline_of
from resdsl.tools.import_network.weights import ImportedWeights
from resdsl.untrusted import printable

Array = npt.NDArray[Any]

TOLERANCE = 1e-4
"""The largest deviation of equal values, relative to the largest magnitude of the value. The same operators in float32
differ by 1e-7 to 1e-5, by the order in which they add; an `eps` of 1e-3 instead of 1e-5 by 5e-4."""

_ROUNDING = 1e-5
_MOST_AMPLIFIED = 0.03
"""A network may amplify rounding, as a sigmoid of large numbers does. Where a value deviates by more than the
tolerance, the original runs again with its input changed by ``_ROUNDING``, and the value may deviate as much as it does
then, up to ``_MOST_AMPLIFIED``. What is misread shows before it is amplified: all values are compared, in order."""

_LEAST_SIGMOID = 0.01
"""ONNX Runtime computes sigmoids to some 2e-7 of 1, whatever their size: those that are smaller are compared as if the
largest was this."""

_BYTES_AT_ONCE = 1 << 28
"""Inner values of one run. All values of a large network at once would take gigabytes."""

_LARGEST_VALUE = 1 << 32
"""Bytes of one value for one image. No network has it, and a file of a few bytes can state it."""

_REPORT = "the importer misreads this network: please report it"


@dataclass(frozen=True, slots=True)
class Proof:
    """That two models are equal: in so many ``values``, ``outputs`` of them outputs, for an input of this ``shape``.

    ``deviation`` is the largest difference of two numbers, relative to the largest magnitude of their value.
    ``drawn`` says that the file has no weights, and that both models ran with numbers drawn from the tensors' names.
    """

    values: int
    outputs: int
    deviation: float
    shape: tuple[int, ...]
    drawn: bool = False

    def __str__(self) -> str:
        weights = "; the file has no weights: both ran with numbers drawn from the names of its tensors"
        deviation = f"{self.deviation:.0e}" if self.deviation else "0"
        return f"equal: {self.values:,} values, largest deviation {deviation}{weights if self.drawn else ''}"


@dataclass(frozen=True, slots=True)
class _Pair:
    """The same value in the original and in the text, by its names in both."""

    file: str
    text: str
    is_output: bool
    least: float = 0.0
    """What the deviation is relative to at least."""


def require_same_parameters(network: ModelFile, text: Specification) -> None:
    """Raise ``CompileError`` unless a text has the weights of its file: the same names and shapes."""
    ours = {name: one.shape for name, one in text.graph.parameters.items()}
    theirs = {name: one.shape for name, one in network.imported.graph.parameters.items()}
    different = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    if different:
        first = different[0]
        noun = network.imported.file.noun
        raise CompileError.of(
            catalogue.NOT_EQUAL,
            f"the text of `{printable(network.source.name)}` has other weights than the {noun}: {len(different):,} of "
            f"{len(theirs):,} tensors differ",
            notes=(
                f"the first is `{printable(first)}`: {_shape(theirs.get(first))} in the {noun}, "
                f"{_shape(ours.get(first))} in the text",
            ),
            helps=(_REPORT,),
        )


def _shape(shape: tuple[int, ...] | None) -> str:
    return "nothing" if shape is None else str(list(shape))


def prove(original: Original, text: Specification, folder: Path, *, seed: int = 0) -> Proof:
    """Compile ``text`` with the weights of ``original`` into ``folder``, and compare the values of both.

    Every output is compared, and every inner value that both have. Raises ``CompileError`` with the first value that
    differs, and ``RunError`` if ONNX Runtime cannot run a file.
    """
    weights = ImportedWeights(original.name, original.network.imported.graph.parameters)
    compiled = compile(text, folder / "text.onnx", weights=weights, keep_preprocess=True)
    assert compiled.path is not None
    outline = outline_of(compiled.path, "the text")
    pairs = list(_pairs(original, compiled.graph, outline))
    _require_reasonable_sizes(compiled.graph, original.name)
    ours = exposed(compiled.path, outline, [pair.text for pair in pairs], "the text")
    original.expose([pair.file for pair in pairs])
    image = original.image(seed)
    inputs = {ours.inputs[0].name: original.channels_first(image)}
    deviation, compared = 0.0, 0

    def sensitivity(value: str, values: Mapping[str, Array]) -> float:
        # The same input, a little larger: every value of the network changes, as by rounding of one sign.
        again = original.run((image * (1 + _ROUNDING)).astype(image.dtype), [value])[value]
        return _difference(values[value], again)

    for group in _groups(pairs, compiled.graph, len(image)):
        theirs = original.run(image, list(dict.fromkeys(pair.file for pair in group)))
        of_text = ours.run(inputs, list(dict.fromkeys(pair.text for pair in group)))
        for pair in group:
            found = _deviation(theirs[pair.file], of_text[pair.text], pair.least)
            if not found <= TOLERANCE and not found <= min(sensitivity(pair.file, theirs), _MOST_AMPLIFIED):
                raise _not_equal(original, pair, found, theirs[pair.file], of_text[pair.text])
            deviation, compared = max(deviation, found), compared + 1
    outputs = sum(pair.is_output for pair in pairs)
    return Proof(compared, outputs, deviation, image.shape)


def _pairs(original: Original, graph: Graph, text: Outline) -> Iterator[_Pair]:
    """The values that both have, in the order of the text; the outputs where they are computed."""
    imported = original.network.imported
    names = name_values(graph)
    same = {text: imported.values[own] for text, own in corresponding(graph, imported.graph, named=True)}
    ends = {
        label.name: record.name
        for label, record in zip(imported.graph.outputs, imported.file.model.outputs, strict=True)
    }
    for index, name in enumerate(names.of[1:], start=1):
        least = _LEAST_SIGMOID if isinstance(graph.nodes[index].operator, Sigmoid) else 0.0
        if name in ends and original.has(ends[name]):
            yield _Pair(ends[name], name, True, least)
        elif index in same and original.has(same[index]) and name in text.values:
            yield _Pair(same[index], name, False, least)
    for copy in names.copies:
        if original.has(ends[copy.name]):  # and is not the input itself
            yield _Pair(ends[copy.name], copy.name, is_output=True)


def _groups(pairs: Sequence[_Pair], graph: Graph, batch: int) -> Iterator[list[_Pair]]:
    """The pairs in order, as many at a time as fit into memory."""
    sizes = {name: batch * _bytes_of(node) for node, name in zip(graph.nodes, name_values(graph).of, strict=True)}
    group: list[_Pair] = []
    total = 0
    for pair in pairs:
        size = sizes.get(pair.text, 0)
        if group and total + size > _BYTES_AT_ONCE:
            yield group
            group, total = [], 0
        group.append(pair)
        total += size
    if group:
        yield group


def _bytes_of(node: Node) -> int:
    """Bytes of the value of a node for one image, symbolic sizes aside."""
    return 4 * prod(size if isinstance(size, int) else 1 for size in node.type.shape[1:])


def _require_reasonable_sizes(graph: Graph, name: str) -> None:
    largest = max(graph.nodes, key=_bytes_of)
    if _bytes_of(largest) > _LARGEST_VALUE:
        raise RunError.of(
            catalogue.NO_INPUT_MADE_UP,
            f"`{printable(name)}` is not run: its value `{printable(largest.path)}` takes "
            f"{_bytes_of(largest) / 1e9:,.0f} GB",
        )


def _deviation(file: Array, text: Array, least: float) -> float:
    """The largest difference relative to the largest magnitude, or ``least``; infinite where they cannot be the same.

    A file may have a value with its channels last, or without axes of size 1.
    """
    forms = [form for form in (file, np.moveaxis(file, -1, 1) if file.ndim > 2 else file) if form.size == text.size]
    shaped = [form.reshape(text.shape) for form in forms if form.shape[:1] == text.shape[:1]]
    return min((_difference(form, text, least) for form in shaped), default=float("inf"))


def _difference(a: Array, b: Array, least: float = 0.0) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    if not a.size:
        return 0.0
    finite = np.isfinite(a)
    if not finite.any():
        # Nothing can be seen in what is no number.
        return float("inf")
    if not np.array_equal(finite, np.isfinite(b)):
        return float("inf")
    largest = max(float(np.abs(a[finite]).max()), least)
    distance = float(np.abs(a[finite] - b[finite]).max())
    return distance / largest if largest else distance


def _not_equal(original: Original, pair: _Pair, found: float, file: Array, text: Array) -> CompileError:
    what = "output" if pair.is_output else "value"
    name, noun = printable(original.name), original.network.imported.file.noun
    if not np.isfinite(file).any():
        fact = f"has no finite number in the {noun}"
    elif file.size != text.size:
        fact = f"has the shape {list(file.shape)} in the {noun} and {list(text.shape)} in the text"
    else:
        fact = f"deviates by {found:.1e} of its largest magnitude"
    return CompileError.of(
        catalogue.NOT_EQUAL,
        f"the text of `{name}` does not compute what the {noun} does: the {what} `{printable(pair.text)}` {fact}",
        notes=(
            f"it is the first that differs; in the {noun} it is `{printable(pair.file)}`",
            f"values are equal up to {TOLERANCE:.0e} of their largest magnitude",
        ),
        helps=(_REPORT,),
    )
