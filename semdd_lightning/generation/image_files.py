"""The files of made images: numbered PNG, each of which says what it was made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from semdd_lightning.errors import PoolError
from semdd_lightning.pools import decode_image

TEXT = "semdd"
"""Name of the PNG text that says what an image is."""


def file_name(number: int) -> str:
    """The file of an image, so that names sort as numbers do.

    >>> file_name(7)
    '00007.png'
    """
    return f"{number:05d}.png"


def encoded(image: Image.Image, facts: Mapping[str, Any]) -> bytes:
    """The whole file of an image.

    Args:
        image: the image.
        facts: class, number, seed and what it was made of, in plain values.
    """
    text = PngImagePlugin.PngInfo()
    text.add_itxt(TEXT, json.dumps(facts, sort_keys=True))
    stream = BytesIO()
    image.save(stream, format="PNG", pnginfo=text)
    return stream.getvalue()


def is_whole(path: Path, side: int | None) -> bool:
    """Whether a file is there and holds a whole image; what a broken disk left is made again.

    Args:
        path: the file.
        side: pixels a side that it must have; none takes any.
    """
    try:
        size = decode_image(path.read_bytes()).size
    except OSError:
        return False
    return side is None or size == (side, side)


def image_facts(path: Path) -> dict[str, Any]:
    """What a made image says of itself: class, number, seed and what it was made of.

    Args:
        path: its file.

    Raises:
        PoolError: if it says nothing.
    """
    with Image.open(path) as image:
        text = image.info.get(TEXT)
    if text is None:
        msg = f"Expected an image that `semdd pool make` wrote at {path}, found another; correct the path."
        raise PoolError(msg)
    facts: dict[str, Any] = json.loads(text)
    return facts
