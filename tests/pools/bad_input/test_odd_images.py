"""Odd images that are good, each with the pixels that it should give."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from semdd_lightning.pools.images import decode_image
from tests.pools.bad_input.added_files import GOOD, Pixels, encoded, png, random_pixels, read_with

pytestmark = pytest.mark.filterwarnings("ignore:Expected images to show something")  # 1 x 1 images do not

HEIGHT, WIDTH = 5, 7
RGB = random_pixels(HEIGHT, WIDTH, 3)
GREY = random_pixels(HEIGHT, WIDTH, seed=1)


def _pixels_of(root: Path, name: str, content: bytes) -> Pixels:
    pool = read_with(root, f"cat/{name}", content)
    assert pool.paths == tuple(sorted((*GOOD, f"cat/{name}")))
    assert len(pool.excluded) == 0
    row = list(pool.paths).index(f"cat/{name}")
    pixels = np.asarray(decode_image(pool.read(row)))
    assert (pool.traits.heights[row], pool.traits.widths[row]) == pixels.shape[:2]
    assert pixels.dtype == np.uint8
    return pixels


def _three(grey: NDArray[Any]) -> Pixels:
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)


def test_cmyk_by_the_formula_without_a_profile(root: Path) -> None:
    inks = random_pixels(HEIGHT, WIDTH, 4)
    pixels = _pixels_of(root, "a.tif", encoded(Image.fromarray(inks, "CMYK"), "TIFF"))
    white = 255 - inks[..., 3:].astype(int)  # what black leaves
    assert (pixels == white - np.rint(inks[..., :3] * white / 255)).all()


def test_cmyk_jpeg_is_not_inverted(root: Path) -> None:
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    pixels = _pixels_of(root, "a.jpg", encoded(inks, "JPEG", quality=100))
    assert np.abs(pixels - np.array([255.0, 0, 0])).max() <= 3


@pytest.mark.parametrize(
    "transparency", [None, 3, bytes(range(0, 256, 4))], ids=["opaque", "one entry", "alpha of every entry"]
)
def test_palette_colours_whatever_is_transparent(root: Path, transparency: int | bytes | None) -> None:
    palette, entries = random_pixels(64, 3), random_pixels(HEIGHT, WIDTH) % 64
    image = Image.fromarray(entries, "P")
    image.putpalette(palette.tobytes())
    options = {} if transparency is None else {"transparency": transparency}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = _pixels_of(root, "a.png", encoded(image, "PNG", **options))
    assert (pixels == palette[entries]).all()


def test_two_colours(root: Path) -> None:
    pixels = _pixels_of(root, "a.png", encoded(Image.fromarray(GREY > 100), "PNG"))
    assert (pixels == _three(np.where(GREY > 100, 255, 0))).all()


def test_grey_becomes_three_equal_channels(root: Path) -> None:
    assert (_pixels_of(root, "a.png", encoded(Image.fromarray(GREY), "PNG")) == _three(GREY)).all()


def test_alpha_is_dropped_not_blended(root: Path) -> None:
    rgba = np.dstack([RGB, GREY])
    assert (_pixels_of(root, "a.png", encoded(Image.fromarray(rgba), "PNG")) == RGB).all()
    grey_alpha = np.dstack([GREY, RGB[..., 0]])
    image = Image.fromarray(grey_alpha, "LA")
    assert (_pixels_of(root, "a.png", encoded(image, "PNG")) == _three(GREY)).all()


def test_16_bit_grey_is_scaled_not_clipped(root: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    pixels = _pixels_of(root, "a.png", encoded(Image.fromarray(deep), "PNG"))
    assert (pixels == _three(np.rint(deep / 257))).all()


def test_16_bit_colour_keeps_the_upper_byte(root: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    assert (_pixels_of(root, "a.png", png(WIDTH, HEIGHT, 16, 2, rows)) == deep >> 8).all()


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_picture_of_an_animation(root: Path, image_format: str) -> None:
    frames = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("red", "blue", "lime")]
    options = {"save_all": True, "append_images": frames[1:]}
    if image_format == "WEBP":
        options["lossless"] = True
    pixels = _pixels_of(root, f"a.{image_format.lower()}", encoded(frames[0], image_format, **options))
    assert (pixels == (255, 0, 0)).all()


def test_the_first_picture_of_a_stereo_jpeg(root: Path) -> None:
    left, right = (Image.fromarray(random_pixels(16, 16, 3, seed=seed)) for seed in (0, 1))
    content = encoded(left, "MPO", save_all=True, append_images=[right])
    assert Image.open(io.BytesIO(content)).format == "MPO"
    with Image.open(io.BytesIO(encoded(left, "JPEG"))) as alone:
        assert (_pixels_of(root, "a.jpg", content) == np.asarray(alone)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_turned_on_its_side_is_left_so(root: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = _pixels_of(root, "a.png", encoded(Image.fromarray(RGB), "PNG", exif=exif))
    assert (pixels == RGB).all()


def test_a_single_pixel(root: Path) -> None:
    content = encoded(Image.new("RGB", (1, 1), (1, 2, 3)), "PNG")
    assert _pixels_of(root, "a.png", content).tolist() == [[[1, 2, 3]]]


def test_suffixes_in_capitals_and_suffixes_that_lie(root: Path) -> None:
    assert (_pixels_of(root, "a.PNG", encoded(Image.fromarray(RGB), "PNG")) == RGB).all()
    (root / "cat/a.PNG").unlink()
    assert (_pixels_of(root, "a.JPEG", encoded(Image.fromarray(RGB), "BMP")) == RGB).all()


@pytest.mark.skipif(not features.check("avif"), reason="this build of Pillow reads no AVIF")
def test_avif_where_pillow_reads_it(root: Path) -> None:
    content = encoded(Image.new("RGB", (16, 16), "red"), "AVIF", quality=100)
    assert np.abs(_pixels_of(root, "a.avif", content) - np.array([255.0, 0, 0])).max() <= 6
