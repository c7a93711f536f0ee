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
        case VarianceScaling(fan_in, fan_out):
            return _scaled(name, max(1, fan_in), max(1, fan_out), seed, scheme)
        case _:
            assert_never(initializer)


def _scaled(name: str, fan_in: int, fan_out: int, seed: int, scheme: Scheme) -> Filler:
    match scheme:
        case Scheme.HE_NORMAL:
            return _normal(name, seed, sqrt(2 / fan_in))
        case Scheme.HE_NORMAL_FAN_OUT:
            return _normal(name, seed, sqrt(2 / fan_out))
        case Scheme.LECUN_NORMAL:
            return _normal(name, seed, sqrt(1 / fan_in))
        case Scheme.HE_UNIFORM:
            return _uniform(name, seed, sqrt(6 / fan_in))
        case Scheme.XAVIER_UNIFORM:
            return _uniform(name, seed, sqrt(6 / (fan_in + fan_out)))
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


def _generator(name: str, seed: int) -> Generator:
    # Not hash(): Python salts it in every process.
    digest = blake2b(f"{seed}:{name}".encode(), digest_size=16).digest()
    # Four words give the same seed as the integer they form, without NumPy splitting it.
    return Generator(PCG64(np.frombuffer(digest, "<u4")))


def _normal(name: str, seed: int, deviation: float) -> Filler:
    generator, factor = _generator(name, seed), np.float32(deviation)

    def fill(values: np.ndarray) -> None:
        # Written in place, without a float64 copy. NumPy releases the GIL meanwhile.
        generator.standard_normal(dtype=np.float32, out=values)
        values *= factor

    return fill


def _uniform(name: str, seed: int, bound: float) -> Filler:
    generator, factor = _generator(name, seed), np.float32(2 * bound)

    def fill(values: np.ndarray) -> None:
        generator.random(dtype=np.float32, out=values)
        values -= np.float32(0.5)
        values *= factor

    return fill
