"""Differences between the values of two models on the same inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.session import Port, Session
from resdsl.untrusted import printable

Array = npt.NDArray[Any]

# All values of a large network at once would take gigabytes; each group takes one more run.
_FIRST_GROUP = 64
_GROUP_BYTES = 2**27
_GROWTH = 4  # from a group to the next one, whose values may be larger
_ATOL_OVER_RTOL = 0.1
_MOST_INPUTS = 4  # that a message lists


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Two numbers are equal if ``|a - b| <= atol + rtol |a|``, as in NumPy.

    By default (``None``) ``atol`` is a tenth of ``rtol`` times the value's root mean square, because small numbers in a
    tensor of large ones have the errors of the large ones.
    """

    rtol: float = 1e-3
    atol: float | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between the values of two models.

    ``name`` is the name in the first model, ``other`` in the second. ``worst`` and ``mean`` are of ``|a - b|``,
    ``scale`` is the root mean square of ``a``, ``cosine`` the cosine similarity, ``outside`` the number of elements
    beyond the tolerance. ``misfit`` is the reason why they cannot be subtracted, if any.
    """

    name: str
    other: str
    op: str
    is_output: bool
    shape: tuple[int, ...]
    worst: float
    mean: float
    scale: float
    cosine: float
    outside: int
    misfit: str | None = None

    @property
    def diverges(self) -> bool:
        return bool(self.outside) or self.misfit is not None


@dataclass(frozen=True, slots=True)
class ValuePair:
    """A value that both models have: its name in each, and the operator that computes it."""

    a: str
    b: str
    op: str
    is_output: bool


def differences(
    a: Session, b: Session, values: Sequence[ValuePair], feeds: Mapping[str, Array], tolerance: Tolerance
) -> Iterator[Difference]:
    """The difference of each of ``values`` for the inputs ``feeds`` (by their names in ``a``).

    Values that are not floating-point are left out. Raises ``RunError`` if the models take different inputs, or if one
    of them fails.
    """
    others = inputs_for(b, a, feeds)
    start, count = 0, _FIRST_GROUP
    while start < len(values):
        group = values[start : start + count]
        start += count
        of_a = a.run(feeds, list(dict.fromkeys(value.a for value in group)))
        of_b = b.run(others, list(dict.fromkeys(value.b for value in group)))
        for value in group:
            if np.issubdtype(of_a[value.a].dtype, np.floating) and np.issubdtype(of_b[value.b].dtype, np.floating):
                yield difference(value, of_a[value.a], of_b[value.b], tolerance)
        taken = sum(array.nbytes for array in of_a.values())
        count = max(1, min(_GROWTH * count, len(group) * _GROUP_BYTES // max(1, taken)))


def inputs_for(b: Session, a: Session, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """``feeds`` of ``a`` by the names of the inputs of ``b``: the same names, or else those at the same places."""
    named = {port.name: port for port in a.inputs}
    same = named.keys() == {port.name for port in b.inputs}
    inputs = [named[port.name] for port in b.inputs] if same else a.inputs
    if [len(port.shape) for port in inputs] != [len(port.shape) for port in b.inputs]:
        raise _incomparable(a, b, f"one takes {_listed(a.inputs)}, the other {_listed(b.inputs)}")
    renamed = {}
    for ours, theirs in zip(inputs, b.inputs, strict=True):
        array = feeds[ours.name]
        if ours.dtype != theirs.dtype:
            raise _incomparable(a, b, f"one takes {ours.dtype} and the other {theirs.dtype}")
        if any(
            isinstance(size, int) and size != actual for size, actual in zip(theirs.shape, array.shape, strict=True)
        ):
            raise _incomparable(a, b, f"`{b.name}` takes {theirs.sizes}, and the input is {list(array.shape)}")
        renamed[theirs.name] = array
    return renamed


def _listed(ports: Sequence[Port]) -> str:
    shown = [f"`{printable(port.name)}` {printable(port.sizes)}" for port in ports[:_MOST_INPUTS]]
    more = [f"{len(ports) - _MOST_INPUTS} more"] if len(ports) > _MOST_INPUTS else []
    return ", ".join(shown + more) or "none"


def difference(value: ValuePair, a: Array, b: Array, tolerance: Tolerance) -> Difference:
    """The difference between two arrays."""
    if a.shape != b.shape and [size for size in a.shape if size != 1] == [size for size in b.shape if size != 1]:
        b = b.reshape(a.shape)  # exporters drop axes of size 1, and add them
    description = (value.a, value.b, value.op, value.is_output, a.shape)
    if a.shape != b.shape:
        return Difference(*description, np.inf, np.inf, _scale(a), 0.0, a.size, f"the other is {list(b.shape)}")
    a, b = a.astype(np.float64), b.astype(np.float64)
    scale = _scale(a)
    atol = _ATOL_OVER_RTOL * tolerance.rtol * scale if tolerance.atol is None else tolerance.atol
    # Equal infinities and NaN at the same place are equal.
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.where(same, 0.0, np.abs(a - b))
        agree = same | (np.isfinite(distance) & (distance <= atol + tolerance.rtol * np.abs(a)))
        lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
        cosine = float(np.vdot(a, b)) / lengths if lengths else float(not a.any() and not b.any())
    worst, mean = (float(distance.max()), float(distance.mean())) if a.size else (0.0, 0.0)
    return Difference(*description, worst, mean, scale, cosine, int(a.size - agree.sum()))


def _scale(array: Array) -> float:
    """The root mean square of the finite elements."""
    finite = array[np.isfinite(array)].astype(np.float64)
    return float(np.sqrt(np.mean(np.square(finite)))) if finite.size else 0.0


def _incomparable(a: Session, b: Session, reason: str) -> RunError:
    return RunError.of(
        catalogue.NOT_COMPARABLE,
        f"`{a.name}` and `{b.name}` cannot be compared: {reason}",
        helps=("compare models with the same inputs",),
    )
