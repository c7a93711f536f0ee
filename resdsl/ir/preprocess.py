"""How an image becomes the input of a network, as data. The runtime does it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resize:
    """``resize(256)``: the short side to ``size`` pixels, the other in proportion; ``fit = exact``: both sides.

    ``interpolation``: ``nearest``, ``bilinear``, ``bicubic`` or ``lanczos``, antialiased as Pillow does.
    """

    size: int
    interpolation: str = "bilinear"
    fit: str = "short"


@dataclass(frozen=True, slots=True)
class Crop:
    """``crop(224)``: the central square of ``size`` pixels, padded with black where the image is smaller."""

    size: int


@dataclass(frozen=True, slots=True)
class Normalize:
    """``normalize(mean = [..], std = [..])``: ``(pixel * scale / 255 - mean) / std`` for each channel.

    ``scale`` is the value of white before the mean is taken off: 1 (PyTorch), 255 (Caffe). ``order``: ``rgb`` or
    ``bgr``.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = 1.0
    order: str = "rgb"


Step = Resize | Crop | Normalize


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


_STEPS: dict[str, type[Step]] = {"resize": Resize, "crop": Crop, "normalize": Normalize}


def _step(entry: object) -> Step:
    if not isinstance(entry, dict) or entry.get("step") not in _STEPS:
        raise ValueError(f"unknown preprocessing step {entry!r}")
    arguments = {name: value for name, value in entry.items() if name != "step"}
    for name in ("mean", "std"):
        if name in arguments:
            arguments[name] = tuple(float(value) for value in arguments[name])
    try:
        return _STEPS[entry["step"]](**arguments)
    except TypeError as error:
        raise ValueError(f"a bad preprocessing step: {error}") from None
