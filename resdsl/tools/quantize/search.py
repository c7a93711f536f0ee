"""Which candidates are tried, one after the other, and which of them is chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from resdsl.tools.quantize.candidates import FITTED, Candidate, Recipe
from resdsl.tools.quantize.quantizer import RANGES

_NEARLY = 0.9
"""Without a candidate that reaches the goal, those slower than this part of the fastest are not chosen."""

_WORST = (1, 2, 4)
"""How many layers that add the most noise are kept in floating point, if nothing else reaches the goal."""


def recipes(
    recipe: Recipe,
    tried: Sequence[Candidate],
    best: Callable[[], Candidate],
    keepable: Callable[[], Iterator[tuple[str, ...]]],
) -> Iterator[Recipe]:
    """What to try next. The caller appends each candidate to ``tried`` before it asks for the next.

    ``recipe`` is what is asked for, its method one of ``METHODS``. ``best`` is the best candidate so far, and
    ``keepable`` are sets of layers to keep in floating point.
    """
    if recipe.method in RANGES:
        yield recipe
        return
    searches = recipe.method == "best"
    plain = dataclasses.replace(recipe, method="minmax", ranges="minmax")
    if searches:
        yield plain
        yield dataclasses.replace(recipe, method="nearest")
        yield dataclasses.replace(recipe, method="gptq")
        if recipe.ranges == "minmax":
            yield dataclasses.replace(recipe, method="gptq", ranges="percentile")
    else:
        yield recipe
    if not any(one.method in FITTED and not one.problem for one in tried):
        if not searches:
            yield plain
        if any(one.saturating for one in tried if one.recipe == plain) and not recipe.reduce_range:
            yield dataclasses.replace(plain, reduce_range=True)
        return
    if not searches or any(one.reaches_goal for one in tried):
        return
    if recipe.operators == "all":
        yield dataclasses.replace(recipe, method="gptq", ranges="percentile", operators="layers")
    if any(one.reaches_goal for one in tried):
        return
    start = best().recipe
    for keep in keepable():
        yield dataclasses.replace(start, keep=keep)
        if tried[-1].reaches_goal or tried[-1].problem:
            return


def keepable(depthwise: Sequence[str], noisiest: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Sets of layers to keep in floating point: depthwise layers, and those that add the most noise; never all layers.

    ``noisiest`` are all quantized layers, those that add the most noise first. Depthwise layers have few products, so
    int8 saves them little time, and their channels differ most in range.
    """
    if 0 < len(depthwise) < len(noisiest):
        yield tuple(depthwise)
    for count in _WORST:
        if count < len(noisiest):
            yield tuple(noisiest[:count])


def choose(candidates: Sequence[Candidate], target: str, saturates: Callable[[], bool]) -> int:
    """The index of the best candidate: the best score of those that reach the goal, or else of those nearly as fast.

    None is chosen that scores less than ONNX Runtime's own quantization. A candidate with sums that can leave 16 bits
    is measured on this CPU. If its kernels do not saturate, that does not hold for others, so for any CPU only the
    other candidates are compared.
    """
    usable = [index for index, candidate in enumerate(candidates) if candidate.agreement is not None]
    if target == "any" and any(candidates[index].saturating for index in usable) and not saturates():
        usable = [index for index in usable if not candidates[index].saturating] or usable
    least = max((candidates[index].score for index in usable if candidates[index].method in RANGES), default=None)
    if least is not None:
        usable = [index for index in usable if candidates[index].score >= least]
    reaching = [index for index in usable if candidates[index].reaches_goal]
    if not reaching:
        fastest = max(candidates[index].gain or 0 for index in usable)
        reaching = [index for index in usable if (candidates[index].gain or 0) >= _NEARLY * fastest]
    return max(reaching, key=lambda index: candidates[index].score)
