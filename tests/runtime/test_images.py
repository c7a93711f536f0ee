"""Image files of every kind, and files that are not images."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from resdsl.diagnostics.errors import RunError
from resdsl.runtime.images import decode_image, load_image

RED, GREEN = (255, 0, 0), (0, 255, 0)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def colors(image: Image.Image) -> list[tuple[int, int, int]]:
    assert image.mode == "RGB"
    return [tuple(pixel) for pixel in np.asarray(image).reshape(-1, 3).tolist()]


def problem(content: bytes, **options: int) -> str:
    with pytest.raises(RunError) as caught:
        decode_image(content, "x.png", **options)
    diagnostic = caught.value.diagnostic
    return f"{diagnostic.code.id}: {diagnostic.message} | {'; '.join(diagnostic.helps)}"


def test_a_photograph_comes_back_as_it_was(tmp_path: Path) -> None:
    chelsea = data.chelsea()
    path = tmp_path / "chelsea.png"
    Image.fromarray(chelsea).save(path)
    np.testing.assert_array_equal(np.asarray(load_image(path)), chelsea)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA", "WEBP", "GIF", "PCX"])
def test_every_lossless_format_is_read(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    image = Image.new("RGB", (2, 2), RED)
    assert colors(decode_image(saved(image, kind, **options), "x")) == [RED] * 4


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(Image.new("L", (1, 1), 77), (77, 77, 77), id="grey"),
        pytest.param(Image.new("1", (1, 1), 1), (255, 255, 255), id="one bit"),
        pytest.param(Image.new("LA", (1, 1), (77, 255)), (77, 77, 77), id="opaque grey"),
        pytest.param(Image.new("RGBA", (1, 1), (10, 20, 30, 255)), (10, 20, 30), id="opaque"),
        pytest.param(Image.new("RGBA", (1, 1), (10, 20, 30, 0)), (255, 255, 255), id="hidden color"),
        # 0.2 of black over white: 255 * (1 - 51 / 255).
        pytest.param(Image.new("RGBA", (1, 1), (0, 0, 0, 51)), (204, 204, 204), id="half transparent"),
        pytest.param(Image.new("LA", (1, 1), (0, 0)), (255, 255, 255), id="transparent grey"),
        pytest.param(Image.fromarray(np.array([[0x1234]], np.uint16)), (0x12, 0x12, 0x12), id="16 bit"),
        pytest.param(Image.fromarray(np.array([[0xFFFF]], np.uint16)), (255, 255, 255), id="16 bit white"),
    ],
)
def test_every_mode_becomes_what_is_seen(image: Image.Image, expected: tuple[int, int, int]) -> None:
    assert colors(decode_image(saved(image), "x")) == [expected]


def test_a_transparent_color_of_a_palette_is_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    assert colors(decode_image(saved(image, transparency=0), "x")) == [(255, 255, 255), GREEN]


def test_a_transparent_color_of_an_rgb_image_is_white() -> None:
    image = Image.new("RGB", (2, 1), RED)
    image.putpixel((1, 0), GREEN)
    assert colors(decode_image(saved(image, transparency=RED), "x")) == [(255, 255, 255), GREEN]


def test_cmyk_is_converted() -> None:
    image = Image.new("CMYK", (1, 1), (0, 255, 255, 0))
    assert colors(decode_image(saved(image, "TIFF"), "x")) == [RED]


# EXIF orientation (CIPA DC-008, tag 0x0112): where the row 0 and column 0 of the stored pixels are seen.
@pytest.mark.parametrize(
    ("orientation", "size", "first"),
    [(1, (2, 1), RED), (2, (2, 1), GREEN), (3, (2, 1), GREEN), (6, (1, 2), RED), (8, (1, 2), GREEN)],
)
def test_the_cameras_rotation_is_applied(orientation: int, size: tuple[int, int], first: tuple[int, int, int]) -> None:
    image = Image.new("RGB", (2, 1), RED)
    image.putpixel((1, 0), GREEN)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = decode_image(saved(image, exif=exif), "x")
    assert upright.size == size
    assert colors(upright)[0] == first


def test_a_broken_exif_block_does_not_matter() -> None:
    content = saved(Image.new("RGB", (2, 1), RED), exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert colors(decode_image(content, "x")) == [RED] * 2


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP"])
def test_the_first_frame_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (2, 2), color) for color in (RED, GREEN)]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert colors(decode_image(content, "x")) == [RED] * 4


def test_an_image_over_the_limit_is_refused_before_it_is_decoded() -> None:
    content = saved(Image.new("RGB", (30, 20)))
    assert decode_image(content, "x", max_pixels=600).size == (30, 20)
    assert problem(content, max_pixels=599).startswith("E0821: `x.png` has 30 x 20 pixels; the limit is 599 pixels")


def test_a_decompression_bomb_is_refused() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
    assert "60000 x 60000" in problem(bomb)


def test_pillows_own_limit_is_left_as_it_was() -> None:
    before = Image.MAX_IMAGE_PIXELS
    problem(saved(Image.new("RGB", (30, 20))), max_pixels=5)
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_large_limit_allows_what_pillow_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert decode_image(saved(Image.new("RGB", (30, 20))), "x").size == (30, 20)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF"])
def test_a_cut_off_image_is_damaged(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    content = saved(noise, kind)
    assert problem(content[: len(content) // 2]).startswith("E0820: `x.png` is")


def test_pixels_without_a_white_are_refused() -> None:
    float_pixels = saved(Image.fromarray(np.array([[0.5]], np.float32)), "TIFF")
    assert problem(float_pixels).startswith("E0822: `x.png` has floating-point pixels")
    wide_pixels = saved(Image.fromarray(np.array([[70_000]], np.int32)), "TIFF")
    assert problem(wide_pixels).startswith("E0822: `x.png` has 32-bit pixels")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "it is empty"),
        (b"hello", "PNG, JPEG"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (b"\n<!DOCTYPE html><html>", "HTML page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1", "HEIC"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
def test_what_is_no_image_is_named(content: bytes, expected: str) -> None:
    message = problem(content)
    assert message.startswith("E0820: `x.png` is not an image in a known format")
    assert expected in message


def test_a_missing_file_is_reported_with_a_similar_one(tmp_path: Path) -> None:
    (tmp_path / "chelsea.png").write_bytes(b"x")
    with pytest.raises(RunError) as caught:
        load_image(tmp_path / "chelsae.png")
    assert caught.value.diagnostic.code.id == "E0801"
    assert caught.value.diagnostic.helps == (f"there is a file `{tmp_path / 'chelsea.png'}`",)


def test_a_folder_and_an_empty_file_are_reported(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    for path, code in ((tmp_path, "E0802"), (tmp_path / "empty.png", "E0805"), (Path("a\0b"), "E0803")):
        with pytest.raises(RunError) as caught:
            load_image(path)
        assert caught.value.diagnostic.code.id == code


def test_a_pipe_is_read(tmp_path: Path) -> None:
    import threading

    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=[saved(Image.new("RGB", (2, 2), RED))])
    writer.start()
    assert colors(load_image(path)) == [RED] * 4
    writer.join()
