"""Decode image files as 8-bit RGB, or report why they cannot be decoded."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.inputs import record_input
from resdsl.runtime.files import require_file

MAX_PIXELS = 178_956_970
"""The default limit: 0.5 GiB of RGB, from which on Pillow also reports a decompression bomb."""

MAX_FILE_BYTES = 2**29
"""The most bytes that are read of an image from a pipe, which has no size to check: 0.5 GiB."""

_STRIP_PIXELS = 2**18

# Bitmap formats that Pillow decodes itself: not those that need another program (EPS runs Ghostscript).
_FORMATS = frozenset(
    {"AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "QOI", "TGA", "TIFF", "WEBP"}
)

# The first bytes of files that are mistaken for images, and the advice for them.
_NOT_READ = (
    (b"%!PS", "it is PostScript: export it as PNG"),
    (b"%PDF", "it is a PDF: export the page as PNG"),
    (b"<svg", "it is an SVG drawing: export it as PNG"),
    (b"<?xml", "it is XML, perhaps an SVG drawing: export it as PNG"),
    (b"<!doctype html", "it is an HTML page, perhaps an error page that was downloaded instead of the image"),
    (b"<html", "it is an HTML page, perhaps an error page that was downloaded instead of the image"),
    (b"PK\x03\x04", "it is a ZIP archive: unpack it first"),
    (b"version https://git-lfs", "it is a Git LFS pointer: fetch the file with `git lfs pull`"),
)

_BEGINNING = 16  # bytes: what Pillow's plugins look at to recognise a file

_DECODERS = r"PIL\.\w+ImagePlugin"
_SILENCED = ("ignore", None, Warning, re.compile(_DECODERS), 0)

_Factory = Callable[[BinaryIO, str], ImageFile.ImageFile]
_Accept = Callable[[bytes], bool | str]


def load_image(path: str | Path, *, max_pixels: int = MAX_PIXELS, regular: bool = False) -> Image.Image:
    """The image in a file as 8-bit RGB. Thread-safe.

    The EXIF rotation is applied. Greyscale, palette and CMYK are converted as by Pillow. Transparency is composited on
    white, because the colours hidden under transparent pixels are arbitrary (an opaque image equals
    ``convert("RGB")``). 16-bit greyscale keeps its high byte, as Pillow does for 16-bit colour. Of several frames or
    pages, the first is used. Raises ``RunError`` for a file that cannot be read or has more than ``max_pixels`` pixels,
    and with ``regular`` for a pipe or a device.

    Beside what the decoder itself needs, this takes 4 bytes a pixel for RGB files, and 8 for all others.
    """
    path = Path(path)
    require_file(path, "an image", regular=regular)
    record_input(path, keep=False)
    with path.open("rb") as stream:
        return decode_image(stream, str(path), max_pixels=max_pixels)


def decode_image(data: bytes | BinaryIO, name: str, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The image in ``data``, as for ``load_image``; ``name`` is used in messages."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    _silence_pillow()
    try:
        with _opened(stream) as image:
            check_pixels(image.size, f"`{name}`", max_pixels)
            image.load()
            # An icon contains other images, which may be larger than its header says. Pillow's own limit covers those.
            check_pixels(image.size, f"`{name}`", max_pixels)
            return _to_rgb(_upright(image), name)
    except RunError:
        raise
    except UnidentifiedImageError:
        raise RunError.of(
            catalogue.IMAGE_UNREADABLE, f"`{name}` is not an image in a known format", helps=_advice(stream)
        ) from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _too_large(f"`{name}` has more pixels than its header says", max_pixels) from None
    except Exception as error:
        # Pillow's decoders raise many types for a damaged file: OSError, SyntaxError, ValueError, struct.error.
        reason = str(error) or type(error).__name__
        raise RunError.of(
            catalogue.IMAGE_UNREADABLE,
            f"`{name}` is damaged: {reason[:1].lower()}{reason[1:]}",
            helps=("download it again, or open it in an image editor and save it again",),
        ) from None


def rgb(image: Image.Image, name: str, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A Pillow image of any mode as 8-bit RGB, as ``load_image`` does for files; the EXIF rotation is not applied."""
    check_pixels(image.size, f"`{name}`", max_pixels)
    return _to_rgb(image, name)


