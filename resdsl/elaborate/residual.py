"""Residuals: a main path, a shortcut of some kind, and their sum."""

from __future__ import annotations

from typing import cast

from resdsl.diagnostics import Label, catalogue
from resdsl.elaborate.arguments import match
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.joins import join_scope
from resdsl.elaborate.parameter_kinds import shortcut_kind
from resdsl.elaborate.values import SHORTCUT_KINDS, UNKNOWN, ShortcutKind, kind_of
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Node
from resdsl.ir.operator import Operator
from resdsl.ir.types import Sides, Size, TensorType
from resdsl.ir.values import ArgumentMismatch, format_value
from resdsl.ops import joins
from resdsl.ops.maxpool import MaxPool
from resdsl.ops.pad import Pad
from resdsl.ops.scale import Scale
from resdsl.ops.signature import signature
from resdsl.syntax import tree

LARGEST_SUBSAMPLING = 64
"""Strides tried for option A's subsampling."""


def residual(builder: GraphBuilder, step: tree.Residual, flow: Flow, context: Context) -> Flow:
    """``residual(scale = 1) { main } shortcut KIND { body }``: He et al. 2015, eq. 1 and 2."""
    scale = _scale(builder, step, flow, context)
    kind = _kind(builder, step, flow, context)
    scope = join_scope("residual", step.keyword_span, flow, context)
    inner = context.inside(scope=scope)
    main = builder.run_body(builder, step.main, flow, inner)
    if main is None and step.shortcut is not None:
        # What does not depend on the shapes is checked all the same.
        builder.run_body(builder, step.shortcut, None, inner)
    if kind is None or scale is None:
        builder.poisoned = True
        return None
    scope.arguments = {"shortcut": str(kind)} if scale == 1 else {"scale": f"{scale:g}", "shortcut": str(kind)}
    if flow is None or main is None:
        return None
    if kind.kind == "none":
        scope.output = main
        return main
    shortcut = _shortcut(builder, step, kind, flow, main, inner)
    if shortcut is None:
        return None
    if scale != 1:
        scaled = builder.add(Scale(scale), (main,), context.naming.named("scale"), step, inner)
        assert isinstance(scaled, Node)
        main = scaled.index
    main_type, shortcut_type = builder.nodes[main].type, builder.nodes[shortcut].type
    if main_type != shortcut_type:
        _different(builder, step, kind, flow, main_type, shortcut_type, context)
        return None
    node = builder.add(joins()["add"](), (main, shortcut), context.naming.named("add"), step, inner)
    assert isinstance(node, Node)
    scope.output = node.index
    return node.index


def _scale(builder: GraphBuilder, step: tree.Residual, flow: Flow, context: Context) -> float | None:
    slots = match(builder, step.arguments, ("scale",), "residual", context)
    if slots is None:
        return None
    if "scale" not in slots:
        return 1.0
    given = slots["scale"]
    assert given.expression is not None
    value = evaluate(builder, given.expression, context, flow)
    if value is UNKNOWN:
        return None
    try:
        return cast("float", signature(Scale)["factor"].coerce(value))
    except ArgumentMismatch as mismatch:
        code = catalogue.ARGUMENT_VALUE if mismatch.out_of_range else catalogue.ARGUMENT_TYPE
        label = f"this is {format_value(value)}" if mismatch.out_of_range else f"this is {kind_of(value)}"
        builder.report(code, f"`scale` of a residual must be {mismatch.expected}", Label(given.span, label), context)
        return None


def _kind(builder: GraphBuilder, step: tree.Residual, flow: Flow, context: Context) -> ShortcutKind | None:
    """The kind of shortcut: as written; a body without a kind is taken always; nothing at all is the identity."""
    if step.kind is None:
        kind = ShortcutKind("identity" if step.shortcut is None else "projection_always")
    else:
        value = evaluate(builder, step.kind, context, flow, words=SHORTCUT_KINDS)
        if value is UNKNOWN:
            return None
        try:
            kind = shortcut_kind(value)
        except ArgumentMismatch as mismatch:
            message = f"`shortcut` is followed by {mismatch.expected}"
            builder.report(
                catalogue.ARGUMENT_TYPE, message, Label(step.kind.span, f"this is {kind_of(value)}"), context
            )
            return None
    if kind.kind.startswith("projection") and step.shortcut is None:
        builder.report(
            catalogue.NO_SHORTCUT_BODY,
            f"the shortcut `{kind}` has no body",
            step.shortcut_span or step.keyword_span,
            context,
            helps=(f"write what it projects with: `shortcut {kind} {{ downsample: {{ conv(...); bn }} }}`",),
        )
        return None
    return kind


def _shortcut(
    builder: GraphBuilder, step: tree.Residual, kind: ShortcutKind, flow: int, main: int, context: Context
) -> Flow:
    if kind.kind == "projection_always":
        assert step.shortcut is not None
        return builder.run_body(builder, step.shortcut, flow, context)
    if kind.kind == "identity":
        return flow
    before, after = builder.nodes[flow].type, builder.nodes[main].type
    if before == after:
        return flow
    if kind.kind == "pad":
        return _pad(builder, step, kind, flow, after, context)
    assert step.shortcut is not None
    return builder.run_body(builder, step.shortcut, flow, context)


