"""Specifications at random, as text, each of them valid by construction.

The generator keeps its own account of shapes and writes it down behind statements (``-> [N, 8, 4, 3]``): a text whose
account and the elaborator's differ is refused. For the operators in ``OWN_RULES`` and for all other statements it is
computed here, from their definitions. All other operators are read from the package, which a new one thereby joins:
they are called as in their examples, and the shapes of their results are what they infer.

A size of an image is kept as its value for each of the sizes that the test will run, so the same code serves fixed and
symbolic inputs: ``Image(8, (9, 12), (7, 7))`` has 8 channels and 9 or 12 rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from hypothesis import strategies as st

from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import elaborate, load_program
from resdsl.ir.dims import Dim, evaluate
from resdsl.ir.print import describe
from resdsl.ops import operators

Draw = Callable[[st.SearchStrategy[Any]], Any]

LARGEST_CHANNELS = 24
LARGEST_SIDE = 40


@dataclass(frozen=True)
class Specification:
    """``text``, and the values of the input's symbols for which it is to be run."""

    text: str
    sizes: tuple[dict[str, int], ...]


@dataclass(frozen=True)
class Image:
    """``[N, channels, rows, columns]``; ``rows`` and ``columns`` for each run."""

    channels: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Features:
    """``[N, count]``; ``None`` where the count depends on the size of the input."""

    count: int | None


Value = Image | Features


@dataclass(frozen=True)
class Block:
    """A block that takes any image: its text, and what it gives for a width and a stride."""

    name: str
    text: str
    channels: Callable[[int, int], int]
    """Channels of the result, from the width passed and the channels that enter."""
    parameters: frozenset[str]
    strided: bool


@dataclass(frozen=True)
class Around:
    """What a statement has around it: how deep it stands, and the blocks and taps that it may use."""

    depth: int
    blocks: list[Block]
    taps: dict[str, Value]

    def inside(self) -> Around:
        return replace(self, depth=self.depth + 1)


Made = tuple[list[str], Value] | None
"""Lines and the value after them; ``None`` where the statement cannot be applied."""


