"""How a network is trained: one object for the command line and the Python API."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from resdsl.tools.train.augmentation import CropKind
from resdsl.tools.train.schedule import MILESTONES, Decay
from resdsl.weights.initial import Scheme

Loss = Literal["cross_entropy", "binary"]
Optimizer = Literal["sgd", "adamw"]
Precision = Literal["float32", "mixed"]

LONGEST_INTERVAL = 500
"""Steps between two checkpoints, if epochs are longer and ``interval`` is not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How a network is trained. Raises ``ValueError`` for a value that is not possible."""

    epochs: int = 30
    batch_size: int = 128
    """Images of an update; an epoch leaves out the last images if they do not fill a batch."""

    accumulate: int = 1
    """Add up the gradients of so many parts of a batch, which takes the memory of one part."""

    optimizer: Optimizer = "sgd"
    learning_rate: float | None = None
    """The highest learning rate; ``None``: 0.1 for ``sgd`` with batches of 128 as in He et al. 2015, in proportion for
    others (Goyal et al. 2017), a tenth of it with ``weights``, and 0.001 for ``adamw``."""

    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    decay_norms_and_biases: bool = True
    clip_norm: float | None = None
    """The largest norm of all gradients together; longer ones are scaled down to it."""

    schedule: Decay = Decay.COSINE
    warmup: float = 0.0
    """Epochs in which the learning rate rises from 0 to its highest."""

    milestones: tuple[float, ...] = MILESTONES
    """For ``step``: the fractions of the run after which the learning rate falls to a tenth."""

    loss: Loss = "cross_entropy"
    """``binary`` is for images with any number of classes, whose targets are rows of 0 and 1."""

    label_smoothing: float = 0.0
    aux_weight: float = 0.3
    """What the loss of each ``aux`` head counts, as in the paper of GoogLeNet; 0 leaves the heads out."""

    precision: Precision = "float32"

    crop: CropKind = CropKind.NONE
    padding: int = 4
    """Pixels of zeros around an image, for ``crop="pad"``."""

    least_area: float = 0.08
    """The smallest part of an image, for ``crop="resized"``."""

    flip: bool = False
    mixup: float = 0.0

    split: float = 0.1
    """The part of the images of each class that is held back for validation, unless there is other validation data."""

    init: Scheme = Scheme.HE_NORMAL
    zero_init_residual: bool = False
    seed: int = 0
    """Of initial values, the order of images, augmentation and dropout."""

    freeze: tuple[str, ...] = ()
    """Patterns of layers or tensors that are not trained: ``("layer1.*",)``."""

    new_labels: bool = False
    """The classes are those of the data, whatever labels the network has."""

    interval: int | None = None
    """Steps between two checkpoints; ``None``: an epoch, but at most 500 steps. The end of an epoch is always one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedule", Decay(self.schedule))
        object.__setattr__(self, "crop", CropKind(self.crop))
        object.__setattr__(self, "init", Scheme(self.init))
        object.__setattr__(self, "milestones", tuple(self.milestones))
        object.__setattr__(self, "freeze", tuple(self.freeze))
        for name, least in (("epochs", 1), ("batch_size", 1), ("accumulate", 1), ("interval", 1), ("padding", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} is {value}, and must be at least {least}")
        if self.batch_size % self.accumulate:
            raise ValueError(f"accumulate is {self.accumulate}, which does not divide batch_size, {self.batch_size}")
        if not 0 <= self.split < 1 or not 0 <= self.label_smoothing < 1 or not 0 < self.least_area <= 1:
            raise ValueError("split and label_smoothing are from 0 to below 1, least_area from above 0 to 1")
        if not 0 <= self.aux_weight < math.inf:
            raise ValueError(f"aux_weight is {self.aux_weight:g}, and must be a number of at least 0")

    def peak_rate(self, *, pretrained: bool) -> float:
        """The highest learning rate."""
        if self.learning_rate is not None:
            return self.learning_rate
        if self.optimizer == "adamw":
            return 1e-3 if not pretrained else 1e-4
        # Rounded, so that it is the same number however it is computed.
        return round(0.1 * self.batch_size / 128 * (0.1 if pretrained else 1.0), 10)
