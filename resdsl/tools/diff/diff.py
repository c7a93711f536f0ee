"""Two specifications in, one review out."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from resdsl.diagnostics import Diagnostic, Diagnostics, Option, Placeholder, Text, catalogue
from resdsl.elaborate import Limits
from resdsl.review.budget import Budget
from resdsl.review.checkpoint import Fit
from resdsl.review.compare import Review, compare
from resdsl.review.told import weights_line, weights_notes
from resdsl.specification.revision import Reviewed, reviewed


def diff(
    old: Reviewed,
    new: Reviewed,
    *,
    model: str | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    input_shape: tuple[int | str, ...] | None = None,
    limits: Limits | None = None,
) -> Review:
    """What changed from one network to another, and whether the old one's weights still load.

    Each is a file, a network that resdsl ships, ``REV:path`` for a file as it was in a revision of the git repository
    around (with the files that it uses, of that revision), a ``Source``, or a ``Specification`` of its own making.
    ``model``, ``set`` and ``input_shape`` are as for ``load``, for both.

    Raises ``CompileError`` where one of the two has mistakes.
    """
    before, after = (
        reviewed(given, model=model, set=set, input_shape=input_shape, limits=limits) for given in (old, new)
    )
    return compare(before.graph, after.graph, sources=(before.source.name, after.source.name))


def verify(
    review: Review,
    *,
    max_parameters: Budget | None = None,
    max_macs: Budget | None = None,
    compatible_weights: bool = False,
) -> Diagnostics:
    """What a review must not find: a network over its budgets, or one that old weights do not fit unchanged."""
    found = Diagnostics()
    old, new = review.old.totals, review.new.totals
    counts = (
        (max_parameters, "parameters", old.parameters, new.parameters),
        (max_macs, "MACs", old.macs, new.macs),
    )
    for budget, what, before, after in counts:
        message = budget.breach(what, before, after) if budget is not None else None
        if message is not None:
            fixed = isinstance(before, int) and isinstance(after, int)
            way_out = (
                "make the network smaller, or raise the budget"
                if fixed
                else Text("fix its size: ", Option("input_shape", ("N", 3, 224, 224)))
            )
            found.report(Diagnostic(catalogue.BUDGET, message, helps=(way_out,)))
    if compatible_weights and not review.checkpoint.is_compatible:
        renamed = review.checkpoint.fit is not Fit.FULLY and review.checkpoint.renames
        way_out = (
            Text("write the renames with ", Option("write_renames", Placeholder("FILE")))
            if renamed
            else "train anew, or undo what changed"
        )
        notes = tuple(weights_notes(review))[:3]
        message = f"`{review.old.name}` was to stay compatible: {weights_line(review)}"
        found.report(Diagnostic(catalogue.INCOMPATIBLE_WEIGHTS, message, notes=notes, helps=(way_out,)))
    return found
