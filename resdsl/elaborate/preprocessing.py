"""``preprocess { ... }``: how an image becomes the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from resdsl.diagnostics import Label, Span, catalogue
from resdsl.diagnostics.suggest import renamed
from resdsl.elaborate.arguments import match
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.values import UNKNOWN
from resdsl.ir.dims import Dim
from resdsl.ir.preprocess import Crop, Normalize, Preprocess, Resize, Step
from resdsl.ir.types import Size, Word
from resdsl.ir.values import ArgumentMismatch, format_value, to_integer, to_number, to_word
from resdsl.syntax import tree

LARGEST_SIDE = 16_384
"""Of an image, in pixels: the runtime takes no larger ones."""

LARGEST_LABELS = 10_000_000
"""Bytes of a file of labels."""


def _pixels(value: object) -> int:
    """Both sides of a square: ``224`` or ``224x224``."""
    if isinstance(value, Size):
        if value.height != value.width:
            raise ArgumentMismatch(f"an integer from 1 to {LARGEST_SIDE:,}, or a square such as 224x224")
        value = value.height
    return to_integer(value, 1, LARGEST_SIDE)


def _scale(value: object) -> float:
    number = to_number(value)
    if number <= 0:
        raise ArgumentMismatch("a number above 0")
    return number


def _channels(value: object) -> tuple[float, ...]:
    """One number for each channel, or one for all."""
    items = value if isinstance(value, tuple) else (value,)
    try:
        numbers = tuple(to_number(item) for item in items)
    except ArgumentMismatch:
        numbers = ()
    if not numbers:
        raise ArgumentMismatch("a list of numbers, one for each channel")
    return numbers


def _deviations(value: object) -> tuple[float, ...]:
    items = _channels(value)
    if min(items) <= 0:
        raise ArgumentMismatch("a list of numbers above 0")
    return items


def _word(words: tuple[str, ...]) -> Callable[[object], str]:
    check = to_word(words)
    return lambda value: str(check(Word(value) if isinstance(value, str) else value))


INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
FITS = ("short", "exact")
ORDERS = ("rgb", "bgr")

STEPS: Mapping[str, tuple[Callable[..., Step], Mapping[str, Callable[[object], object]], tuple[str, ...]]] = {
    "resize": (
        Resize,
        {"size": _pixels, "interpolation": _word(INTERPOLATIONS), "fit": _word(FITS)},
        ("size",),
    ),
    "crop": (Crop, {"size": _pixels}, ("size",)),
    "normalize": (
        Normalize,
        {"mean": _channels, "std": _deviations, "scale": _scale, "order": _word(ORDERS)},
        ("mean", "std"),
    ),
}
"""What each step makes, its arguments in order, and which of them are required."""

WORDS = {"interpolation": INTERPOLATIONS, "fit": FITS, "order": ORDERS}


def preprocess(builder: GraphBuilder, block: tree.Preprocess, context: Context) -> Preprocess:
    """The steps from an image to the input; a step with an error is reported and left out."""
    steps = [_step(builder, call, context) for call in block.steps]
    if None not in steps and builder.nodes:
        _verify_steps(builder, block.steps, cast("list[Step]", steps), context)
    return Preprocess(tuple(step for step in steps if step is not None))


def _verify_steps(builder: GraphBuilder, calls: Sequence[tree.Call], steps: Sequence[Step], context: Context) -> None:
    """Whether the steps make the input of the model from any image."""
    input_ = builder.nodes[0]
    for call, step in zip(calls, steps, strict=True):
        if not isinstance(step, Normalize):
            continue
        if step is not steps[-1]:
            message = "`normalize` is the last step: the others work on pixels"
            builder.report(catalogue.PREPROCESS, message, call.span, context, helps=("move it to the end",))
        _verify_normalize(builder, call, step, context)
    shape = input_.type.shape
    side = _output_side(steps)
    if builder.claims and side is not None and len(shape) == 4 and not _fits(shape[2:], side):
        builder.report(
            catalogue.PREPROCESS,
            f"preprocessing makes images of {side} x {side}, and the input is {shape[2]} x {shape[3]}",
            Label(calls[-1].span if not isinstance(steps[-1], Normalize) else calls[-2].span, f"{side} x {side}"),
            context,
            secondary=(Label(input_.span, f"the input is {input_.type}"),),
            helps=("give both the same size",),
        )


def _fits(sides: Sequence[Dim], side: int) -> bool:
    return all(not isinstance(one, int) or one == side for one in sides)


def _output_side(steps: Sequence[Step]) -> int | None:
    """The sides of what the steps make, or ``None`` where that depends on the image."""
    side: int | None = None
    for step in steps:
        if isinstance(step, Crop) or (isinstance(step, Resize) and (step.fit == "exact" or side is not None)):
            side = step.size
        elif isinstance(step, Resize):
            side = None
    return side


def _verify_normalize(builder: GraphBuilder, call: tree.Call, step: Normalize, context: Context) -> None:
    type_ = builder.nodes[0].type
    channels = type_.shape[1] if type_.rank > 1 else None
    for name, values in (("mean", step.mean), ("std", step.std)):
        if isinstance(channels, int) and len(values) not in (1, channels):
            builder.report(
                catalogue.PREPROCESS,
                f"`{name}` has {len(values)} values, and the input has {channels} channels",
                Label(_argument(call, name), f"{len(values)} values"),
                context,
                secondary=(Label(builder.nodes[0].span, f"the input is {type_}"),),
                helps=("write one value for each channel, or one for all",),
            )
    mean, std, scale = max(step.mean), step.std[step.mean.index(max(step.mean)) % len(step.std)], step.scale
    if mean <= scale:
        return
    shown = format_value(mean).removesuffix(".0")
    deviation = format_value(std).removesuffix(".0")
    white = "pixel / 255" if scale == 1 else f"pixel * {scale:g} / 255"
    low, high = -mean / std, (scale - mean) / std
    builder.report(
        catalogue.PREPROCESS,
        f"the mean {shown} is larger than white, which is {scale:g}: every input would be negative",
        Label(_argument(call, "mean"), f"`scale` is {scale:g}"),
        context,
        notes=(
            f"as written: ({white} - {shown}) / {deviation}, from {low:.3g} to {high:.3g}",
            f"with `scale = 255`: (pixel - {shown}) / {deviation}, from {low:.3g} to {(255 - mean) / std:.3g}",
        ),
        helps=("where mean and std are for pixels from 0 to 255, write `scale = 255`; else divide both by 255",),
    )


def _argument(call: tree.Call, name: str) -> Span:
    """Where an argument of a step is written; the whole step where its name is misspelt."""
    names = tuple(STEPS[call.callee.name][1])
    written = (
        argument.span
        for position, argument in enumerate(call.arguments)
        if name == (argument.name.name if argument.name else names[position])
    )
    return next(written, call.span)


def _step(builder: GraphBuilder, call: tree.Call, context: Context) -> Step | None:
    name = call.callee.name
    if name not in STEPS:
        guess = builder.suggester.closest(name, list(STEPS))
        helps = () if guess else (f"the steps are {', '.join(f'`{step}`' for step in STEPS)}",)
        message = f"there is no preprocessing step `{name}`"
        fix = renamed(call.callee.span, guess)
        builder.report(catalogue.PREPROCESS, message, call.callee.span, context, helps=helps, fix=fix)
        return None
    make, arguments, required = STEPS[name]
    slots = match(builder, call.arguments, tuple(arguments), name, context)
    if slots is None:
        return None
    missing = [wanted for wanted in required if wanted not in slots]
    if missing:
        builder.report(
            catalogue.MISSING_ARGUMENT,
            f"`{name}` needs `{missing[0]}`",
            Label(call.span, f"`{missing[0]}` is not given"),
            context,
        )
        return None
    values: dict[str, object] = {}
    # What is read from `size` depends on `fit`.
    for argument, given in sorted(slots.items(), key=lambda slot: slot[0] == "size"):
        assert given.expression is not None
        value = evaluate(builder, given.expression, context, None, words=WORDS.get(argument, ()))
        if value is UNKNOWN:
            return None
        try:
            values[argument] = arguments[argument](value)
        except ArgumentMismatch as mismatch:
            label = f"this is {format_value(value)}"
            message = f"`{argument}` of `{name}` must be {mismatch.expected}"
            builder.report(catalogue.ARGUMENT_TYPE, message, Label(given.span, label), context)
            return None
        if name == "resize" and isinstance(value, Size) and values.setdefault("fit", "exact") != "exact":
            message = f"`resize({value})` sets both sides, and `fit = short` only one"
            builder.report(catalogue.ARGUMENT_VALUE, message, given.span, context)
            return None
    return make(**values)
