"""Files that a test adds to a pool of two good images, and what comes of it."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.pools import ClassFolders, ExcludedImage, Pool

Pixels = NDArray[np.uint8]
GOOD = ("cat/good.png", "dog/good.png")


def read_with(root: Path, name: str, content: bytes) -> Pool:
    (root / name).write_bytes(content)
    return ClassFolders(root).read()


def only_excluded(pool: Pool) -> ExcludedImage:
    assert pool.paths == GOOD
    (excluded,) = pool.excluded
    return excluded


def random_pixels(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:  # noqa: ANN401 - what save takes
    buffer = io.BytesIO()
    image.save(buffer, format=image_format, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes | None) -> bytes:
    """A PNG put together by hand; without rows it ends after its header."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    content = b"" if rows is None else chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + content + chunk(b"IEND", b"")
