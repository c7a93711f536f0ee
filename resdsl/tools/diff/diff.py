"""Compare two specifications."""

from __future__ import annotations

from typing import Unpack

from resdsl.diagnostics import Diagnostic, Diagnostics, Option, Placeholder, Text, catalogue
from resdsl.review.budget import Budget
from resdsl.review.checkpoint import Fit
from resdsl.review.review import Review, compare
from resdsl.review.sentences import note_text, weights_line, weights_notes
from resdsl.specification.load import Network, NetworkOptions, load


def diff(
    old: Network,
    new: Network,
    **network: Unpack[NetworkOptions],
) -> Review:
    """The differences between two networks, and whether weights of the old one still load into the new one.

    Each network is given as for ``resdsl.load``; the options apply to both. If one is an ONNX file, what exporters do
    to a network (folded norms, other names of tensors) is stated in ``Review.forms`` and is no change. Raises
    ``CompileError`` if one has errors.
    """
    before, after = (load(each, **network) for each in (old, new))
    # A text says what it means; a compiler or an exporter writes a network in its own way.
    exported = before.is_file or after.is_file
    return compare(
        before.graph,
        after.graph,
        sources=(before.source.name, after.source.name),
        blocks=(before.block_names, after.block_names) if exported else None,
        is_foreign=before.is_foreign or after.is_foreign,
    )


def verify(
    review: Review,
    *,
    max_parameters: Budget | None = None,
    max_macs: Budget | None = None,
    compatible_weights: bool = False,
) -> Diagnostics:
    """An error for each exceeded budget, and one if compatible weights are required and old weights do not load."""
    diagnostics = Diagnostics()
    old, new = review.old.totals, review.new.totals
    counts = (
        (max_parameters, "parameters", old.parameters, new.parameters),
        (max_macs, "MACs", old.macs, new.macs),
    )
    for budget, what, before, after in counts:
        message = budget.breach(what, before, after) if budget is not None else None
        if message is not None:
            fixed = isinstance(before, int) and isinstance(after, int)
            suggestion = (
                "make the network smaller, or raise the budget"
                if fixed
                else Text("fix its size: ", Option("input_shape", ("N", 3, 224, 224)))
            )
            diagnostics.report(Diagnostic(catalogue.BUDGET, message, helps=(suggestion,)))
    if compatible_weights and not review.checkpoint.is_compatible:
        renamed = review.checkpoint.fit is not Fit.FULLY and review.checkpoint.renames
        suggestion = (
            Text("write the renames with ", Option("write_renames", Placeholder("FILE")))
            if renamed
            else "train again, or undo the change"
        )
        notes = tuple(map(note_text, weights_notes(review)))[:3]
        message = f"weights of `{review.old.name}` must stay compatible: {weights_line(review)}"
        diagnostics.report(Diagnostic(catalogue.INCOMPATIBLE_WEIGHTS, message, notes=notes, helps=(suggestion,)))
    return diagnostics
