"""The preprocessing of a specification as a transform for data sets of PyTorch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import torch
from PIL import Image

from resdsl.diagnostics import RunError, catalogue
from resdsl.ir.preprocess import Preprocess
from resdsl.runtime.images import load_image, rgb
from resdsl.runtime.preprocess import prepare
from resdsl.specification.load import Network as Source
from resdsl.specification.load import NetworkOptions, load
from resdsl.torch.network import Network


@dataclass(frozen=True, slots=True)
class Transform:
    """An image, or the path of one, as the input of a network, without the batch: float32 ``[channels, H, W]``.

    Files and Pillow images are taken as ``resdsl.predict`` takes them: a file is turned as its EXIF data says, and
    transparency of both is white.
    It can be pickled, for the workers of a ``DataLoader``.
    """

    preprocess: Preprocess
    channels: int = 3

    def __call__(self, image: Image.Image | str | os.PathLike[str]) -> torch.Tensor:
        """Raises ``RunError`` for a file that is no image, and for steps that the image does not allow."""
        image = rgb(image, "the image") if isinstance(image, Image.Image) else load_image(Path(image))
        return torch.from_numpy(prepare(image, self.preprocess, channels=self.channels))


def transform(network: Source | Network, **options: Unpack[NetworkOptions]) -> Transform:
    """The preprocessing that ``resdsl.predict`` does, equal to the bit, as data sets of torchvision take it.

    ``network`` is as for ``resdsl.load``, or a module of ``resdsl.torch.module``, whose preprocessing may have come
    with its weights. Raises ``RunError`` if the network does not say how its images are preprocessed.
    """
    if isinstance(network, Network):
        preprocess, channels, name = network.preprocess, network.input_channels, type(network).__name__
    else:
        graph = load(network, **options).graph
        preprocess, name = graph.preprocess, graph.name
        channels = 1 if graph.input.type.channels == 1 else 3
    if preprocess is None:
        raise RunError.of(
            catalogue.NO_PREPROCESS,
            f"`{name}` does not say how an image becomes its input",
            helps=("write `preprocess { resize(256); crop(224); normalize(..) }` in its specification",),
        )
    return Transform(preprocess, channels)
