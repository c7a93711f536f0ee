"""How an operator is computed in PyTorch, as data: calls of ``torch.nn`` and expressions of Python."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.ir.types import Sides, Size, TensorType


@dataclass(frozen=True, slots=True)
class TorchModule:
    """A module: a class of ``torch.nn`` and the arguments that it is called with."""

    type: str
    arguments: tuple[object, ...]
    options: dict[str, object]


class TorchCode:
    """Collects what an operator is in PyTorch: its module if it has one, and the tensors that it owns itself.

    ``inputs`` are the names of variables, ``types`` and ``result`` the types of the inputs and of the result. The
    expression that ``Operator.in_torch`` gives may use ``torch`` and ``F``, which is ``torch.nn.functional``. With
    ``may_overwrite`` nothing else reads the input, so that the result can be computed in its place. ``item`` is what an
    operator without a module is among those of a ``Sequential``: ``Flatten()``.
    """

    def __init__(
        self,
        types: tuple[TensorType, ...],
        result: TensorType,
        inputs: tuple[str, ...],
        own: str,
        *,
        may_overwrite: bool = False,
    ) -> None:
        self.types = types
        self.result = result
        self.inputs = inputs
        self.made: TorchModule | None = None
        self.owns_tensors = False
        self.item = ""
        self.may_overwrite = may_overwrite
        self._own = own

    @property
    def input(self) -> str:
        """The only input."""
        (only,) = self.inputs
        return only

    def module(self, type: str, /, *arguments: object, **options: object) -> str:
        """State the module that owns the operator's tensors, an instance of ``torch.nn.TYPE``; gives its name.

        Options that are ``None`` are left out.
        """
        given = {name: value for name, value in options.items() if value is not None}
        self.made = TorchModule(type, arguments, given)
        return self._own

    def parameter(self, name: str) -> str:
        """The operator's own tensor of that name, where no class of ``torch.nn`` has it."""
        self.owns_tensors = True
        return f"self.{name}"


def square(size: Size) -> int | tuple[int, int]:
    """A size as PyTorch's arguments take it, as one number if it is square."""
    return size.height if size.height == size.width else (size.height, size.width)


def unless(value: object, default: object) -> object:
    """An option that is left out where it is PyTorch's default."""
    return None if value == default else value


def padding(pad: Sides) -> object:
    """The option ``padding`` of a module, which pads both ends of an axis alike."""
    return unless(square(Size(pad.top, pad.left)), 0)


def is_symmetric(pad: Sides) -> bool:
    """Whether both ends of each axis are padded alike, which is all that PyTorch's modules know."""
    return (pad.top, pad.left) == (pad.bottom, pad.right)


def padded(x: str, pad: Sides, *, value: str = "", channels: tuple[int, int] = (0, 0)) -> str:
    """The call that pads ``x``, or ``x`` itself. Negative numbers take pixels off."""
    if not any(pad) and not any(channels):
        return x
    # PyTorch's pads: the last axis first, and both ends of an axis together.
    sides = (pad.left, pad.right, pad.top, pad.bottom, *(channels if any(channels) else ()))
    return f"F.pad({x}, {sides}{f', value={value}' if value else ''})"