def suffixes() -> tuple[str, ...]:
    """The file name suffixes of the formats that ``load_image`` reads: ``.jpg``, .."""
    return tuple(sorted(end for end, kind in Image.registered_extensions().items() if kind in _FORMATS))


def check_pixels(size: tuple[int, int], what: str, max_pixels: int) -> None:
    """Raise ``RunError`` if ``what``, of ``size`` (width, height), has more than ``max_pixels`` pixels."""
    width, height = size
    if width * height > max_pixels:
        raise _too_large(f"{what} has {width} x {height} pixels", max_pixels)


def _too_large(fact: str, max_pixels: int) -> RunError:
    return RunError.of(
        catalogue.IMAGE_TOO_LARGE,
        f"{fact}; the limit is {max_pixels:_} pixels",
        helps=("scale the image down, or raise the limit with `--max-pixels`",),
    )


def _opened(stream: BinaryIO) -> ImageFile.ImageFile:
    """The image in a stream, its pixels not decoded yet.

    Like ``Image.open``, but without its pixel limit: that one is a global setting, ours an argument.
    """
    stream = stream if stream.seekable() else io.BytesIO(stream.read(MAX_FILE_BYTES))
    beginning = stream.read(_BEGINNING)
    for factory, accept in _plugins():
        try:
            accepted = accept is None or accept(beginning)
            # A string is the reason why a file of this format cannot be read.
            if accepted and not isinstance(accepted, str):
                stream.seek(0)
                return factory(stream, "")
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue  # this is how Pillow's plugins reject a file
    raise UnidentifiedImageError


@cache
def _plugins() -> tuple[tuple[_Factory, _Accept | None], ...]:
    Image.init()
    known = [Image.OPEN[name] for name in sorted(_FORMATS & set(Image.OPEN))]
    # Plugins without a check of the first bytes try to decode every file, so they come last.
    return cast("tuple[tuple[_Factory, _Accept | None], ...]", (*sorted(known, key=lambda one: one[1] is None),))


def _silence_pillow() -> None:
    """Silence the warnings of Pillow's decoders about metadata."""
    # Not `catch_warnings`, which is not thread-safe.
    if _SILENCED not in warnings.filters:
        warnings.filterwarnings("ignore", module=_DECODERS)


def _upright(image: Image.Image) -> Image.Image:
    # Damaged EXIF data does not affect the pixels: the image is used unrotated.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    """``image`` as RGB, converted strip by strip: a whole copy for each step would need several times the memory."""
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode == "F" or (image.mode.startswith("I") and not _is_16_bit(image)):
        kind = "floating-point" if image.mode == "F" else "32-bit"
        raise RunError.of(
            catalogue.IMAGE_RANGE,
            f"`{name}` has {kind} pixels, and the value of white is unknown",
            helps=("save it with 8 or 16 bits a channel",),
        )
    result = Image.new("RGB", image.size)
    for strip, top in _strips(image):
        result.paste(_strip_to_rgb(strip), (0, top))
    return result


def _strips(image: Image.Image) -> Iterator[tuple[Image.Image, int]]:
    """Parts of an image from top to bottom, with their first rows."""
    rows = max(_STRIP_PIXELS // max(image.width, 1), 1)
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height))), top


def _strip_to_rgb(strip: Image.Image) -> Image.Image:
    if strip.mode.startswith("I"):
        # Pillow's own conversion clips values above 255 to white.
        return Image.fromarray((np.asarray(strip) >> 8).astype(np.uint8)).convert("RGB")
    if strip.has_transparency_data:
        strip = strip.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip).convert("RGB")
    return strip.convert("RGB")


def _is_16_bit(image: Image.Image) -> bool:
    """Whether all pixels of a greyscale image are in the range of 16 bits."""
    lowest, highest = cast("tuple[float, float]", image.getextrema())
    return lowest >= 0 and highest <= 0xFFFF


def _advice(stream: BinaryIO) -> tuple[str, ...]:
    known = "supported formats: PNG, JPEG, WebP, TIFF, GIF, BMP"
    try:
        stream.seek(0)
        start = stream.read(64)
    except (OSError, ValueError):
        return (known,)
    if not start:
        return ("it is empty",)
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"mif1", b"msf1"):
        return ("it is HEIC, a format of phones: export it as JPEG",)
    advice = next((text for beginning, text in _NOT_READ if start.lstrip().lower().startswith(beginning.lower())), None)
    return (advice, known) if advice else (known,)
