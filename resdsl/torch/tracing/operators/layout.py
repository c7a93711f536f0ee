"""Shapes, axes, parts and joins of values."""

from __future__ import annotations

from collections.abc import Sequence

from torch import fx

from resdsl.torch.tracing.call import Call, Unwritable, shape_of, writes

_LAST = 1 << 62
"""Ends of slices from here on stand for the end of the axis."""


@writes("view", "reshape", "_unsafe_view", "view_copy", "_reshape_copy")
def _reshape(call: Call) -> None:
    sizes = call.arguments["size" if "size" in call.arguments else "shape"]
    if not isinstance(sizes, Sequence):
        raise Unwritable("it changes the type of elements")
    call.result("Reshape", call.input(), call.sizes(sizes))


@writes("view_as", "reshape_as")
def _reshape_as(call: Call) -> None:
    call.result("Reshape", call.input(), call.emit("Shape", call.input("other")))


@writes("flatten")
def _flatten(call: Call) -> None:
    rank = len(call.shape)
    start, end = call.integer("start_dim") % max(1, rank), call.integer("end_dim") % max(1, rank)
    if start == end:
        call.same(call.input())
    elif (start, end) == (1, rank - 1):
        call.result("Flatten", call.input(), axis=1)
    elif end == rank - 1:
        call.result("Reshape", call.input(), call.whole(*[0] * start, -1))
    else:
        rest = [call.shape[axis] for axis in range(end + 1, rank)]
        if None in rest:
            raise Unwritable("it joins axes before one of unknown size")
        call.result("Reshape", call.input(), call.whole(*[0] * start, -1, *(int(size or 0) for size in rest)))


@writes("unflatten")
def _unflatten(call: Call) -> None:
    axis, rank = call.integer("dim") % len(call.shape), len(call.shape)
    sizes = call.integers("sizes")
    rest = [call.shape[place] for place in range(axis + 1, rank)]
    if None in rest:
        raise Unwritable("it splits an axis before one of unknown size")
    call.result("Reshape", call.input(), call.whole(*[0] * axis, *sizes, *(int(size or 0) for size in rest)))


@writes("permute")
def _permute(call: Call) -> None:
    rank = len(call.shape)
    call.result("Transpose", call.input(), perm=tuple(axis % rank for axis in call.integers("dims")))


@writes("transpose", "t", "numpy_T", "swapaxes")
def _transpose(call: Call) -> None:
    rank = len(call.shape)
    perm = list(range(rank))
    if "dim0" in call.arguments:
        first, second = call.integer("dim0") % rank, call.integer("dim1") % rank
        perm[first], perm[second] = perm[second], perm[first]
    else:
        perm.reverse()
    call.result("Transpose", call.input(), perm=tuple(perm))


@writes("squeeze")
def _squeeze(call: Call) -> None:
    rank = len(call.shape)
    given = call.integers("dim") if "dim" in call.arguments else tuple(range(rank))
    axes = [axis % rank for axis in given if call.shape[axis % rank] == 1]
    if axes:
        call.result("Squeeze", call.input(), call.whole(*axes))
    else:
        call.same(call.input())


@writes("unsqueeze")
def _unsqueeze(call: Call) -> None:
    call.result("Unsqueeze", call.input(), call.whole(call.integer("dim") % (len(call.shape) + 1)))


_BROADCASTING = frozenset(("add", "sub", "mul", "div", "add_", "sub_", "mul_", "div_"))


@writes("expand", "expand_as", "broadcast_to")
def _expand(call: Call) -> None:
    after = shape_of(call.node)
    if call.shape == after or all(_broadcasts(user, call.node, after) for user in call.node.users):
        call.same(call.input())
        return
    if "other" in call.arguments:
        call.result("Expand", call.input(), call.emit("Shape", call.input("other")))
        return
    sizes = call.arguments["size"]
    assert isinstance(sizes, Sequence)
    call.result("Expand", call.input(), call.sizes([1 if size == -1 else size for size in sizes]))


def _broadcasts(user: fx.Node, node: fx.Node, shape: tuple[int | None, ...]) -> bool:
    """Whether a reader expands the value by itself, as arithmetic with one of this shape does."""
    schema = getattr(user.target, "_schema", None)
    if schema is None or str(schema.name).partition("::")[2] not in _BROADCASTING:
        return False
    return any(isinstance(one, fx.Node) and one is not node and shape_of(one) == shape for one in user.args[:2])


@writes("repeat")
def _repeat(call: Call) -> None:
    call.result("Tile", call.input(), call.whole(*call.integers("repeats")))


