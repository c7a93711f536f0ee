"""Batches of images: in a random order for training, as they are for validation, read by threads."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.ir.preprocess import Normalize, Preprocess, Resize
from resdsl.runtime.images import MAX_PIXELS
from resdsl.runtime.item import Item
from resdsl.runtime.prefetch import prefetch
from resdsl.runtime.preprocess import INTERPOLATIONS, output_size, prepare
from resdsl.runtime.processor import processor
from resdsl.runtime.results import Failure
from resdsl.tools.train.augmentation import UNCHANGED, Augmentation, CropKind, mixed, padded_part, resized_part
from resdsl.tools.train.classes import Samples, Targets
from resdsl.weights.sampling import generator

Floats = npt.NDArray[np.float32]

_MOST_READERS = 8
_BATCHES = 2
"""Batches that are read before they are needed."""


@dataclass(frozen=True, slots=True)
class InputForm:
    """What the network takes: ``[N, channels, height, width]`` (``None``: any size) and how an image becomes that."""

    channels: int
    height: int | None
    width: int | None
    preprocess: Preprocess | None

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of every input, if they are known."""
        if self.height is not None and self.width is not None:
            return self.height, self.width
        return output_size(self.preprocess) if self.preprocess else None


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs ``[N, C, H, W]`` with their targets, and the images that could not be read, which are left out."""

    images: Floats
    targets: Targets
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads images of ``samples`` as inputs, augmented if an epoch is given. Thread-safe."""

    samples: Samples
    form: InputForm
    classes: int
    augmentation: Augmentation = UNCHANGED
    seed: int = 0
    max_pixels: int = MAX_PIXELS

    def training_batch(self, epoch: int, places: Sequence[int]) -> Batch:
        """The images at these places of the data, as they are in this epoch."""
        batch = self._batch(places, epoch)
        if not self.augmentation.mixup or not len(batch.images):
            return batch
        rows = rows_of(batch.targets, self.classes)
        random = generator(f"mixup:{epoch}:{places[0]}", self.seed)
        return Batch(*mixed(batch.images, rows, self.augmentation.mixup, random), batch.failures)

    def batch(self, places: Sequence[int]) -> Batch:
        """The images at these places as they are."""
        return self._batch(places, None)

    def _batch(self, places: Sequence[int], epoch: int | None) -> Batch:
        inputs: list[Floats] = []
        read: list[int] = []
        failures: list[Failure] = []
        for place in places:
            item = self.samples.items[place]
            random = None if epoch is None else generator(f"image:{epoch}:{place}", self.seed)
            try:
                inputs.append(self._input(item, random))
            except UnavailableError:
                raise  # not the image is at fault: its store does not answer
            except RunError as error:
                failures.append(Failure(item.name, error.diagnostic))
                continue
            read.append(place)
        if len({values.shape for values in inputs}) > 1:
            raise _other_sizes([self.samples.items[place].name for place in read], inputs)
        empty = np.empty((0, self.form.channels, 0, 0), np.float32)
        chosen: Targets = self.samples.targets[np.array(read, np.int64)]
        return Batch(np.stack(inputs) if inputs else empty, chosen, tuple(failures))

    def _input(self, item: Item, random: np.random.Generator | None) -> Floats:
        image = item.load(self.max_pixels)
        augmentation = self.augmentation if random is not None else UNCHANGED
        if isinstance(image, np.ndarray):
            if augmentation.crop is CropKind.RESIZED:
                raise RunError.of(
                    catalogue.TRAINING_DATA,
                    f"`{item.name}` is a preprocessed input, which cannot be resized",
                    helps=("store images as uint8, [N, H, W, C]", "or choose the crop `pad`"),
                )
            values = np.array(image, np.float32)
        else:
            values = self._prepared(image, item.name, augmentation, random)
        if not self._fits(values):
            height, width = (self.form.height or "any", self.form.width or "any")
            raise RunError.of(
                catalogue.PREPROCESS_SIZE,
                f"`{item.name}` gives an input of {' x '.join(map(str, values.shape))}, and the network takes "
                f"{self.form.channels} x {height} x {width}",
                helps=("write `resize` and `crop` in the `preprocess` of the specification",),
            )
        if random is not None:
            if augmentation.crop is CropKind.PAD:
                values = padded_part(values, augmentation.padding, random)
            if augmentation.flip and random.random() < 0.5:
                values = np.ascontiguousarray(values[:, :, ::-1])
        return values

    def _prepared(
        self, image: Image.Image, name: str, augmentation: Augmentation, random: np.random.Generator | None
    ) -> Floats:
        preprocess = self.form.preprocess
        if preprocess is None:
            raise RunError.of(
                catalogue.NO_PREPROCESS,
                "the network does not declare its preprocessing, so images cannot become its input",
                helps=("write `preprocess { resize(256); crop(224); normalize(...) }` in the specification",),
            )
        channels, most = self.form.channels, self.max_pixels
        size = self.form.size
        if random is None or augmentation.crop is not CropKind.RESIZED or size is None:
            return prepare(image, preprocess, channels=channels, max_pixels=most)
        resize = next((step for step in preprocess.steps if isinstance(step, Resize)), Resize(1))
        part = partial(
            resized_part,
            size=size,
            augmentation=augmentation,
            random=random,
            filter=INTERPOLATIONS[resize.interpolation],
        )
        # The part takes the place of resizing and cropping.
        normalize = tuple(step for step in preprocess.steps if isinstance(step, Normalize))
        return prepare(image, Preprocess(normalize), channels=channels, max_pixels=most, augment=part)

    def _fits(self, values: Floats) -> bool:
        wanted = (self.form.channels, self.form.height, self.form.width)
        return values.ndim == 3 and all(
            size is None or size == given for size, given in zip(wanted, values.shape, strict=True)
        )


