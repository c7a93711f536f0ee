"""Sizes of tensor axes: integers, or expressions in the symbols of the input.

A symbolic size is kept as a polynomial with integer coefficients over *atoms*: symbols (``H``) and floor divisions
(``(H + 1) // 2``). Polynomials are normalised as they are made, so two sizes that are the same for every input are the
same object in value: ``((H - 1) // 2 + 1 - 1) // 2 + 1`` and ``(H + 3) // 4`` compare equal.

The rules of normalisation, for whole ``a, b > 0``:

- like terms are collected, zero terms dropped, terms sorted;
- ``(b * q + r) // b = q + r // b``: what the divisor divides is taken out, and the constant's remainder stays in
  ``[0, b)``;
- ``(x // a + c) // b = (x + a * c) // (a * b)`` (nested floors);
- a common factor of divisor and all terms is cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import gcd


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """A size that is known when the network runs, at least 1."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Quotient:
    """``numerator // divisor``, rounded down, in normal form."""

    numerator: SymbolicDim
    divisor: int

    def __str__(self) -> str:
        text = str(self.numerator)
        return f"({text})//{self.divisor}" if " " in text or "*" in text else f"{text}//{self.divisor}"


Atom = Symbol | Quotient
Monomial = tuple[Atom, ...]
"""A product of atoms, sorted; the empty product is 1."""


@dataclass(frozen=True, slots=True)
class SymbolicDim:
    """A sum of ``coefficient * monomial``, sorted, at least one monomial not empty. Made by ``+ - * //`` alone."""

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: Dim) -> Dim:
        return _sum(self, other, 1)

    def __radd__(self, other: int) -> Dim:
        return _sum(self, other, 1)

    def __sub__(self, other: Dim) -> Dim:
        return _sum(self, other, -1)

    def __rsub__(self, other: int) -> Dim:
        return _sum(other, self, -1)

    def __neg__(self) -> Dim:
        return _sum(0, self, -1)

    def __mul__(self, other: Dim) -> Dim:
        return _product(self, other)

    def __rmul__(self, other: int) -> Dim:
        return _product(self, other)

    def __floordiv__(self, divisor: int) -> Dim:
        return _quotient(self, divisor)

    @property
    def symbols(self) -> frozenset[str]:
        names: set[str] = set()
        for monomial, _ in self.terms:
            for atom in monomial:
                names |= {atom.name} if isinstance(atom, Symbol) else atom.numerator.symbols
        return frozenset(names)

    def substitute(self, values: Mapping[str, Dim]) -> Dim:
        """The size with symbols replaced; those that ``values`` does not name stay."""

        def value(atom: Atom) -> Dim:
            if isinstance(atom, Symbol):
                return values.get(atom.name, _from_atom(atom))
            return atom.numerator.substitute(values) // atom.divisor

        total: Dim = 0
        for monomial, coefficient in self.terms:
            term: Dim = coefficient
            for atom in monomial:
                term = term * value(atom)
            total = total + term
        return total

    def __str__(self) -> str:
        # The text of each atom is made once: made twice at every level of a quotient of quotients, it would double.
        terms = [(_order(monomial), monomial, coefficient) for monomial, coefficient in self.terms]
        # Symbols before the constant, as people write them: H + 1, not 1 + H.
        terms.sort(key=lambda term: (not term[0], term[0]))
        pieces: list[str] = []
        for texts, monomial, coefficient in terms:
            sign = "-" if coefficient < 0 else "+"
            magnitude = abs(coefficient)
            # Also after a leading minus, which binds more tightly: -(H//2) is not -H//2.
            bare = len(monomial) == 1 and magnitude == 1 and (pieces or coefficient > 0)
            factors = [
                f"({text})" if isinstance(atom, Quotient) and not bare else text
                for atom, text in zip(monomial, texts, strict=True)
            ]
            if magnitude != 1 or not monomial:
                factors.insert(0, str(magnitude))
            pieces.append(f" {sign} " + "*".join(factors))
        text = "".join(pieces)
        return text.removeprefix(" + ") if text.startswith(" + ") else "-" + text.removeprefix(" - ")


Dim = int | SymbolicDim
"""The size of one axis."""


def symbol(name: str) -> SymbolicDim:
    return _from_atom(Symbol(name))


def ceil_div(dim: Dim, divisor: int) -> Dim:
    """``dim / divisor``, rounded up."""
    return (dim + (divisor - 1)) // divisor


