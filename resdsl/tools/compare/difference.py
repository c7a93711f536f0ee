"""Whether two models compute the same: their values on the same inputs, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.session import Session

Array = npt.NDArray[Any]

# All values of a large network at once would take gigabytes; each group of them takes one more run.
_AT_ONCE = 64
_PART_OF_RTOL = 0.1


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Two numbers agree where ``|a - b| <= atol + rtol |a|``, as NumPy has it.

    ``atol`` is ``None`` for a tenth of ``rtol``, of the value's root mean square: what is small among large numbers has
    the error of the large ones.
    """

    rtol: float = 1e-3
    atol: float | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One value of both models.

    ``name`` is what the first model calls it, ``other`` the second. ``worst`` and ``mean`` are of ``|a - b|``,
    ``scale`` is the root mean square of ``a``, ``cosine`` that of the angle between both, ``outside`` how many numbers
    don't agree. ``misfit`` says why they could not be subtracted.
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
    def departs(self) -> bool:
        return bool(self.outside) or self.misfit is not None


@dataclass(frozen=True, slots=True)
class Named:
    """A value that both models have: its name in each, and the operator that makes it."""

    a: str
    b: str
    op: str
    is_output: bool


def differences(
    a: Session, b: Session, values: Sequence[Named], feeds: Mapping[str, Array], tolerance: Tolerance
) -> Iterator[Difference]:
    """What both models make of ``feeds`` (named as by ``a``), value by value, in the order of ``values``.

    Values that are not floating-point numbers are left out. Raises ``RunError`` where the models take inputs of
    different kinds, or one of them fails.
    """
    others = inputs_for(b, a, feeds)
    for start in range(0, len(values), _AT_ONCE):
        group = values[start : start + _AT_ONCE]
        of_a = a.run(feeds, list(dict.fromkeys(value.a for value in group)))
        of_b = b.run(others, list(dict.fromkeys(value.b for value in group)))
        for value in group:
            if np.issubdtype(of_a[value.a].dtype, np.floating) and np.issubdtype(of_b[value.b].dtype, np.floating):
                yield difference(value, of_a[value.a], of_b[value.b], tolerance)


def inputs_for(b: Session, a: Session, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """``feeds`` of ``a`` under the names that ``b`` gives its inputs, which are taken in their order."""
    if [len(port.shape) for port in a.inputs] != [len(port.shape) for port in b.inputs]:
        raise _incomparable(a, b, "their inputs differ in number or dimensions")
    given = {}
    for ours, theirs in zip(a.inputs, b.inputs, strict=True):
        array = feeds[ours.name]
        if ours.dtype != theirs.dtype:
            raise _incomparable(a, b, f"one takes {ours.dtype} and the other {theirs.dtype}")
        if any(isinstance(size, int) and size != got for size, got in zip(theirs.shape, array.shape, strict=True)):
            raise _incomparable(a, b, f"`{b.name}` takes {theirs.sizes}, and the input is {list(array.shape)}")
        given[theirs.name] = array
    return given


def difference(value: Named, a: Array, b: Array, tolerance: Tolerance) -> Difference:
    """What lies between two arrays."""
    about = (value.a, value.b, value.op, value.is_output, a.shape)
    if a.shape != b.shape:
        return Difference(*about, np.inf, np.inf, _scale(a), 0.0, a.size, f"the other is {list(b.shape)}")
    a, b = a.astype(np.float64), b.astype(np.float64)
    scale = _scale(a)
    atol = _PART_OF_RTOL * tolerance.rtol * scale if tolerance.atol is None else tolerance.atol
    # Two infinities, or two that are no numbers, agree.
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
        agree = same | (np.isfinite(apart) & (apart <= atol + tolerance.rtol * np.abs(a)))
        lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
        cosine = float(np.vdot(a, b)) / lengths if lengths else float(not a.any() and not b.any())
    worst, mean = (float(apart.max()), float(apart.mean())) if a.size else (0.0, 0.0)
    return Difference(*about, worst, mean, scale, cosine, int(a.size - agree.sum()))


def _scale(array: Array) -> float:
    """The root mean square of what is finite in it."""
    finite = array[np.isfinite(array)].astype(np.float64)
    return float(np.sqrt(np.mean(np.square(finite)))) if finite.size else 0.0


def _incomparable(a: Session, b: Session, why: str) -> RunError:
    return RunError.of(
        catalogue.NOT_COMPARABLE,
        f"`{a.name}` and `{b.name}` cannot be compared: {why}",
        helps=("compare models that take the same input",),
    )