@dataclass
class Writer:
    """A text under construction."""

    draw: Draw
    fixed: bool
    lines: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    consts: dict[str, int] = field(default_factory=dict)

    def pick(self, *values: Any) -> Any:
        return self.draw(st.sampled_from(values))

    def chance(self, percent: int) -> bool:
        # Shrinks towards false.
        return bool(self.draw(st.integers(0, 99)) >= 100 - percent)

    def whole(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def name(self, stem: str) -> str:
        name = f"{stem}{len(self.used)}"
        self.used.add(name)
        return name

    def number(self, value: int, channels: int | None = None) -> str:
        """An integer, written in one of several forms."""
        same = [name for name, other in self.consts.items() if other == value]
        ways = [str(value)] * 4 + same
        if value == channels:
            ways += ["channels"] * 2
        if channels and value and value % channels == 0:
            ways.append(f"channels * {value // channels}")
        if channels and value and channels % value == 0:
            ways.append(f"channels // {channels // value}")
        ways += [f"({value} + 0)", f"{2 * value + 1} // 2", f"min({value}, {value + 3})", f"[0, {value}][1]"]
        ways += [f"{value} if 1 < 2 else 7", f"round({value}.2)", f"{value + 5} - 5", f"len([{'1, ' * value}])"]
        return str(self.pick(*ways))

    def size(self, height: int, width: int) -> str:
        if height == width and self.chance(50):
            return self.number(height)
        return f"{height}x{width}"


# --- the sizes that windows give --------------------------------------------------------------------------------------


def places(size: int, before: int, after: int, reach: int, stride: int) -> int:
    return (size + before + after - reach) // stride + 1


def ceil_places(size: int, before: int, after: int, reach: int, stride: int) -> int:
    """PyTorch's ``pooling_output_shape`` with ``ceil_mode``."""
    found = -(-(size + before + after - reach) // stride) + 1
    return found - 1 if (found - 1) * stride >= size + before else found


def same_padding(size: int, reach: int, stride: int) -> tuple[int, int]:
    """TensorFlow's ``SAME``."""
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


@dataclass(frozen=True)
class Axis:
    kernel: int
    stride: int
    dilation: int

    @property
    def reach(self) -> int:
        return self.dilation * (self.kernel - 1) + 1


def windowed(w: Writer, image: Image, *, pool: bool, dilated: bool) -> tuple[str, Image] | None:
    """The arguments of a window after its kernel (``stride = 2, pad = same``), with the kernel first; what it gives."""
    first, second = (
        Axis(w.whole(1, 4), w.pick(1, 1, 1, 2, 3), w.pick(1, 1, 1, 2, 3) if dilated else 1) for _ in range(2)
    )
    axes = [first, first if w.chance(60) else second]
    pad = w.pick("half", "half", "half", "valid", "same", "number", "size", "sides")
    ceil = pool and w.chance(30)
    sides: list[list[tuple[int, int]]]
    text = ""
    if pad in ("half", "valid"):
        amounts = [axis.dilation * (axis.kernel - 1) // 2 if pad == "half" else 0 for axis in axes]
        sides = [[(amount, amount)] * len(image.rows) for amount in amounts]
        text = "" if pad == "half" and w.chance(70) else f", pad = {pad}"
    elif pad == "same":
        if not w.fixed and any(axis.stride > 1 and axis.reach > 1 for axis in axes):
            return None
        sides = [
            [same_padding(size, axis.reach, axis.stride) for size in sizes]
            for axis, sizes in zip(axes, (image.rows, image.columns), strict=True)
        ]
        text = ", pad = same"
    else:
        most = [axis.reach - 1 if pool else axis.reach + 1 for axis in axes]
        if pad == "number":
            amount = w.whole(0, max(0, min(most)))
            numbers = (amount, amount, amount, amount)
            text = f", pad = {w.number(amount)}"
        elif pad == "size":
            vertical, horizontal = (w.whole(0, max(0, one)) for one in most)
            numbers = (vertical, horizontal, vertical, horizontal)
            text = f", pad = {vertical}x{horizontal}"
        else:
            numbers = tuple(w.whole(0, max(0, most[place % 2])) for place in range(4))
            text = f", pad = [{', '.join(map(str, numbers))}]"
        sides = [[(numbers[0], numbers[2])] * len(image.rows), [(numbers[1], numbers[3])] * len(image.rows)]
    found = []
    for axis, sizes, around in zip(axes, (image.rows, image.columns), sides, strict=True):
        line = []
        for size, (before, after) in zip(sizes, around, strict=True):
            if size + before + after < axis.reach:
                return None
            if pool and _steps_over(axis, size, before, after, ceil=ceil):
                return None
            line.append((ceil_places if ceil else places)(size, before, after, axis.reach, axis.stride))
        found.append(tuple(line))
    strides = (axes[0].stride, axes[1].stride)
    dilations = (axes[0].dilation, axes[1].dilation)
    if strides != (1, 1):
        text += f", stride = {w.size(*strides)}"
    if dilations != (1, 1):
        text += f", dilation = {w.size(*dilations)}"
    if ceil:
        text += ", ceil = true"
    kernel = w.size(axes[0].kernel, axes[1].kernel)
    return kernel + text, replace(image, rows=found[0], columns=found[1])


def _steps_over(axis: Axis, size: int, before: int, after: int, *, ceil: bool) -> bool:
    """Whether some window of a pool has no pixel of the input in it: what it gives is then defined by nobody."""
    if max(before, after) >= axis.reach:
        return True
    count = (ceil_places if ceil else places)(size, before, after, axis.reach, axis.stride)
    starts = (place * axis.stride - before for place in range(count))
    return any(not any(0 <= start + point * axis.dilation < size for point in range(axis.kernel)) for start in starts)


# --- statements -------------------------------------------------------------------------------------------------------

OWN_RULES = frozenset({"avgpool", "channel_shuffle", "conv", "flatten", "linear", "maxpool", "pad", "upsample"})

Shape = tuple[int | str, ...]


@cache
def other_calls() -> tuple[str, ...]:
    """Calls of all other operators: those of their examples."""
    others = [operator for name, operator in operators().items() if name not in OWN_RULES]
    return tuple(dict.fromkeys(example.text for operator in others for example in operator.examples))


@cache
def applied(text: str, shape: Shape) -> tuple[str, tuple[Dim, ...]] | None:
    """A call as it is to be written for a value of this shape, and the result's; ``None`` where it is refused."""
    dims = ", ".join(map(str, shape))
    source = Source("call.res", f"model net() {{\n  input x: f32[{dims}]\n  {text}\n  output y\n}}\n")
    diagnostics = Diagnostics()
    graph = elaborate(load_program(source, diagnostics), diagnostics)
    if graph is None:
        return None
    node = graph.nodes[-1]
    operator: Any = node.operator
    if hasattr(operator, "eps") and all(parameter.trainable for parameter in graph.parameters.values()):
        # It divides by statistics of its input. Of an image that is constant but for rounding it would make a random
        # one; this keeps the rounding as small as it is.
        operator = replace(operator, eps=1.0)
    return describe(operator), node.type.shape


@cache
def keeping_calls(shape: Shape) -> tuple[str, ...]:
    """Calls that take values of this shape and keep it."""
    found = [applied(text, shape) for text in other_calls()]
    return tuple(one[0] for one in found if one is not None and tuple(map(str, one[1])) == tuple(map(str, shape)))


def keeping_call(w: Writer, value: Value) -> str:
    if isinstance(value, Features):
        return str(w.pick(*keeping_calls(("N", value.count or "F"))))
    return str(w.pick(*keeping_calls(("N", value.channels, "H", "W"))))


def other_call(w: Writer, image: Image) -> tuple[str, Image] | None:
    """A call of any other operator that takes an image of these sizes and gives one."""
    sides: tuple[int | str, int | str] = (image.rows[0], image.columns[0]) if w.fixed else ("H", "W")
    found = applied(w.pick(*other_calls()), ("N", image.channels, *sides))
    if found is None or len(found[1]) != 4:
        return None
    text, (_, channels, rows, columns) = found
    runs = [{"H": high, "W": wide} for high, wide in zip(image.rows, image.columns, strict=True)]
    if any(applied(text, ("N", image.channels, run["H"], run["W"])) is None for run in runs):
        return None  # too small an image for what it would take from it
    assert isinstance(channels, int)
    result = Image(channels, tuple(evaluate(rows, run) for run in runs), tuple(evaluate(columns, run) for run in runs))
    return (text, result) if min(*result.rows, *result.columns) > 0 else None


def divisors(number: int, *others: int) -> list[int]:
    shared = math.gcd(number, *others)
    return [candidate for candidate in range(1, shared + 1) if shared % candidate == 0]


def operator(w: Writer, value: Value) -> tuple[str, Value]:
    """A call of an operator that takes the value, and what it gives."""
    if isinstance(value, Features):
        choices = ["anywhere"] + (["linear", "shuffle"] if value.count else [])
        match w.pick(*choices):
            case "linear":
                count = w.whole(1, 9)
                bias = w.pick("", ", bias = false", ", bias = true")
                return f"linear({w.number(count)}{bias})", Features(count)
            case "shuffle":
                return f"channel_shuffle({w.pick(*divisors(value.count or 1))})", value
            case _:
                return keeping_call(w, value), value
    kinds = ["conv"] * 5 + ["maxpool", "avgpool", "pad", "upsample", "shuffle", "global"] + ["keeping", "other"] * 3
    for _ in range(3):
        made = _on_image(w, value, w.pick(*kinds))
        if made is not None and _is_small(made[1]):
            return made
    return keeping_call(w, value), value


def _is_small(image: Image) -> bool:
    return image.channels <= LARGEST_CHANNELS and max(*image.rows, *image.columns) <= LARGEST_SIDE


def _on_image(w: Writer, image: Image, kind: str) -> tuple[str, Image] | None:
    match kind:
        case "conv":
            channels = w.whole(1, 12)
            window = windowed(w, image, pool=False, dilated=True)
            if window is None:
                return None
            arguments, result = window
            groups = w.pick(*divisors(image.channels, channels))
            text = f"conv({w.number(channels, image.channels)}, {arguments}"
            text += f", groups = {w.number(groups, image.channels)}" if groups > 1 else ""
            text += w.pick("", "", ", bias = true", ", bias = false")
            return text + ")", replace(result, channels=channels)
        case "maxpool" | "avgpool":
            window = windowed(w, image, pool=True, dilated=kind == "maxpool")
            if window is None:
                return None
            counted = ", count_pad = false" if kind == "avgpool" and w.chance(40) else ""
            return f"{kind}({window[0]}{counted})", window[1]
        case "pad":
            top, left, bottom, right, before, after = (w.whole(0, 2) for _ in range(6))
            value = w.pick("", ", value = 1.5", ", value = -2")
            result = Image(
                image.channels + before + after,
                tuple(size + top + bottom for size in image.rows),
                tuple(size + left + right for size in image.columns),
            )
            return f"pad([{top}, {left}, {bottom}, {right}], before = {before}, after = {after}{value})", result
        case "upsample":
            height, width = w.whole(1, 3), w.whole(1, 3)
            mode = w.pick("", ", mode = nearest", ", mode = bilinear", ", mode = bilinear, align_corners = true")
            rows = tuple(size * height for size in image.rows)
            columns = tuple(size * width for size in image.columns)
            return f"upsample({w.size(height, width)}{mode})", Image(image.channels, rows, columns)
        case "shuffle":
            return f"channel_shuffle({w.number(w.pick(*divisors(image.channels)), image.channels)})", image
        case "global":
            return f"{w.pick('avgpool', 'maxpool')}(global)", _pooled(image)
        case "other":
            return other_call(w, image)
        case _:
            return keeping_call(w, image), image


def _pooled(image: Image) -> Image:
    ones = (1,) * len(image.rows)
    return Image(image.channels, ones, ones)


def shape_text(w: Writer, value: Value) -> str:
    """The shape as a promise. Sizes that the input's symbols decide are left open."""
    if isinstance(value, Features):
        return f"[N, {'_' if value.count is None else value.count}]"
    sizes = [str(sizes[0]) if w.fixed else "_" for sizes in (value.rows, value.columns)]
    return f"[{w.pick('N', 'N', '_')}, {w.pick(value.channels, value.channels, '_')}, {', '.join(sizes)}]"


def keeping(w: Writer, value: Value, depth: int) -> str:
    """Statements of one line that keep the shape of a value."""
    if isinstance(value, Features):
        parts = [w.pick("relu", "tanh", "scale(0.5)", "softmax") for _ in range(w.whole(1, 2))]
        if value.count:
            parts.append(f"linear({w.number(value.count)})")
        return ";  ".join(parts)
    parts = []
    for _ in range(w.whole(1, 3)):
        kind = w.pick("op", "op", "conv", "conv", "mix", "residual") if depth < 3 else w.pick("op", "conv")
        if kind == "op":
            parts.append(keeping_call(w, value))
        elif kind == "conv":
            kernel = w.pick("1x1", "3x3", "3", "1x5", "5x3")
            dilation = w.pick("", "", ", dilation = 2")
            parts.append(f"conv({w.number(value.channels, value.channels)}, {kernel}{dilation})")
        elif kind == "mix":
            join = w.pick("add", "mean", "mul")
            parts.append(f"{join} {{ {keeping(w, value, depth + 1)};  identity }}" if w.chance(50) else gate(w, value))
        else:
            scale = w.pick("", "(scale = 0.2)", "(0.5)", "(scale = 1)", "(scale = -1)")
            shortcut = w.pick("", " shortcut identity", " shortcut none", " shortcut pad", " shortcut { relu }")
            parts.append(f"residual{scale} {{ {keeping(w, value, depth + 1)} }}{shortcut}")
    return ";  ".join(parts)


def gate(w: Writer, image: Image) -> str:
    """Squeeze and excitation, or a gate of pixels."""
    if w.chance(50):
        return f"mul {{ identity;  {{ avgpool(global);  conv({image.channels}, 1x1, bias = true);  sigmoid }} }}"
    return "mul { { conv(1, 3x3);  sigmoid };  identity }"


def statement(w: Writer, value: Value, around: Around) -> tuple[list[str], Value]:
    """Some lines of a model's body and the value after them."""
    kinds = ["operator"] * 6 + ["keeping", "loop", "choice", "group", "repeat_op", "tap"]
    if around.taps:
        kinds += ["from", "from"]
    if isinstance(value, Image):
        kinds += ["concat", "concat", "residual", "residual", "mul"]
        kinds += ["block", "block", "stage", "stage", "repeat"] if around.blocks else []
        kinds += ["flatten"]
    kind = w.pick(*kinds)
    made = STATEMENTS[kind](w, value, around)
    if made is None or (isinstance(made[1], Image) and not _is_small(made[1])):
        text, value = operator(w, value)
        return [label(w, text)], value
    return made


def label(w: Writer, text: str) -> str:
    return f"{w.name('l')}{w.pick('', '', '.a', '.0')}: {text}" if w.chance(40) else text


def _operator(w: Writer, value: Value, *_: Any) -> Made:
    text, result = operator(w, value)
    promise = f" -> {shape_text(w, result)}" if w.chance(50) else ""
    return [label(w, text) + promise], result


def _keeping(w: Writer, value: Value, *_: Any) -> Made:
    return [f"{w.name('g')}: {{ {keeping(w, value, 1)} }} -> {shape_text(w, value)}"], value


def _loop(w: Writer, value: Value, *_: Any) -> Made:
    first, count = w.whole(0, 3), w.whole(0, 3)
    variable = w.pick("i", "j", "x")
    inner = keeping(w, value, 2)
    stem = w.name("it")
    holes = w.pick(f"{{{variable}}}", f"{{{variable} + 1}}", f".{{{variable}}}.a")
    return [f"for {variable} in {first}..{first + count - 1} {{ {stem}{holes}: {{ {inner} }} }}"], value


def _choice(w: Writer, value: Value, *_: Any) -> Made:
    condition, holds = w.pick(("1 + 1 == 2", True), ("true and not true", False), ("3 // 2 > 1 or 2x3 == 2x3", True))
    kept = keeping(w, value, 2)
    text, result = operator(w, value)
    then, otherwise, after = (text, kept, result) if holds else (kept, text, result)
    return [f"if {condition} {{ {then} }} else {{ {otherwise} }}"], after


def _group(w: Writer, value: Value, around: Around) -> Made:
    head = w.pick("", f"{w.name('g')}: ")
    inner, result = body(w, value, w.whole(1, 3), around.inside())
    return [f"{head}{{", *inner, "}" + (f" -> {shape_text(w, result)}" if w.chance(30) else "")], result


def _repeat_op(w: Writer, value: Value, *_: Any) -> Made:
    count = w.whole(0, 3)
    return [f"{w.name('r')}: {w.pick(str(count), f'({count} + 0)')} x {w.pick('relu', 'tanh', 'scale(0.5)')}"], value


def _tap(w: Writer, value: Value, around: Around) -> Made:
    name = w.name("t")
    around.taps[name] = value
    return [f"tap {name}"], value


def _from(w: Writer, value: Value, around: Around) -> Made:
    name = w.pick(*around.taps)
    if around.taps[name] == value and w.fixed:
        return [f"{w.pick('add', 'mean', 'mul')} {{ identity;  from {name} {{ relu }} }}"], value
    text, result = operator(w, around.taps[name])
    return [f"from {name} {{ {text} }}"], result


def _concat(w: Writer, value: Value, *_: Any) -> Made:
    assert isinstance(value, Image)
    branches, channels = [], 0
    for _ in range(w.whole(1, 3)):
        match w.pick("identity", "conv", "keeping", "pool"):
            case "identity":
                branches.append("identity")
                channels += value.channels
            case "conv":
                width = w.whole(1, 6)
                branches.append(label(w, f"conv({width}, {w.pick('1x1', '3x3', '1x3')})"))
                channels += width
            case "pool":
                branches.append(w.pick("maxpool(3x3)", "avgpool(3x3)", "avgpool(3x3, count_pad = false)"))
                channels += value.channels
            case _:
                branches.append(f"{{ {keeping(w, value, 2)} }}")
                channels += value.channels
    return ["concat {", *branches, "}"], replace(value, channels=channels)


def _mul(w: Writer, value: Value, *_: Any) -> Made:
    assert isinstance(value, Image)
    return [gate(w, value)], value


def strided(image: Image, stride: int) -> Image:
    """What an odd kernel with half padding gives."""
    return Image(
        image.channels,
        tuple((size - 1) // stride + 1 for size in image.rows),
        tuple((size - 1) // stride + 1 for size in image.columns),
    )


def _residual(w: Writer, value: Value, *_: Any) -> Made:
    """A residual that changes the shape, with a shortcut that can follow."""
    assert isinstance(value, Image)
    stride = w.pick(1, 2, 2, 3)
    kind = w.pick("pad", "pad(zeros = both)", "pad(zeros = end)", "projection", "projection_always", "", "none")
    channels = value.channels + w.whole(0, 5) if kind.startswith("pad") else w.whole(1, 9)
    kernel = w.pick("1x1", "3x3", "5x5")
    main = f"conv({channels}, {kernel}, stride = {stride});  {w.pick('bn', 'relu', 'identity')}"
    result = replace(strided(value, stride), channels=channels)
    projection = f"{{ conv({channels}, 1x1, stride = {stride}) }}"
    if kind == "":
        shortcut = f" shortcut {{ maxpool(1x1, stride = {stride});  conv({channels}, 3x3) }}"
    elif kind.startswith("projection"):
        shortcut = f" shortcut {kind} {projection}"
    else:
        shortcut = f" shortcut {kind}"
    scale = w.pick("", "", "(scale = 0.3)")
    tail = f" -> {shape_text(w, result)}" if w.chance(40) else ""
    return [f"residual{scale} {{", main, "}" + shortcut + tail], result


def _flatten(w: Writer, value: Value, *_: Any) -> Made:
    assert isinstance(value, Image)
    if w.chance(50):
        return ["avgpool(global);  flatten"], Features(value.channels)
    count = value.channels * value.rows[0] * value.columns[0] if w.fixed else None
    if set(value.rows) | set(value.columns) == {1}:
        # Global pooling and the like: known after all, unless the ones are a symbol's.
        return None
    return ["flatten"], Features(count)


# --- blocks -----------------------------------------------------------------------------------------------------------


def block(w: Writer) -> Block:
    """A block that takes every image, with as many channels as the call asks for."""
    name = w.name("block_")
    factor = w.pick(1, 1, 2)
    style = w.pick("plain", "residual", "dense", "preactivation")
    act = w.pick("relu", "silu", "act", "elu(0.3)")
    kernel = w.pick("1x1", "3x3", "kernel", "kernel")
    head = ["width", "stride = 1"]
    parameters = {"width", "stride"}
    if act == "act":
        head.append("act: block = relu")
        parameters.add("act")
    if kernel == "kernel":
        head.append(f"kernel: size = {w.pick('3x3', '1', '5x3')}")
        parameters.add("kernel")
    where = "stride_in" if w.chance(50) else ""
    first, second = "stride", "1"
    if where:
        head.append(f"stride_in: {{conv1, conv2}} = {w.pick('conv1', 'conv2')}")
        parameters.add("stride_in")
        first, second = "stride if stride_in == conv1 else 1", "stride if stride_in == conv2 else 1"
    lines: list[str] = []
    convs = [
        f"conv1: conv(width, {kernel}, stride = {first});  bn1: bn;  {act}",
        f"conv2: conv({factor} * width, 3x3, stride = {second})",
    ]
    if style == "plain":
        lines = convs
    elif style == "residual":
        head.append(f"skip: shortcut = {w.pick('projection', 'projection_always')}")
        parameters.add("skip")
        down = f"downsample: {{ conv({factor} * width, 1x1, stride = stride);  bn }}"
        lines = ["residual {", *convs, f"}} shortcut skip {{ {down} }}", act]
    elif style == "dense":
        lines = ["concat {", "identity", f"{{ norm: bn;  {act};  conv: conv(width, {kernel}) }}", "}"]
    else:
        down = f"from preact {{ downsample.conv: conv({factor} * width, 1x1, stride = stride) }}"
        lines = ["residual {", f"norm1: bn;  {act};  tap preact", *convs, f"}} shortcut projection {{ {down} }}"]
    dense = style == "dense"
    if dense:
        head = [one for one in head if not one.startswith(("stride", "stride_in"))]
        parameters -= {"stride", "stride_in"}

    def result(width: int, before: int) -> int:
        return before + width if dense else factor * width

    text = "\n".join([f"block {name}({', '.join(head)}) {{", *(f"  {line}" for line in lines), "}", ""])
    return Block(name, text, result, frozenset(parameters), not dense)


def _arguments(w: Writer, chosen: Block, image: Image) -> tuple[str, Image]:
    width = w.whole(1, 6)
    stride = w.pick(1, 2) if chosen.strided else 1
    given = [w.number(width, image.channels)]
    if stride != 1:
        given.append(f"stride = {stride}")
    if "act" in chosen.parameters and w.chance(50):
        given.append(f"act = {w.pick('tanh', 'silu', 'bn')}")
    if "kernel" in chosen.parameters and w.chance(50):
        given.append(f"kernel = {w.pick('1x1', '3', '3x5')}")
    if "stride_in" in chosen.parameters and w.chance(50):
        given.append(f"stride_in = {w.pick('conv1', 'conv2')}")
    if "skip" in chosen.parameters and w.chance(30):
        given.append("skip = projection_always")
    result = replace(strided(image, stride), channels=chosen.channels(width, image.channels))
    return f"{chosen.name}({', '.join(given)})", result


def _block(w: Writer, value: Value, around: Around) -> Made:
    assert isinstance(value, Image)
    text, result = _arguments(w, w.pick(*around.blocks), value)
    return [label(w, text) + (f" -> {shape_text(w, result)}" if w.chance(50) else "")], result


def _repeated(w: Writer, chosen: Block, image: Image, stride: int) -> tuple[str, Image]:
    count = w.whole(1, 2)
    # A number alone: what is written in terms of the channels that enter would change from pass to pass.
    width = w.whole(1, 5)
    image = strided(image, stride)
    for _ in range(count):
        image = replace(image, channels=chosen.channels(width, image.channels))
    return f"{count} x {chosen.name}({width})", image


def _repeat(w: Writer, value: Value, around: Around) -> Made:
    assert isinstance(value, Image)
    text, result = _repeated(w, w.pick(*around.blocks), value, 1)
    return [f"{w.name('r')}: {text}"], result


def _stage(w: Writer, value: Value, around: Around) -> Made:
    assert isinstance(value, Image)
    chosen = w.pick(*around.blocks)
    stride = w.pick(1, 2) if chosen.strided else 1
    text, result = _repeated(w, chosen, value, stride)
    arguments = f"(stride = {stride})" if stride != 1 or (chosen.strided and w.chance(30)) else ""
    return [f"stage {w.name('s')}{arguments} {{ {text} }} -> {shape_text(w, result)}"], result


STATEMENTS: dict[str, Callable[..., Made]] = {
    "operator": _operator,
    "keeping": _keeping,
    "loop": _loop,
    "choice": _choice,
    "group": _group,
    "repeat_op": _repeat_op,
    "tap": _tap,
    "from": _from,
    "concat": _concat,
    "mul": _mul,
    "residual": _residual,
    "flatten": _flatten,
    "block": _block,
    "repeat": _repeat,
    "stage": _stage,
}


# --- the whole --------------------------------------------------------------------------------------------------------


def body(w: Writer, value: Value, count: int, around: Around) -> tuple[list[str], Value]:
    lines: list[str] = []
    for _ in range(count):
        more, value = statement(w, value, around) if around.depth < 3 else _plain(w, value)
        lines += more
    return lines, value


def _plain(w: Writer, value: Value) -> tuple[list[str], Value]:
    text, value = operator(w, value)
    return [text], value


@st.composite
def specifications(draw: Draw) -> Specification:
    """A file with one model and the blocks that it may use."""
    w = Writer(draw, fixed=bool(draw(st.booleans())))
    for value in draw(st.lists(st.integers(1, 8), max_size=2)):
        w.consts[w.name("width")] = value
    blocks = [block(w) for _ in range(w.whole(0, 2))]
    channels = w.whole(1, 6)
    sides = [(w.whole(5, 14), w.whole(5, 14)) for _ in range(1 if w.fixed else 2)]
    batches = (1, 2)
    value: Value = Image(channels, tuple(side[0] for side in sides), tuple(side[1] for side in sides))
    if w.fixed:
        size = f"{sides[0][0]}, {sides[0][1]}"
        sizes = tuple({"N": batch} for batch in batches)
    else:
        size = "H, W"
        sizes = tuple({"N": n, "H": h, "W": v} for n, (h, v) in zip(batches, sides, strict=True))
    lines = [f"input image: f32[N, {channels}, {size}]"]
    defaults = ("default bn(eps = 1e-3)", "default conv(bias = true)", "default leaky_relu(slope = 0.3)")
    lines += [one for one in defaults if w.chance(15)]
    around = Around(0, blocks, {})
    ensemble = w.chance(15)
    if ensemble:
        lines.append("tap everything")
    for number in range(w.whole(1, 3)):
        more, value = body(w, value, w.whole(1, 4), around)
        lines += more
        if number == 0 or w.chance(60):
            lines.append(f"output {w.pick('relu', 'conv', 'out')}{number if number else ''}")
    if not lines[-1].startswith("output"):
        lines.append("output last")
    models = []
    if ensemble:
        lines += ["from everything { mean { first: member(2);  second: member(width = 3) } }", "output ensemble"]
        models = [
            f"model member(width: int, classes = {w.whole(1, 4)}) {{",
            f"  input x: f32[N, {channels}, H, W]",
            "  conv1: conv(width, 3x3);  relu;  avgpool(global);  flatten;  fc: linear(classes)",
            "  output logits;  softmax;  output probabilities",
            "}",
            "",
        ]
    consts = [f"const {name} = {number}" for name, number in w.consts.items()]
    model = ["model net() {", *(f"  {line}" for line in lines), "}", ""]
    text = "\n".join([*consts, *(one.text for one in blocks), *models, *model])
    return Specification(text, sizes)
