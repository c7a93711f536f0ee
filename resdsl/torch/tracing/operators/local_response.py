"""Local response normalisation, which PyTorch spells out: ``x / (k + alpha * mean(x * x over neighbours)) ** beta``.

The mean is an ``avg_pool`` over the channels as an axis of pixels, between changes of the shape and a ``pad``.
"""

from __future__ import annotations

from torch import fx

from resdsl.torch.tracing.call import Call

_BETWEEN = frozenset(("view", "reshape", "squeeze", "unsqueeze", "pad", "constant_pad_nd"))


def local_response(call: Call, value: object, divisor: object) -> bool:
    """Write a division as local response normalisation if it is one."""
    power = _called(divisor, "pow")
    total = _called(power and power.args[0], "add")
    scaled = _called(total and total.args[0], "mul")
    if not isinstance(value, fx.Node) or power is None or total is None or scaled is None:
        return False
    pool, padding = None, None
    node = scaled.args[0]
    while isinstance(node, fx.Node) and (name := _name(node)) in _BETWEEN | {"avg_pool2d", "avg_pool3d"}:
        if name.startswith("avg_pool"):
            pool = node
        elif name in ("pad", "constant_pad_nd"):
            padding = node
        node = node.args[0]
    square = _called(node, "mul")
    numbers = (power.args[1], total.args[1], scaled.args[1])
    if pool is None or padding is None or square is None or square.args[:2] != (value, value):
        return False
    if not all(isinstance(number, int | float) for number in numbers):
        return False
    beta, k, alpha = (float(number) for number in numbers)
    size, *others = pool.args[1]
    if set(others) != {1} or tuple(padding.args[1])[-2:] != (size // 2, (size - 1) // 2):
        return False
    call.result("LRN", call.value(value), size=size, alpha=alpha, beta=beta, bias=k)
    return True


def _called(node: object, name: str) -> fx.Node | None:
    return node if isinstance(node, fx.Node) and _name(node) == name else None


def _name(node: fx.Node) -> str:
    schema = getattr(node.target, "_schema", None)
    return "" if schema is None else str(schema.name).partition("::")[2]