def rows_of(targets: Targets, classes: int) -> Floats:
    """Targets as rows ``[N, classes]``."""
    if targets.ndim == 2:
        return targets.astype(np.float32)
    return np.eye(classes, dtype=np.float32)[targets.astype(np.int64)]


def epoch_order(images: int, epoch: int, seed: int) -> list[int]:
    """The places of all images in the order of this epoch."""
    return [int(place) for place in generator(f"order:{epoch}", seed).permutation(images)]


def read_training(
    reader: Reader, batches: Iterable[tuple[int, Sequence[int]]], readers: int | None
) -> Generator[Batch, None, None]:
    """A batch for each epoch and places; the next ones are read by threads meanwhile."""
    return prefetch(lambda one: reader.training_batch(*one), batches, threads=_threads(readers), depth=_BATCHES)


def read_all(reader: Reader, size: int, readers: int | None) -> Generator[Batch, None, None]:
    """All images in order, in batches of ``size``, the last one smaller."""
    places = range(len(reader.samples))
    batches = (places[first : first + size] for first in range(0, len(places), size))
    return prefetch(reader.batch, batches, threads=_threads(readers), depth=_BATCHES)


def _threads(readers: int | None) -> int:
    # A batch is read by one thread, so more threads than batches have nothing to do.
    return min(readers or min(processor().threads, _MOST_READERS), _BATCHES + 1)


def _other_sizes(names: Sequence[str], inputs: Sequence[Floats]) -> RunError:
    other = next(place for place, values in enumerate(inputs) if values.shape != inputs[0].shape)
    shapes = [" x ".join(map(str, inputs[place].shape)) for place in (0, other)]
    return RunError.of(
        catalogue.TRAINING_DATA,
        f"`{names[0]}` gives an input of {shapes[0]} and `{names[other]}` one of {shapes[1]}: a batch needs one size",
        helps=("write `resize` and `crop` in the `preprocess` of the specification",),
    )
