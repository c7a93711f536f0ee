"""Means, sums and norms over axes."""

from __future__ import annotations

from math import prod

from resdsl.torch.tracing.call import Call, Unwritable, writes

_REDUCTIONS = {"mean": "ReduceMean", "sum": "ReduceSum", "amax": "ReduceMax", "amin": "ReduceMin", "prod": "ReduceProd"}


@writes(*_REDUCTIONS)
def _reduction(call: Call) -> None:
    name = str(call.node.target).split(".")[1]
    _reduced(call, _REDUCTIONS[name], call.input())


@writes("max", "min")
def _extreme(call: Call) -> None:
    if "dim" in call.arguments:
        raise Unwritable("it gives places, too")
    if "other" in call.arguments:
        call.result("Max" if "max" in str(call.node.target) else "Min", call.input(), call.input("other"))
        return
    _reduced(call, "ReduceMax" if "max" in str(call.node.target) else "ReduceMin", call.input())


@writes("norm", "linalg_vector_norm")
def _norm(call: Call) -> None:
    order = call.number("p" if "p" in call.arguments else "ord", 2.0)
    if order != 2:
        raise Unwritable(f"it is a norm of order {order:g}")
    _reduced(call, "ReduceL2", call.input())


@writes("var", "var_mean", "std")
def _variance(call: Call) -> None:
    name = str(call.node.target).split(".")[1]
    axes = _axes(call)
    sizes = [call.shape[axis] for axis in axes]
    if None in sizes:
        raise Unwritable("it is over an unknown number of numbers")
    count = prod(size or 0 for size in sizes)
    unbiased = call.arguments.get("unbiased", call.arguments.get("correction", 1))
    correction = 1.0 if unbiased is None else float(unbiased)  # type: ignore[arg-type]
    at, keeps = call.whole(*axes), int(call.flag("keepdim"))
    mean = call.emit("ReduceMean", call.input(), at, keepdims=1)
    centred = call.emit("Sub", call.input(), mean)
    square = call.emit("Mul", centred, centred)
    factor = count / (count - correction)
    if name == "var_mean":
        items = {user.args[1]: user.name for user in call.node.users}
        names = tuple(items.get(place, f"{call.node.name}:{place}") for place in range(2))
        spread = call.emit("ReduceMean", square, at, outputs=() if factor != 1 else names[:1], keepdims=keeps)
        if factor != 1:
            call.emit("Mul", spread, call.scalar(factor), outputs=names[:1])
        call.emit("ReduceMean", call.input(), at, outputs=names[1:], keepdims=keeps)
        call.records.names[call.node] = names
        return
    if factor == 1 and name == "var":
        call.result("ReduceMean", square, at, keepdims=keeps)
        return
    spread = call.emit("ReduceMean", square, at, keepdims=keeps)
    if name == "var":
        call.result("Mul", spread, call.scalar(factor))
        return
    if factor != 1:
        spread = call.emit("Mul", spread, call.scalar(factor))
    call.result("Sqrt", spread)


def _reduced(call: Call, kind: str, x: str) -> None:
    call.result(kind, x, call.whole(*_axes(call)), keepdims=int(call.flag("keepdim")))


def _axes(call: Call) -> tuple[int, ...]:
    """The axes that are reduced, counted from the first; all where none are given."""
    rank = len(call.shape)
    given = call.integers("dim")
    return tuple(axis % rank for axis in given) if given else tuple(range(rank))
