"""The differences between two networks, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.dims import Dim
from resdsl.ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Delta:
    """New minus old: trainable parameters, and MACs and bytes of activations for one image."""

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
    """The output of a layer or scope: its type, depth in layers, and receptive field.

    ``receptive_field`` is the height and width in pixels; ``None`` means the whole image.
    """

    type: TensorType
    depth: int
    receptive_field: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Location:
    """A layer or scope in the old network, the new one, or both: its paths and outputs."""

    old: str | None
    new: str | None
    before: ValueInfo | None
    after: ValueInfo | None

    @property
    def path(self) -> str:
        """The path in the new network, or in the old one if it was removed."""
        return self.new if self.new is not None else self.old or ""


@dataclass(frozen=True, slots=True)
class Field:
    """A changed argument; values are in the syntax of the language."""

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.name} {self.old} -> {self.new}"


@dataclass(frozen=True, slots=True)
class Follows:
    """Layers that are written as before but have other shapes because of a change elsewhere."""

    places: tuple[Location, ...]
    reshaped: tuple[str, ...]
    """Names of the tensors whose shapes changed, in the new network."""
    delta: Delta


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One edit of the network, in all places where it was made.

    ``what`` is the piece in the syntax of the language. ``delta`` is the cost difference of the edit itself in all
    places; ``consequences`` are the layers that follow. ``is_silent`` means that loading old weights does not reveal
    the change: all tensors keep their names and shapes, but the computation differs.
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
        """The cost difference including consequences."""
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
    """Another operator, or other arguments of a layer or block. ``details`` are the changes inside the block."""

    kind: ClassVar[str] = "changed"
    fields: tuple[Field, ...]
    details: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed(Change):
    """Layers with weights whose names changed. ``old`` and ``new`` are the parts of the names that differ."""

    sign: ClassVar[str] = "="
    kind: ClassVar[str] = "renamed"
    old: str
    new: str
    tensors: Mapping[str, str]
    """Old and new names of the tensors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved(Change):
    """A piece with the same structure at another place. ``old`` and ``new`` are the names of its inputs."""

    sign: ClassVar[str] = ">"
    kind: ClassVar[str] = "moved"
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated(Change):
    """A block that is repeated more or fewer times. ``old`` and ``new`` are the counts."""

    kind: ClassVar[str] = "repeated"
    old: int
    new: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewired(Change):
    """A layer with other inputs than before. ``old`` and ``new`` are the names of its inputs."""

    kind: ClassVar[str] = "rewired"
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface(Change):
    """A change of the interface: names of input and outputs, preprocessing, class labels."""

    kind: ClassVar[str] = "interface"
    old: str
    new: str
    architectural: bool
    """Whether the graph itself differs, not only preprocessing or labels."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of a network. ``receptive_field`` is that of the last feature map before global pooling."""

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