def exact_quotient(dim: Dim, divisor: Dim) -> Dim | None:
    """``dim / divisor`` where that is whole for every input; else ``None``.

    Long division of polynomials: the leading term of what is left by that of the divisor, until nothing is left.
    """
    if divisor == 0:
        return None
    lead, factor = _leading(divisor)
    result: Dim = 0
    for _ in range(_LARGEST):
        if dim == 0:
            return result
        monomial, coefficient = _leading(dim)
        rest = _without(monomial, lead)
        if rest is None or coefficient % factor:
            return None
        term = _collect({rest: coefficient // factor})
        result, dim = result + term, dim - term * divisor
    return None


def evaluate(dim: Dim, values: Mapping[str, int]) -> int:
    """The number that a size is for given symbols; ``KeyError`` for a symbol without a value."""
    if isinstance(dim, int):
        return dim
    result = dim.substitute(values)
    if isinstance(result, SymbolicDim):
        raise KeyError(", ".join(sorted(result.symbols)))
    return result


def symbols(dim: Dim) -> frozenset[str]:
    return frozenset() if isinstance(dim, int) else dim.symbols


MOST_DIVISIONS = 60
"""In a manageable size, one inside the other. Halving merges, so that no network comes near."""

_LARGEST = 500
"""Terms and symbols in a manageable size."""

_LARGEST_COEFFICIENT = 2**53


def is_manageable(dim: Dim) -> bool:
    """Whether a size is small enough to be computed with, hashed and written: products of sums grow very fast."""
    size = 0
    waiting = [] if isinstance(dim, int) else [(dim, 0)]
    while waiting:
        inner, depth = waiting.pop()
        if depth > MOST_DIVISIONS:
            return False
        for monomial, coefficient in inner.terms:
            size += 1 + len(monomial)
            if size > _LARGEST or abs(coefficient) > _LARGEST_COEFFICIENT:
                return False
            waiting += [(atom.numerator, depth + 1) for atom in monomial if isinstance(atom, Quotient)]
    return True


def lower_bound(dim: Dim, bounds: Mapping[str, int]) -> int | None:
    """The smallest value of ``dim`` where each symbol is at least its bound (1 unless named).

    Only for sizes that grow with every symbol (all coefficients positive), as the sizes of layers do; ``None`` for
    others.
    """
    if isinstance(dim, int):
        return dim
    if not _grows(dim):
        return None
    return evaluate(dim, {name: bounds.get(name, 1) for name in dim.symbols})


def _grows(dim: SymbolicDim) -> bool:
    return all(
        coefficient > 0 and all(isinstance(atom, Symbol) or _grows(atom.numerator) for atom in monomial)
        for monomial, coefficient in dim.terms
        if monomial
    )


def smallest(holds: Callable[[int], bool], limit: int = 1 << 20) -> int | None:
    """The smallest size from 1 for which a condition that stays true once true holds, or ``None`` up to ``limit``."""
    high = 1
    while not holds(high):
        high *= 2
        if high > limit:
            return None
    low = high // 2 + 1 if high > 1 else 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return high


def _order(monomial: Monomial) -> tuple[str, ...]:
    return tuple(str(atom) for atom in monomial)


def _leading(dim: Dim) -> tuple[Monomial, int]:
    """The term of the highest degree, by the names of its atoms among several: an order that products keep."""
    return min(_terms(dim), key=lambda term: (-len(term[0]), _order(term[0])))


def _without(monomial: Monomial, divisor: Monomial) -> Monomial | None:
    """The atoms of a monomial but for those of another; ``None`` where it has not all of them."""
    rest = list(monomial)
    for atom in divisor:
        if atom not in rest:
            return None
        rest.remove(atom)
    return tuple(rest)


def _from_atom(atom: Atom) -> SymbolicDim:
    return SymbolicDim((((atom,), 1),))


def _terms(dim: Dim) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(dim, int):
        return (((), dim),) if dim else ()
    return dim.terms


def _collect(terms: dict[Monomial, int]) -> Dim:
    kept = [(monomial, coefficient) for monomial, coefficient in terms.items() if coefficient]
    if not kept:
        return 0
    if len(kept) == 1 and not kept[0][0]:
        return kept[0][1]
    if len(kept) > 1:
        kept.sort(key=lambda term: _order(term[0]))
    return SymbolicDim(tuple(kept))


def _sum(left: Dim, right: Dim, sign: int) -> Dim:
    terms = dict(_terms(left))
    for monomial, coefficient in _terms(right):
        terms[monomial] = terms.get(monomial, 0) + sign * coefficient
    return _collect(terms)


def _product(left: Dim, right: Dim) -> Dim:
    terms: dict[Monomial, int] = {}
    for one, a in _terms(left):
        for other, b in _terms(right):
            monomial = one + other
            if one and other:
                monomial = tuple(sorted(monomial, key=str))
            terms[monomial] = terms.get(monomial, 0) + a * b
    return _collect(terms)


@lru_cache(maxsize=4096)
def _quotient(dim: SymbolicDim, divisor: int) -> Dim:
    if divisor < 1:
        raise ValueError("sizes can only be divided by integers from 1")
    if divisor == 1:
        return dim
    whole: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for monomial, coefficient in dim.terms:
        if coefficient % divisor == 0:
            whole[monomial] = coefficient // divisor
        elif not monomial:
            whole[monomial] = coefficient // divisor
            rest[monomial] = coefficient % divisor
        else:
            rest[monomial] = coefficient
    remainder = _collect(rest)
    if isinstance(remainder, int):
        return _collect(whole) + remainder // divisor
    return _collect(whole) + _flat_quotient(remainder, divisor)


def _flat_quotient(dim: SymbolicDim, divisor: int) -> Dim:
    """``dim // divisor`` for a ``dim`` from which nothing whole can be taken out."""
    constant = dict(dim.terms).get((), 0)
    linear = [(monomial, coefficient) for monomial, coefficient in dim.terms if monomial]
    if len(linear) == 1:
        (monomial, coefficient) = linear[0]
        if coefficient == 1 and len(monomial) == 1 and isinstance(monomial[0], Quotient):
            inner = monomial[0]
            return _as_symbolic(inner.numerator + inner.divisor * constant) // (inner.divisor * divisor)
    common = gcd(divisor, *(coefficient for _, coefficient in linear))
    if common > 1:
        # (g*q + r) // (g*b) = (q + r // g) // b
        reduced = _collect({monomial: coefficient // common for monomial, coefficient in linear})
        return _as_symbolic(reduced + constant // common) // (divisor // common)
    return _from_atom(Quotient(dim, divisor))


def _as_symbolic(dim: Dim) -> SymbolicDim:
    if not isinstance(dim, SymbolicDim):
        raise AssertionError("a symbolic size lost its symbols in normalisation")
    return dim
