"""Files that are no images, or no whole ones: each is left out with its reason."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import pytest
from PIL import Image

from semdd_lightning.pools import ExcludedImage
from tests.pools.bad_input.added_files import encoded, only_excluded, png, random_pixels, read_with
from tests.pools.tar_makers import noise


def test_a_zero_byte_file(root: Path) -> None:
    excluded = only_excluded(read_with(root, "dog/a.png", b""))
    assert excluded == ExcludedImage("dog/a.png", 1, "unreadable: empty file")


@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_truncated_jpeg(root: Path, share: float, options: dict[str, bool]) -> None:
    content = encoded(Image.fromarray(random_pixels(64, 64, 3)), "JPEG", **options)
    excluded = only_excluded(read_with(root, "dog/a.jpg", content[: int(share * len(content))]))
    assert (excluded.path, excluded.class_index) == ("dog/a.jpg", 1)
    assert excluded.reason.startswith("unreadable: image file is truncated")


def test_a_jpeg_that_ends_in_its_header(root: Path) -> None:
    excluded = only_excluded(read_with(root, "dog/a.jpg", noise(0, "JPEG")[:30]))
    assert excluded.reason.startswith("unreadable: ")


def test_a_web_page_saved_as_png(root: Path) -> None:
    page = b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
    excluded = only_excluded(read_with(root, "dog/a.png", page))
    assert excluded == ExcludedImage("dog/a.png", 1, "unreadable: no known image format")


def _gif_header(width: int, height: int) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0)
    return screen + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02L\x01\x00;"


BOMBS = {
    "a.png": png(60_000, 60_000, 8, 2, None),
    "a.gif": _gif_header(60_000, 60_000),
    "b.png": png(10_000, 10_000, 8, 2, bytes(1_000)),  # PIL itself would warn and begin to decode
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_decompression_bomb_is_refused_by_its_header(root: Path, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        excluded = only_excluded(read_with(root, f"dog/{name}", BOMBS[name]))
    assert (excluded.path, excluded.class_index) == (f"dog/{name}", 1)
    assert excluded.reason.startswith("unreadable: DecompressionBombError: Image size (")
    assert "pixels) exceeds limit of" in excluded.reason


def test_formats_that_nothing_here_decodes(root: Path) -> None:
    heic = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(40)
    excluded = only_excluded(read_with(root, "dog/a.heic", heic))
    assert excluded == ExcludedImage("dog/a.heic", 1, "unreadable: no known image format")
