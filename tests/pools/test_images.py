from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semdd_lightning.pools.images import contrast, decode_image

COLOURS = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
FORMATS = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM"]


def _saved(image: Image.Image, path: Path) -> Path:
    image.save(path)
    return path


MODES = {
    ".png": ["1", "L", "LA", "P", "RGB", "RGBA"],
    ".jpg": ["L", "RGB", "CMYK"],
    ".tif": ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"],
}


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix in MODES for mode in MODES[suffix]])
def test_every_mode_becomes_what_convert_makes_of_it(tmp_path: Path, suffix: str, mode: str) -> None:
    source = Image.fromarray(COLOURS).convert("P" if mode == "PA" else mode).convert(mode)
    path = _saved(source, tmp_path / f"image{suffix}")
    image = decode_image(path.read_bytes())
    with Image.open(path) as reopened:
        assert np.array_equal(np.asarray(image), np.asarray(reopened.convert("RGB")))
    assert (image.mode, image.size) == ("RGB", (7, 9))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    deep = np.array([[0, 257, 32768], [65535, 514, 65278]], dtype=np.uint16)
    image = decode_image(_saved(Image.fromarray(deep), tmp_path / f"deep{suffix}").read_bytes())
    assert np.asarray(image)[..., 0].tolist() == [[0, 1, 128], [255, 2, 254]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0.0, 0.5, 1.0]], [0, 128, 255]),
        ([[0.0, 100.0, 255.0]], [0, 100, 255]),
        ([[0.0, 257.0, 65535.0]], [0, 1, 255]),
        ([[-1.0, 0.0, 1.0]], [0, 128, 255]),
        ([[-3.0, -3.0, -3.0]], [0, 0, 0]),
    ],
)
def test_float_grey_is_scaled_by_the_range_that_holds_it(
    tmp_path: Path, values: list[list[float]], expected: list[int]
) -> None:
    path = _saved(Image.fromarray(np.array(values, dtype=np.float32)), tmp_path / "float.tif")
    assert np.asarray(decode_image(path.read_bytes()))[0, :, 1].tolist() == expected


def test_32_bit_integers_and_nan(tmp_path: Path) -> None:
    wide = _saved(Image.fromarray(np.array([[-10, 0, 100_000]], dtype=np.int32)), tmp_path / "wide.tif")
    assert np.asarray(decode_image(wide.read_bytes()))[0, :, 0].tolist() == [0, 0, 255]
    nan = _saved(Image.fromarray(np.array([[np.nan, 1]], dtype=np.float32)), tmp_path / "nan.tif")
    with pytest.raises(OSError, match="Expected finite grey values"):
        decode_image(nan.read_bytes())


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert decode_image((tmp_path / "two.gif").read_bytes()).getpixel((0, 0)) == (255, 0, 0)


def test_orientation_is_left_alone(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.fromarray(COLOURS).save(tmp_path / "turned.jpg", exif=exif)
    assert decode_image((tmp_path / "turned.jpg").read_bytes()).size == (7, 9)


def _encoded(image_format: str) -> bytes:
    buffer = BytesIO()
    Image.fromarray(COLOURS).save(buffer, format=image_format)
    return buffer.getvalue()


def _halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("damage", [_halved, lambda _: b"", lambda _: b"<!DOCTYPE html><html></html>"])
def test_damaged_files_are_os_errors(image_format: str, damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(OSError, match=r"."):
        decode_image(damage(_encoded(image_format)))


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
def test_flipped_bytes_raise_nothing_but_os_errors(image_format: str) -> None:
    content = _encoded(image_format)
    for seed in range(100):
        random = np.random.default_rng(seed)
        damaged = bytearray(content)
        for position in random.integers(0, min(len(content), 100), 3):
            damaged[position] = random.integers(256)
        with suppress(OSError):
            assert decode_image(bytes(damaged)).mode == "RGB"


@pytest.mark.parametrize("size", [(9, 7), (300, 200)])
def test_contrast_is_the_largest_deviation_of_a_channel(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(100, 110, (*size, 3), dtype=np.uint8)
    pixels[..., 2] = 7
    expected = pixels.reshape(-1, 3).std(axis=0).max()
    assert contrast(Image.fromarray(pixels)) == pytest.approx(expected, rel=1e-9)
    assert contrast(Image.new("RGB", size, (255, 0, 128))) == 0


@pytest.mark.parametrize(
    ("limit", "refused"), [(20, True), (40, True), (62, True), (63, False), (None, False)]
)
def test_decompression_bombs_are_refused_above_the_limit_itself(
    monkeypatch: pytest.MonkeyPatch, limit: int | None, refused: bool
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # the image has 63 pixels
    if not refused:
        assert decode_image(_encoded("PNG")).size == (7, 9)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(
            OSError, match=r"DecompressionBombError: Image size \(63 pixels\) exceeds limit of"
        ):
            decode_image(_encoded("PNG"))
