"""Which candidates are tried, one after the other, and which of them is chosen."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterator, Sequence

from resdsl.tools.quantize.candidates import FITTED, FITTED_RANGES, GOAL_GAIN, Candidate, Recipe
from resdsl.tools.quantize.quantizer import RANGES

_NEARLY = 0.9
"""Without a candidate that reaches the goal, those slower than this part of the fastest are not chosen."""

_FASTER = 1.1
"""Times as fast as the original beyond which it is no chance: how much measurements of one graph differ."""

_ERRORS = 2
"""By how many standard errors the mean difference of two candidates is more than chance."""

_WORST = (1, 2, 4)
"""How many layers that add the most noise are kept in floating point, if nothing else reaches the goal."""


def recipes(
    recipe: Recipe,
    tried: Sequence[Candidate],
    best: Callable[[], Candidate],
    keepable: Callable[[], Iterator[tuple[str, ...]]],
    scalable: Callable[[], bool],
) -> Iterator[Recipe]:
    """What to try next. The caller appends each candidate to ``tried`` before it asks for the next.

    ``recipe`` is what is asked for, its method one of ``METHODS``. ``best`` is the best candidate so far, and
    ``keepable`` are sets of layers to keep in floating point; ``scalable`` says whether channels can have ranges of
    their own.
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
    channels = dataclasses.replace(recipe, method="gptq", ranges="channels", operators="layers")
    if channels not in [one.recipe for one in tried] and scalable():
        yield channels
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
    """The index of the simplest candidate that is as good as the best, within the error of the images.

    Compared are those that reach the goal, and those as fast as the goal that are not worse than one that reaches it;
    without any, those nearly as fast as the fastest, and all of them where none is faster than the original: then only
    the size of the file is left to gain. Where none of these is faithful, those that are come first: a fast model with
    other results is of no use. None is chosen that is worse than ONNX Runtime's own quantization. ``is_worse`` says
    what is worse, ``_order`` what is simple. If the simplest is not faithful, it is the best instead: the errors are so
    large there that simplicity is not worth any of them.

    A candidate with sums that can leave 16 bits is measured on this CPU. If its kernels do not saturate, that does not
    hold for others, so for any CPU only the other candidates are compared.
    """
    usable = [index for index, candidate in enumerate(candidates) if candidate.agreement is not None]
    if target == "any" and any(candidates[index].saturating for index in usable) and not saturates():
        usable = [index for index in usable if not candidates[index].saturating] or usable

    def score(index: int) -> float:
        return candidates[index].score

    def not_worse(indices: Sequence[int], than: Sequence[int]) -> list[int]:
        """Those of ``indices`` that are not worse than the best of ``than``; all of them if that is empty."""
        best = max(than, key=score, default=None)
        return [one for one in indices if best is None or not is_worse(candidates[one], candidates[best])]

    usable = not_worse(usable, than=[index for index in usable if candidates[index].method in RANGES])
    reaching = [index for index in usable if candidates[index].reaches_goal]
    fastest = max(candidates[index].gain or 0 for index in usable)
    least = GOAL_GAIN if reaching else _NEARLY * fastest if fastest > _FASTER else 0
    pool = not_worse([index for index in usable if (candidates[index].gain or 0) >= least], than=reaching)
    faithful = [index for index in usable if candidates[index].is_faithful]
    if faithful and not any(index in faithful for index in pool):
        pool = faithful
    simplest = min(not_worse(pool, than=pool), key=lambda index: _order(candidates[index]))
    if reaching or simplest in faithful:
        return simplest
    return min(pool, key=lambda index: (-score(index), _order(candidates[index])))


def is_worse(one: Candidate, other: Candidate) -> bool:
    """Whether ``one`` scores less than ``other`` by more than chance explains.

    Candidates are measured on the same images, so the difference is taken image by image: the mean difference must be
    greater than twice its standard error, ``s / sqrt(n)`` (the one-standard-error rule of Breiman et al. 1984, section
    3.4.3, with two, because images of one folder resemble each other). A single image has no error to compare with.
    """
    if one.agreement is None or other.agreement is None:
        return one.score < other.score
    ours, theirs = one.agreement.scores, other.agreement.scores
    if len(ours) != len(theirs) or len(ours) < 2:
        return one.score < other.score
    differences = [b - a for a, b in zip(ours, theirs, strict=True)]
    if any(map(math.isnan, differences)):
        return one.score < other.score
    return statistics.mean(differences) > _ERRORS * statistics.stdev(differences) / math.sqrt(len(differences))


def _order(candidate: Candidate) -> tuple[object, ...]:
    """Simple first: what is most in int8, no clipping of values that other images may have, and fitted weights.

    Images that calibration did not see may have larger values than those it saw. The held-out images are of the same
    folder and hardly show what clipping these costs. GPTQ rounds with the least error of the layers' results.
    """
    recipe = candidate.recipe
    return (
        recipe.method in RANGES,
        recipe.operators != "all",
        len(recipe.keep),
        FITTED_RANGES.index(recipe.ranges),
        recipe.method != "gptq",
    )
