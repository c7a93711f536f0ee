"""Random initial values of tensors.

A tensor depends only on the seed and its own name, so neither adding a layer nor threads change other tensors. NumPy
guarantees a stable bit stream for PCG64; its normal distribution may change in a release that announces it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from math import sqrt
from typing import assert_never

import numpy as np
from numpy.random import PCG64, Generator

from resdsl.ir.initializers import Constant, Initializer, VarianceScaling
from resdsl.weights.initial import Scheme

Filler = Callable[[np.ndarray], None]
"""Fills an array with the next values of a tensor, in C order."""


def filler(name: str, initializer: Initializer, seed: int, scheme: Scheme = Scheme.HE_NORMAL) -> Filler:
    """The values of the float32 tensor called ``name``, from the first on; the same however they are divided."""
    match initializer:
        case Constant(value):
            return lambda values: values.fill(value)
        case VarianceScaling():
            return _scaled(name, scheme.variance(initializer), seed, scheme)
        case _:
            assert_never(initializer)


def _scaled(name: str, variance: float, seed: int, scheme: Scheme) -> Filler:
    match scheme:
        case Scheme.HE_NORMAL | Scheme.HE_NORMAL_FAN_OUT | Scheme.LECUN_NORMAL:
            return _normal(name, seed, sqrt(variance))
        case Scheme.HE_UNIFORM | Scheme.XAVIER_UNIFORM:
            # The variance of U(b) is b^2 / 3.
            return _uniform(name, seed, sqrt(3 * variance))
        case Scheme.ZEROS:
            return lambda values: values.fill(0)
        case _:
            assert_never(scheme)


def initial_value(
    name: str, shape: tuple[int, ...], initializer: Initializer, seed: int, scheme: Scheme = Scheme.HE_NORMAL
) -> np.ndarray:
    """The whole tensor whose values ``filler`` draws."""
    values = np.empty(shape, np.float32)
    filler(name, initializer, seed, scheme)(values)
    return values


def drawn(fill: Filler, total: int, count: int) -> Iterator[np.ndarray]:
    """The ``total`` values of a tensor, ``count`` at a time, in one reused buffer."""
    buffer = np.empty(min(total, count), np.float32)
    for done in range(0, total, count):
        piece = buffer[: total - done]
        fill(piece)
        yield piece


def generator(name: str, seed: int) -> Generator:
    """Random numbers that depend on the seed and a name alone: the same in every process and every thread."""
    # Not hash(): Python salts it in every process.
    digest = blake2b(f"{seed}:{name}".encode(), digest_size=16).digest()
    # Four words give the same seed as the integer they form, without NumPy splitting it.
    return Generator(PCG64(np.frombuffer(digest, "<u4")))


def _normal(name: str, seed: int, deviation: float) -> Filler:
    random, factor = generator(name, seed), np.float32(deviation)

    def fill(values: np.ndarray) -> None:
        # Written in place, without a float64 copy. NumPy releases the GIL meanwhile.
        random.standard_normal(dtype=np.float32, out=values)
        values *= factor

    return fill


def _uniform(name: str, seed: int, bound: float) -> Filler:
    random, factor = generator(name, seed), np.float32(2 * bound)

    def fill(values: np.ndarray) -> None:
        random.random(dtype=np.float32, out=values)
        values -= np.float32(0.5)
        values *= factor

    return fill
