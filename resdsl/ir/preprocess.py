"""How an image becomes the input of a network, as data. The runtime does it.

The fields of a step are its arguments in the language. What ``resdsl operators`` and the language reference say about
them is stated here.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from resdsl.ir.types import Word
from resdsl.ir.values import format_value

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
FITS = ("short", "exact")
ORDERS = ("rgb", "bgr")


def _argument(default: Any = dataclasses.MISSING, *, doc: str, kind: str = "", words: tuple[str, ...] = ()) -> Any:
    """A field that is an argument: what it takes, in words or one of some ``words``, and what it is for."""
    kind = kind or " or ".join(", ".join(words).rsplit(", ", 1))
    return dataclasses.field(default=default, metadata={"kind": kind, "doc": doc, "words": words})


@dataclass(frozen=True, slots=True)
class Resize:
    """Resize the image so that its short side has ``size`` pixels, antialiased as Pillow does."""

    size: int = _argument(doc="pixels of the short side, or of both sides", kind="integer, at least 1")
    interpolation: str = _argument("bilinear", doc="how values between pixels are computed", words=INTERPOLATIONS)
    fit: str = _argument(
        "short",
        doc="`short`: the long side follows in proportion; `exact`: both sides are resized to `size`",
        words=FITS,
    )


@dataclass(frozen=True, slots=True)
class Crop:
    """Take the central square of ``size`` pixels, padded with black where the image is smaller."""

    size: int = _argument(doc="pixels of each side", kind="integer, at least 1")


@dataclass(frozen=True, slots=True)
class Normalize:
    """Compute ``(pixel * scale / 255 - mean) / std`` for each channel, where ``pixel`` is a byte from 0 to 255."""

    mean: tuple[float, ...] = _argument(
        doc="subtracted from pixels between 0 and `scale`", kind="list of numbers, one for each channel"
    )
    std: tuple[float, ...] = _argument(
        doc="the divisors, in the same unit as `mean`", kind="list of numbers above 0, one for each channel"
    )
    scale: float = _argument(
        1.0, doc="the value of white before `mean` is subtracted: 1 (PyTorch) or 255 (Caffe, TensorFlow)", kind="number"
    )
    order: str = _argument("rgb", doc="the order of the channels in the input", words=ORDERS)


Step = Resize | Crop | Normalize


def step_text(step: Step) -> str:
    """The step in the language: ``resize(256)``. The first argument of a single size is by position, others by name."""
    texts: list[str] = []
    for place, one in enumerate(dataclasses.fields(step)):
        value = getattr(step, one.name)
        if one.default is not dataclasses.MISSING and value == one.default:
            continue
        text = format_value(Word(value) if isinstance(value, str) else value)
        texts.append(text if place == 0 and isinstance(value, int) else f"{one.name} = {text}")
    return f"{type(step).__name__.lower()}({', '.join(texts)})"


@dataclass(frozen=True, slots=True)
class Preprocess:
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        """For people: ``resize 235 bicubic, crop 224, normalize``."""
        return ", ".join(_short(step) for step in self.steps)

    def to_data(self) -> list[dict[str, object]]:
        """As plain data for a model's metadata: ``[{"step": "resize", "size": 256, ..}, ..]``."""
        return [{"step": type(step).__name__.lower(), **dataclasses.asdict(step)} for step in self.steps]

    @classmethod
    def from_data(cls, data: object) -> Preprocess:
        """The inverse of ``to_data``; raises ``ValueError`` for anything that it does not make."""
        if not isinstance(data, list):
            raise ValueError("preprocessing is not a list of steps")
        return cls(tuple(_step(entry) for entry in data))


def _short(step: Step) -> str:
    if isinstance(step, Resize):
        return f"resize {step.size} {step.interpolation}{' exact' if step.fit == 'exact' else ''}"
    return f"crop {step.size}" if isinstance(step, Crop) else "normalize"


STEPS: dict[str, type[Step]] = {"resize": Resize, "crop": Crop, "normalize": Normalize}
"""The steps by their names in the language."""


def _step(entry: object) -> Step:
    if not isinstance(entry, dict) or entry.get("step") not in STEPS:
        raise ValueError(f"unknown preprocessing step {entry!r}")
    arguments = {name: value for name, value in entry.items() if name != "step"}
    for name in ("mean", "std"):
        if name in arguments:
            arguments[name] = tuple(float(value) for value in arguments[name])
    try:
        return STEPS[entry["step"]](**arguments)
    except TypeError as error:
        raise ValueError(f"a bad preprocessing step: {error}") from None
