"""Calls that are valid here and mean something else in PyTorch, and names and orders of other libraries."""

from __future__ import annotations

from collections.abc import Mapping

from resdsl.diagnostics import Edit, Fix, Label, catalogue
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow
from resdsl.ir.operator import Operator
from resdsl.ir.types import Size
from resdsl.ir.values import format_value
from resdsl.ops import calls
from resdsl.syntax import tree

_MANY_ROWS = 8
"""Of a kernel: from here on, a number of channels is more likely."""


def warn_of_argument_order(
    builder: GraphBuilder, operator: type[Operator], step: tree.Call, flow: Flow, context: Context
) -> None:
    """``conv(3, 64, 3)``: PyTorch's input channels, channels and kernel; here channels, kernel and stride."""
    if not operator.input_channels_first or flow is None:
        return
    given = [argument for argument in step.arguments if argument.name is None]
    if len(given) < 3:
        return
    first, second, third = (argument.value for argument in given[:3])
    numbers = isinstance(first, tree.Number) and isinstance(second, tree.Number) and isinstance(second.value, int)
    if not numbers or not isinstance(third, tree.Number | tree.SizeLiteral):
        return
    assert isinstance(first, tree.Number) and isinstance(second, tree.Number)
    if not _are_input_channels(builder, first, flow) or second.value < _MANY_ROWS:
        return
    # Without the input's channels, the arguments are in the order of the language.
    kernel = third.span.text if isinstance(third, tree.SizeLiteral) else f"{third.span.text}x{third.span.text}"
    source = step.span.source
    edits = Edit(source.span(first.span.start, second.span.start), ""), Edit(third.span, kernel)
    kept = source.text[second.span.start : third.span.start] + kernel + source.text[third.span.end : step.span.end]
    suggestion = f"write `{operator.name}({' '.join(kept.split())}`: the channels of the input are known"
    builder.report(
        catalogue.ARGUMENT_ORDER,
        f"this is a kernel of {second.span.text}x{second.span.text} with a stride of {third.span.text}",
        Label(step.span, "the arguments are in PyTorch's order"),
        context,
        helps=(suggestion,),
        fix=Fix(suggestion, edits),
    )


def warn_of_pool_stride(
    builder: GraphBuilder, pool: Operator, given: Mapping[str, object], step: tree.Call, context: Context
) -> None:
    """``maxpool(2x2)``: the stride is 1 here, and the kernel in PyTorch.

    Pools in a join keep the size for the other branches (Inception), and one with a padding was thought about.
    """
    if not pool.is_pool or context.joined or given.keys() & {"stride", "pad", "dilation"}:
        return
    if "stride" in context.frame.defaults.get(pool.name, {}):
        return
    kernel = getattr(pool, "kernel", None)
    if not isinstance(kernel, Size) or max(kernel) == 1:
        return
    builder.report(
        catalogue.POOL_STRIDE,
        "the stride of this pool is 1; in PyTorch it would be the size of the kernel",
        step.span,
        context,
        helps=(f"write `stride = {format_value(kernel, shortest=True)}`, or `stride = 1` if that is what you want",),
    )


def input_channels_help(builder: GraphBuilder, call: tree.Call | None, flow: Flow) -> tuple[str, ...]:
    """For ``bn(64)`` and ``linear(512, 10)``, where an argument is wrong: the first is not given here."""
    first = call.arguments[0] if call is not None and call.arguments else None
    if first is None or first.name is not None or not isinstance(first.value, tree.Number):
        return ()
    if not _are_input_channels(builder, first.value, flow):
        return ()
    return (f"leave out `{first.value.text}`: the channels of the input are known",)


def foreign_call(step: tree.Call) -> tuple[tuple[str, ...], Fix | None]:
    """The call of the language for an operator of another library (``global_avgpool``), as helps and fix."""
    written = calls().get(step.callee.name.lower().replace("_", ""))
    if written is None:
        return (), None
    suggestion = f"write `{written}`"
    values = [argument.value for argument in step.arguments]
    is_whole = all(isinstance(value, tree.Number) and value.value == 1 for value in values)
    if not is_whole:
        help_ = f"`{written}` is over the whole image; for parts of it, give the size of the window and a stride"
        return (help_,), None
    return (), Fix(suggestion, (Edit(step.span, written),))


def _are_input_channels(builder: GraphBuilder, value: tree.Number, flow: Flow) -> bool:
    if flow is None:
        return False
    type_ = builder.nodes[flow].type
    return type_.rank >= 2 and isinstance(value.value, int) and type_.shape[1] == value.value
