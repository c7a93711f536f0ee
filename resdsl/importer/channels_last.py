"""The input of a network whose images are ``[N, H, W, C]``, as TensorFlow and Keras have them."""

from __future__ import annotations

from dataclasses import replace

from resdsl.importer.draft import Draft, Value, View
from resdsl.importer.layout import layout_of, permuted
from resdsl.ops.input import Input

_BY_ELEMENT = frozenset(("Add", "Sub", "Mul", "Div", "Cast", "Identity", "Clip", "Pad", "BatchNormalization"))
_TO_CHANNELS_FIRST, TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
_MOST_STEPS = 16


def in_channel_order(draft: Draft, value: Value) -> Value | View:
    """The input as a view of an image with its channels first, where the file transposes it to that by itself.

    Nodes that compute each element alone may stand before the ``Transpose``.
    """
    shape = value.type.shape
    if not isinstance(value.operator, Input) or len(shape) != 4 or not is_transposed(draft, value.name):
        return value
    channels_first = value.type.with_shape(*(shape[axis] for axis in _TO_CHANNELS_FIRST))
    image = replace(value, operator=Input(channels_first), type=channels_first)
    draft.values[draft.values.index(value)] = image
    draft.channels_last_input = True
    return View(image, permuted(layout_of(channels_first.shape), TO_CHANNELS_LAST))


def is_transposed(draft: Draft, name: str) -> bool:
    """Whether the file itself brings the channels of this image to the front."""
    for _ in range(_MOST_STEPS):
        readers = draft.readers.get(name, [])
        if any(node.type == "Transpose" and node.integers("perm") == _TO_CHANNELS_FIRST for node in readers):
            return True
        name = next((node.outputs[0] for node in readers if node.type in _BY_ELEMENT and node.outputs), "")
    return False
