"""Image files as RGB images of 8 bits, or a diagnostic that says why not."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.files import require_file

MAX_PIXELS = 178_956_970
"""The default limit: 0.5 GiB of RGB, beyond which Pillow too speaks of a decompression bomb."""

# Formats that are pixels, read by Pillow itself. Left out are those that hand the file to another program (EPS runs
# Ghostscript) or that nobody classifies.
_FORMATS = frozenset(
    {"AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "QOI", "TGA", "TIFF", "WEBP"}
)

# How files that people take for images begin, and what to do about them.
_NOT_READ = (
    (b"%!PS", "it is PostScript: export it as PNG"),
    (b"%PDF", "it is a PDF: export the page as PNG"),
    (b"<svg", "it is an SVG drawing: export it as PNG"),
    (b"<?xml", "it is XML, perhaps an SVG drawing: export it as PNG"),
    (b"<!doctype html", "it is a web page, perhaps an error page that was downloaded in place of the image"),
    (b"<html", "it is a web page, perhaps an error page that was downloaded in place of the image"),
    (b"PK\x03\x04", "it is a ZIP archive: unpack it first"),
    (b"version https://git-lfs", "it is a Git LFS pointer: fetch the file with `git lfs pull`"),
)

_BEGINNING = 16  # bytes, of which Pillow's formats know their files

_DECODERS = r"PIL\.\w+ImagePlugin"
_QUIET = ("ignore", None, Warning, re.compile(_DECODERS), 0)

_Factory = Callable[[BinaryIO, str], ImageFile.ImageFile]
_Accept = Callable[[bytes], bool | str]


def load_image(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The image in a file, as it should be seen, in RGB with 8 bits a channel. May run in any thread.

    The camera's rotation (EXIF) is applied. Grey, palette and CMYK are converted as Pillow does. What is transparent
    is seen on white: the colours that a file hides under transparency are arbitrary (an opaque image is what
    ``convert("RGB")`` gives). 16-bit grey keeps its high byte, as Pillow does with 16-bit colour. Of several frames
    or pages, the first. Raises ``RunError`` for what cannot be read or has more than ``max_pixels`` pixels.
    """
    path = Path(path)
    require_file(path, "an image")
    with path.open("rb") as stream:
        return decode_image(stream, str(path), max_pixels=max_pixels)


def decode_image(data: bytes | BinaryIO, name: str, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The image that ``data`` holds, as ``load_image``; ``name`` is what messages call it."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    _keep_pillow_quiet()
    try:
        with _opened(stream) as image:
            check_pixels(image.size, f"`{name}`", max_pixels)
            image.load()
            # An icon holds other images, which may be larger than it tells. Pillow's own limit holds for those.
            check_pixels(image.size, f"`{name}`", max_pixels)
            return _to_rgb(_upright(image), name)
    except RunError:
        raise
    except UnidentifiedImageError:
        raise RunError.of(
            catalogue.IMAGE_UNREADABLE, f"`{name}` is not an image in a known format", helps=_ways_out(stream)
        ) from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _too_large(f"`{name}` has more pixels than it tells", max_pixels) from None
    except Exception as error:
        # Pillow's decoders raise whatever a broken file leads them to: OSError, SyntaxError, ValueError, struct.error.
        reason = str(error) or type(error).__name__
        raise RunError.of(
            catalogue.IMAGE_UNREADABLE,
            f"`{name}` is damaged: {reason[:1].lower()}{reason[1:]}",
            helps=("fetch it again, or open it in an image program and save it anew",),
        ) from None


def rgb(image: Image.Image, name: str, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """An image of Pillow's, whatever its mode, as ``load_image`` gives those of files. Its rotation is left to you."""
    check_pixels(image.size, f"`{name}`", max_pixels)
    return _to_rgb(image, name)


def suffixes() -> tuple[str, ...]:
    """How the names of files end that are images which ``load_image`` reads: ``.jpg``."""
    return tuple(sorted(end for end, kind in Image.registered_extensions().items() if kind in _FORMATS))


def check_pixels(size: tuple[int, int], what: str, max_pixels: int) -> None:
    """Raise ``RunError`` if ``what``, of ``size`` (width, height), has more than ``max_pixels`` pixels."""
    width, height = size
    if width * height > max_pixels:
        raise _too_large(f"{what} has {width} x {height} pixels", max_pixels)


def _too_large(fact: str, max_pixels: int) -> RunError:
    return RunError.of(
        catalogue.IMAGE_TOO_LARGE,
        f"{fact}, and the limit is {max_pixels:_} pixels",
        helps=(Text("scale it down, or raise the limit with ", Option("max_pixels")),),
    )


def _opened(stream: BinaryIO) -> ImageFile.ImageFile:
    """The image that the stream begins with, its pixels not read yet.

    As ``Image.open``, but for its limit of pixels: that one is a setting of the whole process, ours one of the call.
    """
    stream = stream if stream.seekable() else io.BytesIO(stream.read())
    beginning = stream.read(_BEGINNING)
    for factory, accept in _plugins():
        try:
            accepted = accept is None or accept(beginning)
            # A text says why the file is of this format and cannot be read nevertheless.
            if accepted and not isinstance(accepted, str):
                stream.seek(0)
                return factory(stream, "")
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue  # this is how Pillow's formats say that a file is of another
    raise UnidentifiedImageError


@cache
def _plugins() -> tuple[tuple[_Factory, _Accept | None], ...]:
    Image.init()
    known = [Image.OPEN[name] for name in sorted(_FORMATS & set(Image.OPEN))]
    # Those that look at no beginning would try themselves on every file.
    return cast("tuple[tuple[_Factory, _Accept | None], ...]", (*sorted(known, key=lambda one: one[1] is None),))


def _keep_pillow_quiet() -> None:
    """Keep the warnings of Pillow's decoders, about what a file says beside its pixels, from the user's eyes."""
    # Not by `catch_warnings`: that is for one thread alone.
    if _QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", module=_DECODERS)


def _upright(image: Image.Image) -> Image.Image:
    # A camera's broken EXIF block says nothing of the pixels: the image is taken as it lies.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _high_bytes(image, name).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _high_bytes(image: Image.Image, name: str) -> Image.Image:
    """Grey of 16 bits as grey of 8 bits. Pillow's own conversion clips all that is brighter than 255 to white."""
    pixels = np.asarray(image)
    if image.mode == "F" or pixels.min() < 0 or pixels.max() > 0xFFFF:
        kind = "floating-point" if image.mode == "F" else "32-bit"
        raise RunError.of(
            catalogue.IMAGE_RANGE,
            f"`{name}` has {kind} pixels, and nothing says which value is white",
            helps=("save it with 8 or 16 bits a channel",),
        )
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def _ways_out(stream: BinaryIO) -> tuple[str, ...]:
    known = "PNG, JPEG, WebP, TIFF, GIF and BMP are read"
    try:
        stream.seek(0)
        start = stream.read(64)
    except (OSError, ValueError):
        return (known,)
    if not start:
        return ("it is empty",)
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"mif1", b"msf1"):
        return ("it is HEIC, a phone's format: export it as JPEG",)
    said = next((what for beginning, what in _NOT_READ if start.lstrip().lower().startswith(beginning.lower())), None)
    return (said, known) if said else (known,)
