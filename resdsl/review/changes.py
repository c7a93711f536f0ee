"""What a comparison of two networks finds, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.dims import Dim
from resdsl.ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Delta:
    """New minus old: trainable elements, multiply-accumulates and bytes of activations, the last two for one image."""

    parameters: int = 0
    macs: Dim = 0
    activation_bytes: Dim = 0

    def __add__(self, other: Delta) -> Delta:
        return Delta(
            self.parameters + other.parameters,
            self.macs + other.macs,
            self.activation_bytes + other.activation_bytes,
        )

    def __bool__(self) -> bool:
        return self != Delta()


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """A value as it leaves a place: its type, and how many layers led to it.

    ``receptive_field`` is how many pixels one element sees down and across; ``None``: all of them.
    """

    type: TensorType
    depth: int
    receptive_field: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Location:
    """A layer or scope in the old network, in the new one, or in both: its path and what it gave and gives."""

    old: str | None
    new: str | None
    before: ValueInfo | None
    after: ValueInfo | None

    @property
    def path(self) -> str:
        """Where a reader of the new network looks for it, or of the old one where it is gone."""
        return self.new if self.new is not None else self.old or ""


@dataclass(frozen=True, slots=True)
class Field:
    """An argument that changed, as the language writes its values."""

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.name} {self.old} -> {self.new}"


@dataclass(frozen=True, slots=True)
class Follows:
    """Layers that are written as before and give other shapes, or own tensors of other shapes, because of a change."""

    places: tuple[Location, ...]
    reshaped: tuple[str, ...]
    """Names of the tensors that have other shapes now, as the new network calls them."""
    delta: Delta


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that somebody did to the network, in all places where it was done.

    ``what`` is the piece as the language writes it. ``delta`` is its own cost, in all places together;
    ``consequences`` are layers that only follow. ``is_silent`` says that the old weights do not show it: every tensor
    has the name and shape that it had, and something else is computed with it.
    """

    sign: ClassVar[str] = "~"
    kind: ClassVar[str] = "change"
    what: str
    places: tuple[Location, ...]
    delta: Delta = Delta()
    consequences: Follows | None = None
    is_silent: bool = False

    @property
    def total(self) -> Delta:
        """Its cost with everything that follows from it."""
        return self.delta + self.consequences.delta if self.consequences else self.delta


@dataclass(frozen=True, slots=True, kw_only=True)
class Added(Change):
    sign: ClassVar[str] = "+"
    kind: ClassVar[str] = "added"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed(Change):
    sign: ClassVar[str] = "-"
    kind: ClassVar[str] = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed(Change):
    """Another operator, or other arguments of a layer or block. ``details`` are what that means inside of a block."""

    kind: ClassVar[str] = "changed"
    fields: tuple[Field, ...]
    details: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed(Change):
    """Layers with weights that are called otherwise. ``old`` and ``new`` are what differs in their names."""

    sign: ClassVar[str] = "="
    kind: ClassVar[str] = "renamed"
    old: str
    new: str
    tensors: Mapping[str, str]
    """Old and new names of the tensors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved(Change):
    """A piece that is built as before and now stands elsewhere. ``old`` and ``new`` are the values that it takes."""

    sign: ClassVar[str] = ">"
    kind: ClassVar[str] = "moved"
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated(Change):
    """A block that is called more or fewer times, one after another."""

    kind: ClassVar[str] = "repeated"
    old: int
    new: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewired(Change):
    """A layer that takes other values than before. ``old`` and ``new`` are the names of those that it takes."""

    kind: ClassVar[str] = "rewired"
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface(Change):
    """What the network is from outside: names of input and outputs, preprocessing, names of classes."""

    kind: ClassVar[str] = "interface"
    old: str
    new: str
    architectural: bool
    """Whether the graph itself differs, and not only what travels with it."""


@dataclass(frozen=True, slots=True)
class Totals:
    """A whole network. ``receptive_field`` is the largest of a value that does not see all of the image yet."""

    parameters: int
    macs: Dim
    activation_bytes: Dim
    depth: int
    receptive_field: tuple[int, int] | None
    outputs: tuple[tuple[str, TensorType], ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two networks: its name, where it was read from, and its totals."""

    name: str
    source: str
    totals: Totals
