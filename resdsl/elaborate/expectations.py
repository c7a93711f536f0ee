"""Assertions of a file about its network: shapes after ``->``, and ``expect`` lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from resdsl.diagnostics import Edit, Fix, Label, catalogue
from resdsl.diagnostics.suggest import renamed
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.claims import RELATIONS, Claim
from resdsl.elaborate.context import Context, Flow
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.values import UNKNOWN, kind_of, listed
from resdsl.ir.dims import Dim, SymbolicDim
from resdsl.ir.graph import Graph
from resdsl.ir.types import DType, TensorType
from resdsl.ir.values import format_value
from resdsl.syntax import tree

TOTALS = ("parameters", "macs", "depth")
"""What can be expected of the whole network; ``shape`` is of the place where it is written."""

_OTHER_NAMES = {"params": "parameters", "weights": "parameters", "mults": "macs", "multadds": "macs", "layers": "depth"}
"""What others call the totals. FLOPs are none: they count two for each multiply-accumulate, or one."""

_MOST_PARTS = 10
"""Of a network, shown in a message."""


def annotation(
    builder: GraphBuilder, shape: tree.Shape, subject: tree.Tree, flow: Flow, context: Context, *, verb: str = "gives"
) -> None:
    """``-> [N, 512, 28, 28]``: verify the shape that is written. ``verb`` relates ``subject`` to it in the message."""
    if not builder.claims:
        return
    wanted = [_size(builder, dim, flow, context) for dim in shape.dims]
    if flow is None:
        return
    actual = builder.nodes[flow].type
    if len(wanted) != actual.rank:
        differences = f"there are {actual.rank} dimensions, not {len(wanted)}"
    else:
        pairs = zip(wanted, actual.shape, strict=True)
        wrong = [
            f"{_axis(axis, actual.rank)} {other}, not {one}"
            for axis, (one, other) in enumerate(pairs)
            if one is not None and one != other
        ]
        if not wrong:
            return
        differences = "; ".join(wrong)
    builder.report(
        catalogue.ANNOTATION,
        "the shape is not what is written here",
        Label(shape.span, differences),
        context,
        secondary=(Label(subject.span, f"this {verb} {actual}"),),
        helps=(f"if the network is right, write `{actual}`",),
        alternative=_restated(shape, wanted, actual, context),
    )


def _restated(shape: tree.Shape, wanted: Sequence[Dim | None], actual: TensorType, context: Context) -> Fix | None:
    """The annotation with the sizes that there are; none for a block, whose next call has others."""
    if not context.frame.root:
        return None
    title = f"write the shape that the network has, `{actual}`"
    if len(wanted) != actual.rank:
        return Fix(title, (Edit(shape.span, str(actual)),))
    pairs = zip(shape.dims, wanted, actual.shape, strict=True)
    wrong = [(dim, size) for dim, one, size in pairs if one is not None and one != size]
    # A size that is computed is right for other arguments, too.
    if not all(isinstance(dim, tree.Number) for dim, _ in wrong):
        return None
    return Fix(title, tuple(Edit(dim.span, str(size)) for dim, size in wrong))


def stated(builder: GraphBuilder, shape: tree.Shape, context: Context) -> Flow:
    """A value of the shape that is written after a statement with an error, so that checking goes on behind it.

    ``None`` where the shape is not written in full. The graph is not used, as there is an error.
    """
    sizes = [_size(builder, dim, None, context) for dim in shape.dims]
    known = tuple(size for size in sizes if size is not None)
    if not builder.claims or not builder.poisoned or len(known) < len(sizes) or not known:
        return None
    if any(isinstance(size, int) and size < 1 for size in known):
        return None
    return builder.assume(TensorType(DType.F32, known), shape.span, context)


def _axis(axis: int, rank: int) -> str:
    """The beginning of a sentence about the size of an axis."""
    image = ("the batch size is", "the channels are", "the height is", "the width is")
    names = image if rank == 4 else ("the batch size is", "the features are")
    return names[axis] if axis < len(names) else f"axis {axis} is"


def _size(builder: GraphBuilder, dim: tree.Expression, flow: Flow, context: Context) -> Dim | None:
    """A size of an annotation; ``None`` where it is not checked or its error has been reported."""
    if isinstance(dim, tree.Wildcard):
        return None
    if isinstance(dim, tree.Name) and dim.name[:1].isupper() and _is_unknown(dim.name, context):
        _report_symbol(builder, dim, context)
        return None
    value = evaluate(builder, dim, context, flow)
    if value is UNKNOWN:
        return None
    if isinstance(value, int | SymbolicDim) and not isinstance(value, bool):
        return value
    message = f"a size is an integer or an expression in the input's symbols, and this is {kind_of(value)}"
    builder.report(catalogue.ARGUMENT_TYPE, message, dim.span, context)
    return None


def _is_unknown(name: str, context: Context) -> bool:
    known = context.variables, context.frame.symbols, context.unit.definitions, context.unit.missing
    return not any(name in names for names in known)


def _report_symbol(builder: GraphBuilder, dim: tree.Name, context: Context) -> None:
    """``-> [N, 64, H, W]`` where the input does not have these symbols."""
    symbols = context.frame.symbols
    builder.report(
        catalogue.UNKNOWN_NAME,
        f"`{dim.name}` is not a symbol of the input",
        dim.span,
        context,
        helps=(f"write the size, or `_` for any; {f'the input has {listed(symbols)}' if symbols else 'it has none'}",),
    )


def expect(builder: GraphBuilder, line: tree.Expect, flow: Flow, context: Context) -> None:
    """Verify a claim about this place at once; keep one about the whole network for the end."""
    subject = line.subject.name
    if line.relation not in RELATIONS:
        # The parser has reported it, and keeps it in the tree.
        return
    if subject == "shape":
        if not isinstance(line.value, tree.ListLiteral) or line.relation != "==":
            message = "a shape is expected as `expect shape == [N, 64, 56, 56]`"
            builder.report(catalogue.EXPECTATION_UNKNOWN, message, line.span, context)
            return
        shape = tree.Shape(line.value.items, span=line.value.span)
        annotation(builder, shape, line.subject, flow, context, verb="is")
        return
    if subject not in TOTALS:
        known = [*TOTALS, "shape"]
        guess = _OTHER_NAMES.get(subject.lower()) or builder.suggester.closest(subject, known)
        builder.report(
            catalogue.EXPECTATION_UNKNOWN,
            f"`expect` cannot check `{subject}`",
            line.subject.span,
            context,
            helps=() if guess else (f"it checks {listed(known)}; `macs` are multiply-accumulates",),
            fix=renamed(line.subject.span, guess),
        )
        return
    if builder.altered and isinstance(line.value, tree.Number):
        # A plain number is of the network as it is written; an expression in the parameters holds for all of them.
        return
    value = evaluate(builder, line.value, context, flow)
    if value is UNKNOWN:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"`{subject}` is a number, and this is {kind_of(value)}"
        builder.report(catalogue.ARGUMENT_TYPE, message, line.value.span, context)
        return
    builder.expectations.append(Claim(line, value))


def verify_totals(builder: GraphBuilder, graph: Graph) -> None:
    """The claims about the whole network, once it stands."""
    totals: dict[str, Dim] = {"parameters": graph.parameter_count, "macs": graph.macs, "depth": graph.depth}
    claims = builder.expectations
    compared = is_near = False
    for claim in claims:
        total = totals[claim.subject]
        if isinstance(total, SymbolicDim):
            _report_symbolic(builder, claim, total)
        elif not claim.holds(total):
            comparison = None
            if builder.compare and not compared:
                # Once for all claims.
                comparison = builder.compare(graph, claims)
                compared, is_near = True, comparison is not None
            notes = (comparison.note,) if comparison else ()
            if claim.subject == "parameters" and not is_near:
                notes = (_parameters_by_part(graph),)
            place = comparison.place if comparison else None
            _report_total(builder, claim, total, notes, (place,) if place else ())


def _parameters_by_part(graph: Graph) -> str:
    """Where the parameters are, so that a wrong layer can be found by comparing with a paper or a checkpoint."""
    counts: Counter[str] = Counter()
    for parameter in graph.parameters.values():
        if parameter.trainable:
            counts[parameter.name.partition(".")[0]] += parameter.count
    shown = [f"`{part}` {count:,}" for part, count in list(counts.items())[:_MOST_PARTS]]
    if len(counts) > _MOST_PARTS:
        shown.append(f"{len(counts) - _MOST_PARTS} more parts {sum(list(counts.values())[_MOST_PARTS:]):,}")
    return f"they are: {'; '.join(shown)}" if shown else "no layer has any"


def _report_symbolic(builder: GraphBuilder, claim: Claim, total: SymbolicDim) -> None:
    builder.report(
        catalogue.EXPECTATION_UNKNOWN,
        f"`{claim.subject}` depends on the size of the input: {total}",
        claim.line.span,
        helps=("give the input a fixed size, or leave the expectation out",),
    )


def _report_total(
    builder: GraphBuilder, claim: Claim, total: int, notes: Sequence[str], secondary: Sequence[Label]
) -> None:
    relation, text = claim.line.relation, claim.text
    exact = f"{total:,}".replace(",", "_")
    short = claim.shortened(total)
    actual_text = f"{short} ({exact})" if short else exact
    builder.report(
        catalogue.EXPECTATION,
        f"`{claim.subject}` is {actual_text}, and `{relation} {text or format_value(claim.value)}` is expected",
        Label(claim.line.value.span, f"it is {actual_text}"),
        secondary=secondary,
        notes=notes,
        helps=(f"if the network is right, write `expect {claim.subject} {relation} {short or exact}`",),
        alternative=_updated(claim, relation, short or exact),
    )


def _updated(claim: Claim, relation: str, total: str) -> Fix | None:
    """The claim with the total that there is. An expression stays, as it is right for other arguments, too."""
    if not isinstance(claim.line.value, tree.Number):
        return None
    title = f"expect what the network has, `{claim.subject} {relation} {total}`"
    return Fix(title, (Edit(claim.line.value.span, total),))
