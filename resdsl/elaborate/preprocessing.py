"""``preprocess { ... }`` and ``labels``: what travels with a model beside its graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from resdsl.diagnostics import Label, Option, Text, catalogue
from resdsl.diagnostics.suggest import closest, renamed
from resdsl.elaborate.arguments import match
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.program import is_below
from resdsl.elaborate.state import Place, State
from resdsl.elaborate.values import UNKNOWN, written
from resdsl.ir.preprocess import Crop, Normalize, Preprocess, Resize, Step
from resdsl.labels import label_sets, read_labels
from resdsl.syntax import tree

LARGEST_SIDE = 100_000
LARGEST_LABELS = 10_000_000
"""Bytes of a file of labels."""


class _Wrong(Exception):
    """What an argument has to be."""


def _pixels(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_SIDE:
        raise _Wrong(f"a number of pixels from 1 to {LARGEST_SIDE:,}")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Wrong("a number")
    return float(value)


def _channels(value: object) -> tuple[float, ...]:
    items = value if isinstance(value, tuple) else (value,)
    if not items or any(isinstance(item, bool) or not isinstance(item, int | float) for item in items):
        raise _Wrong("a list of numbers, one for each channel")
    return tuple(float(item) for item in items)


def _deviations(value: object) -> tuple[float, ...]:
    items = _channels(value)
    if min(items) <= 0:
        raise _Wrong("a list of numbers above 0")
    return items


def _one_of(*words: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if str(value) not in words:
            raise _Wrong(" or ".join(", ".join(f"`{word}`" for word in words).rsplit(", ", 1)))
        return str(value)

    return check


INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
FITS = ("short", "exact")
ORDERS = ("rgb", "bgr")

STEPS: Mapping[str, tuple[Callable[..., Step], Mapping[str, Callable[[object], object]], tuple[str, ...]]] = {
    "resize": (
        Resize,
        {"size": _pixels, "interpolation": _one_of(*INTERPOLATIONS), "fit": _one_of(*FITS)},
        ("size",),
    ),
    "crop": (Crop, {"size": _pixels}, ("size",)),
    "normalize": (
        Normalize,
        {"mean": _channels, "std": _deviations, "scale": _number, "order": _one_of(*ORDERS)},
        ("mean", "std"),
    ),
}
"""What each step makes, its arguments in order, and which of them are required."""

WORDS = {"interpolation": INTERPOLATIONS, "fit": FITS, "order": ORDERS}


def preprocess(state: State, block: tree.Preprocess, place: Place) -> Preprocess:
    """The steps from an image to the input; a mistaken step is told and left out."""
    steps = [_step(state, call, place) for call in block.steps]
    return Preprocess(tuple(step for step in steps if step is not None))


def _step(state: State, call: tree.Call, place: Place) -> Step | None:
    name = call.callee.name
    if name not in STEPS:
        guess = closest(name, list(STEPS))
        helps = () if guess else (f"the steps are {', '.join(f'`{step}`' for step in STEPS)}",)
        message = f"there is no preprocessing step `{name}`"
        fix = renamed(call.callee.span, guess)
        state.report(catalogue.PREPROCESS, message, call.callee.span, place, helps=helps, fix=fix)
        return None
    make, arguments, required = STEPS[name]
    slots = match(state, call.arguments, tuple(arguments), name, place)
    if slots is None:
        return None
    missing = [wanted for wanted in required if wanted not in slots]
    if missing:
        state.report(
            catalogue.MISSING_ARGUMENT,
            f"`{name}` needs `{missing[0]}`",
            Label(call.span, f"`{missing[0]}` is not given"),
            place,
        )
        return None
    values: dict[str, object] = {}
    for argument, given in slots.items():
        assert given.expression is not None
        value = evaluate(state, given.expression, place, None, words=WORDS.get(argument, ()))
        if value is UNKNOWN:
            return None
        try:
            values[argument] = arguments[argument](value)
        except _Wrong as wrong:
            found = f"this is {written(value)}"
            message = f"`{argument}` of `{name}` must be {wrong}"
            state.report(catalogue.ARGUMENT_TYPE, message, Label(given.span, found), place)
            return None
    return make(**values)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, UnicodeDecodeError):
        return "is not text in UTF-8"
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def labels(state: State, line: tree.Labels, place: Place) -> tuple[str, ...] | None:
    """The names of the classes: a set that is shipped, or a text file beside the specification, one name a line."""
    name = line.value.value
    if name in label_sets():
        return read_labels(name)
    source = place.unit.module.source
    folder = source.path.parent if source.path else Path()
    path = folder / name
    if "/" not in name and "." not in name and not path.is_file():
        guess = closest(name, label_sets())
        helps = () if guess else (f"there are {', '.join(label_sets())}; or name a text file with one label a line",)
        fix = renamed(line.value.span, f'"{guess}"' if guess else None)
        message = f'there is no set of labels "{name}"'
        state.report(catalogue.UNKNOWN_LABELS, message, line.value.span, place, helps=helps, fix=fix)
        return None
    if not state.limits.outside and not is_below(path, folder):
        state.report(
            catalogue.USE_OUTSIDE,
            f'the labels "{name}" lie outside the folder of the specification',
            line.value.span,
            place,
            helps=(Text("move the file below that folder, or allow it with ", Option("limits", {"outside": True})),),
        )
        return None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            # Nobody may ever write into a pipe, and a device may never end.
            raise OSError(None, "it is a device or a pipe")
        if path.stat().st_size > LARGEST_LABELS:
            raise OSError(None, f"it has more than {LARGEST_LABELS:,} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        message = f'the file of labels "{name}" {_reason(error)}'
        state.report(catalogue.LABELS_NOT_FOUND, message, line.value.span, place)
        return None
    return tuple(text.splitlines())