@writes("cat", "concat", "concatenate")
def _cat(call: Call) -> None:
    call.result("Concat", *_values(call), axis=call.integer("dim"))


@writes("stack")
def _stack(call: Call) -> None:
    rank = len(shape_of(call.node))
    axis = call.integer("dim") % rank
    call.result("Concat", *(call.emit("Unsqueeze", one, call.whole(axis)) for one in _values(call)), axis=axis)


def _values(call: Call) -> list[str]:
    values = call.arguments["tensors"]
    assert isinstance(values, Sequence)
    # Networks begin lists with an empty tensor, which adds nothing.
    return [call.value(one) for one in values if shape_of(one) != (0,)]


@writes("split", "split_with_sizes", "chunk", "tensor_split", "unsafe_chunk", "unsafe_split")
def _split(call: Call) -> None:
    parts = call.node.meta["val"]
    axis = call.integer("dim") % len(call.shape)
    sizes = [one.shape[axis] for one in parts]
    if not all(isinstance(size, int) for size in sizes):
        raise Unwritable("its parts have unknown sizes")
    call.results("Split", len(sizes), call.input(), call.whole(*sizes), axis=axis)


@writes("unbind")
def _unbind(call: Call) -> None:
    count = len(call.node.meta["val"])
    axis = call.integer("dim") % len(call.shape)
    items = {user.args[1]: user.name for user in call.node.users}
    names = tuple(items.get(place, f"{call.node.name}:{place}") for place in range(count))
    for place, name in enumerate(names):
        call.emit("Gather", call.input(), call.place(place), outputs=(name,), axis=axis)
    call.records.names[call.node] = names


@writes("select")
def _select(call: Call) -> None:
    axis, place = call.integer("dim") % len(call.shape), call.integer("index")
    call.result("Gather", call.input(), call.place(place), axis=axis)


@writes("narrow")
def _narrow(call: Call) -> None:
    start = call.integer("start")
    _slice_of(call, call.integer("dim"), start, start + call.integer("length"), 1)


@writes("slice")
def _slice(call: Call) -> None:
    start, end = call.arguments.get("start") or 0, call.arguments.get("end")
    end = _LAST if end is None else end
    if not isinstance(start, int) or not isinstance(end, int):
        raise Unwritable("its bounds depend on the size of the input")
    _slice_of(call, call.integer("dim"), start, end, call.integer("step"))


def _slice_of(call: Call, axis: int, start: int, end: int, step: int) -> None:
    axis %= len(call.shape)
    size = call.shape[axis]
    if start == 0 and step == 1 and (end >= _LAST or (size is not None and end >= size)):
        call.same(call.input())
        return
    bounds = (call.whole(start), call.whole(end), call.whole(axis), call.whole(step))
    call.result("Slice", call.input(), *bounds)


@writes("index")
def _index(call: Call) -> None:
    places = call.arguments["indices"]
    assert isinstance(places, Sequence)
    given = [axis for axis, one in enumerate(places) if one is not None]
    if len(given) != 1:
        raise Unwritable("it takes elements from several axes at once")
    call.result("Gather", call.input(), call.value(places[given[0]]), axis=given[0])


@writes("index_select")
def _index_select(call: Call) -> None:
    call.result("Gather", call.input(), call.input("index"), axis=call.integer("dim") % len(call.shape))


@writes("channel_shuffle", "native_channel_shuffle")
def _channel_shuffle(call: Call) -> None:
    groups, channels, rest = call.integer("groups"), call.shape[1], call.shape[2:]
    if channels is None or None in rest:
        raise Unwritable("it shuffles channels of an image of unknown size")
    sizes = tuple(int(size or 0) for size in rest)
    split = call.emit("Reshape", call.input(), call.whole(0, groups, channels // groups, *sizes))
    order = call.emit("Transpose", split, perm=(0, 2, 1, *range(3, 3 + len(sizes))))
    call.result("Reshape", order, call.whole(0, channels, *sizes))


@writes("pixel_unshuffle")
def _pixel_unshuffle(call: Call) -> None:
    block = call.integer("downscale_factor")
    _, channels, height, width = call.shape
    if channels is None or height is None or width is None:
        raise Unwritable("it moves pixels of an image of unknown size")
    split = call.emit("Reshape", call.input(), call.whole(0, channels, height // block, block, width // block, block))
    order = call.emit("Transpose", split, perm=(0, 1, 3, 5, 2, 4))
    call.result("Reshape", order, call.whole(0, channels * block * block, height // block, width // block))


@writes("pixel_shuffle")
def _pixel_shuffle(call: Call) -> None:
    call.result("DepthToSpace", call.input(), blocksize=call.integer("upscale_factor"), mode="CRD")