def _pad(
    builder: GraphBuilder, step: tree.Residual, kind: ShortcutKind, flow: int, after: TensorType, context: Context
) -> Flow:
    before = builder.nodes[flow].type
    operators = option_a(before, after, kind.zeros)
    if operators is None:
        builder.report(
            catalogue.PAD_SHORTCUT,
            f"the shortcut `pad` cannot make {after} of {before}",
            Label(step.keyword_span, f"the main path gives {after}"),
            context,
            secondary=(Label(step.shortcut_span or step.keyword_span, f"the shortcut starts from {before}"),),
            helps=(
                "option A takes every s-th pixel and adds channels of zeros; `shortcut projection` can do the rest",
            ),
        )
        builder.poisoned = True
        return None
    value = flow
    for _, operator in operators:
        name = "pad" if isinstance(operator, Pad) else "subsample"
        node = builder.add(operator, (value,), context.naming.named(name), step, context)
        assert isinstance(node, Node), f"option A was built wrongly: {node}"
        value = node.index
    return value


def option_a(before: TensorType, after: TensorType, zeros: str) -> list[tuple[TensorType, Operator]] | None:
    """Option A (He et al. 2015, sec. 3.3): every s-th pixel, then zeros for the channels that are new.

    Gives the operators that make ``after`` of ``before``, and what each one takes; ``None`` where they cannot.
    """
    stride = subsampling(before, after)
    more = after.channels - before.channels if before.rank == after.rank == 4 else -1
    if stride is None or not isinstance(more, int) or more < 0:
        return None
    found: list[tuple[TensorType, Operator]] = []
    if stride != Size(1, 1):
        pool = MaxPool(kernel=Size(1, 1), stride=stride, pad=Sides(0, 0, 0, 0))
        found.append((before, pool))
        before = pool.infer(before)
    if more:
        first = more // 2 if zeros == "both" else 0
        found.append((before, Pad(Sides(0, 0, 0, 0), before=first, after=more - first)))
    return found


def subsampling(before: TensorType, after: TensorType) -> Size | None:
    """The strides with which every s-th pixel of ``before`` is as many as ``after`` has, or ``None``."""
    if before.rank != 4 or after.rank != 4:
        return None
    strides = [_stride(before.shape[axis], after.shape[axis]) for axis in (2, 3)]
    if None in strides:
        return None
    return Size(*(stride for stride in strides if stride))


def _stride(before: Dim, after: Dim) -> int | None:
    candidates = range(1, LARGEST_SUBSAMPLING + 1)
    return next((stride for stride in candidates if (before - 1) // stride + 1 == after), None)


def _different(
    builder: GraphBuilder,
    step: tree.Residual,
    kind: ShortcutKind,
    flow: int,
    main: TensorType,
    shortcut: TensorType,
    context: Context,
) -> None:
    builder.poisoned = True
    at = step.shortcut_span
    gives = f"the shortcut gives {shortcut}"
    secondary = (Label(at, gives),) if at else ()
    builder.report(
        catalogue.RESIDUAL_SHAPES,
        "the two paths of this residual have different shapes",
        Label(step.keyword_span, f"the main path gives {main}" + ("" if at else f", {gives}")),
        context,
        secondary=secondary,
        helps=_suggestions(kind, builder.nodes[flow].type, main, shortcut),
    )


def _suggestions(kind: ShortcutKind, before: TensorType, main: TensorType, shortcut: TensorType) -> tuple[str, ...]:
    if main.rank != 4 or shortcut.rank != 4:
        return (f"the main path has {main.rank} dimensions, the shortcut {shortcut.rank}: a residual keeps them",)
    facts: list[str] = []
    if main.channels != shortcut.channels:
        facts.append(f"channels {shortcut.channels} -> {main.channels}")
    stride = subsampling(shortcut, main)
    if stride is not None and stride != Size(1, 1):
        facts.append(f"stride {stride.height if stride.height == stride.width else stride}")
    elif main.shape[2:] != shortcut.shape[2:]:
        sizes = [f"{type_.shape[2]} x {type_.shape[3]}" for type_ in (shortcut, main)]
        facts.append(f"size {sizes[0]} -> {sizes[1]}")
    change = ", ".join(facts)
    if kind.kind == "identity" and stride is not None:
        channels = (before.channels, main.channels)
        widens = isinstance(channels[0], int) and isinstance(channels[1], int) and channels[0] <= channels[1]
        option_a = " or `shortcut pad` (option A)" if widens else ""
        return (f"{change}: write `shortcut projection {{ ... }}` (option B){option_a}",)
    if kind.kind == "identity":
        return (f"{change}: pad the main path so that it keeps the size, or write `shortcut projection {{ ... }}`",)
    return (f"{change}: the shortcut's own layers must bridge this",)
