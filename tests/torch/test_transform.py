"""The preprocessing as a transform is that of ``predict``, to the bit."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import resdsl
import resdsl.torch
from resdsl.diagnostics import RunError

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch


def photograph(size: tuple[int, int] = (301, 257)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_what_predict_computes_is_what_the_module_computes_of_the_transform(tmp_path: Path) -> None:
    photograph().save(tmp_path / "photo.png")
    model = resdsl.torch.module("resnet18", outputs="probabilities").eval()
    transform = resdsl.torch.transform("resnet18")
    with torch.no_grad():
        ours = model(transform(tmp_path / "photo.png")[None])[0].numpy()
    (features,) = resdsl.predict("resnet18", [tmp_path / "photo.png"], output="probabilities", device="cpu")
    assert np.abs(ours - features.values).max() <= 1e-5 * np.abs(ours).max()


def test_the_tensor_equals_torchvision_s_transforms_to_the_bit() -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    theirs = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    image = photograph()
    assert torch.equal(resdsl.torch.transform("resnet18")(image), theirs(image))


def test_a_transform_is_pickled_and_made_of_a_module_too() -> None:
    transform = pickle.loads(pickle.dumps(resdsl.torch.transform(resdsl.torch.module("resnet_cifar"))))
    assert transform == resdsl.torch.transform("resnet_cifar")
    assert transform(photograph()).dtype is torch.float32


def test_a_network_without_preprocessing_is_an_error() -> None:
    text = "model m {\n  input x: f32[N, 3, 8, 8]\n  relu\n  output y\n}\n"
    with pytest.raises(RunError, match="does not say"):
        resdsl.torch.transform(resdsl.loads(text))


NOTHING = """
model nothing {
  input image: f32[N, CHANNELS, 48, 48]
  preprocess { STEPS }
  maxpool(1x1, stride = 1)
  output same
}
"""
"""Gives its input, which is what the preprocessing makes of an image."""

STEPS = {
    "bilinear": "resize(52); crop(48); normalize(mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225])",
    "bicubic": "resize(52, bicubic); crop(48); normalize(mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5])",
    "exact": "resize(48, bilinear, exact)",
    "grey": "resize(52); crop(48); normalize(mean = [0.5], std = [0.25])",
}


def photographs(folder: Path) -> list[Path]:
    """Those of scikit-image that are in a format of images, and one of them in other modes, and turned."""
    package = pytest.importorskip("skimage.data")
    known = {".png", ".jpg", ".gif", ".tif"}
    files = sorted(file for file in Path(package.__file__).parent.iterdir() if file.suffix in known)
    files = [file for file in files if file.name != "multipage_rgb.tif"]  # of a kind that Pillow cannot read
    assert len(files) > 20
    photo = opened(Path(package.__file__).parent / "chelsea.png").resize((113, 75))
    for mode, form in (("L", "png"), ("P", "png"), ("1", "png"), ("LA", "png"), ("RGBA", "png"), ("CMYK", "jpg")):
        if mode == "RGBA":
            made = photo.convert(mode)
            made.putalpha(Image.linear_gradient("L").resize(photo.size))
        else:
            made = photo.convert(mode)
        made.save(folder / f"{mode}.{form}")
    clear = photo.convert("P")
    clear.save(folder / "clear.gif", transparency=3)
    Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 200).save(folder / "16.png")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        photo.save(folder / f"turned{orientation}.jpg", exif=exif)
    return [*files, *sorted(folder.iterdir())]


def opened(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return image.copy()


@pytest.mark.parametrize("steps", STEPS)
def test_photographs_of_every_mode_are_what_predict_makes_of_them(steps: str, tmp_path: Path) -> None:
    text = NOTHING.replace("STEPS", STEPS[steps]).replace("CHANNELS", "1" if steps == "grey" else "3")
    network = resdsl.loads(text)
    (tmp_path / "photos").mkdir()
    files = photographs(tmp_path / "photos")
    modes = {opened(file).mode for file in files}
    assert modes >= {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"}
    resdsl.compile(network, tmp_path / "nothing.onnx")
    predicted = list(resdsl.predict(tmp_path / "nothing.onnx", files, output="same", device="cpu"))
    transform = resdsl.torch.transform(network)
    for file, features in zip(files, predicted, strict=True):
        assert np.array_equal(transform(file).numpy(), features.values), file
        # As a data set gives it.
        assert torch.equal(transform(resdsl.torch.load_image(file)), transform(file)), file


def test_images_of_pillow_are_what_predict_makes_of_them(tmp_path: Path) -> None:
    network = resdsl.loads(NOTHING.replace("STEPS", STEPS["bilinear"]).replace("CHANNELS", "3"))
    (tmp_path / "photos").mkdir()
    files = photographs(tmp_path / "photos")
    images = [opened(file) for file in files]
    resdsl.compile(network, tmp_path / "nothing.onnx")
    predicted = resdsl.predict(tmp_path / "nothing.onnx", images, output="same", device="cpu")
    for image, features in zip(images, predicted, strict=True):
        assert np.array_equal(resdsl.torch.transform(network)(image).numpy(), features.values), image
