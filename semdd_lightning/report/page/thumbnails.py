"""Thumbnails in sheets, so that a page of many images is a few pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from semdd_lightning.pools import Pool, decode_image
from semdd_lightning.progress import image_progress

COLUMNS = 16
CAPACITY = COLUMNS * COLUMNS  # thumbnails of a sheet
EDGES = ((2_000, 96), (20_000, 64))  # up to so many thumbnails, pixels of each
SMALLEST_EDGE = 48
_BLOCK = 16  # of JPEG with halved colour: cells that are whole blocks do not bleed into each other
_BACKGROUND = (128, 128, 128)
_QUALITY = {SMALLEST_EDGE: 65}  # of JPEG by the edge: a page of many images is large
_USUAL_QUALITY = 80


@dataclass(frozen=True)
class Sheets:
    """Thumbnails in the order in which they were asked for.

    Attributes:
        edge: pixels of a side of a thumbnail's cell.
        jpegs: the pictures, each with `COLUMNS` cells in a row and `CAPACITY` cells.
    """

    edge: int
    jpegs: tuple[bytes, ...]


def thumbnail_sheets(*images: tuple[Pool, Sequence[int]]) -> Sheets:
    """Draw thumbnails of images; small ones keep their pixels, large ones are made smaller.

    Args:
        images: pools, each with the rows of its images.
    """
    edge = _edge(images)
    every = [(pool, row) for pool, rows in images for row in rows]
    with image_progress("Drawing thumbnails", len(every), after=1.0, keep=False) as advance:
        sheets = []
        for start in range(0, len(every), CAPACITY):
            sheets.append(_sheet(every[start : start + CAPACITY], edge))
            advance(len(every[start : start + CAPACITY]))
    return Sheets(edge, tuple(sheets))


def _edge(images: Sequence[tuple[Pool, Sequence[int]]]) -> int:
    """The side of a cell: as large as the images, and smaller the more there are."""
    sides = [
        int(max(pool.traits.widths[rows].max(), pool.traits.heights[rows].max()))
        for pool, rows in images
        if len(rows)
    ]
    if not sides:
        return SMALLEST_EDGE
    count = sum(len(rows) for _, rows in images)
    most = next((edge for limit, edge in EDGES if count <= limit), SMALLEST_EDGE)
    return min(most, -(-max(sides) // _BLOCK) * _BLOCK)


def _sheet(images: Sequence[tuple[Pool, int]], edge: int) -> bytes:
    sheet = Image.new("RGB", (COLUMNS * edge, -(-len(images) // COLUMNS) * edge), _BACKGROUND)
    for i, (pool, row) in enumerate(images):
        image = decode_image(pool.read(row), at_least=edge)
        image.thumbnail((edge, edge), Image.Resampling.BOX)
        left, top = edge * (i % COLUMNS), edge * (i // COLUMNS)
        sheet.paste(image, (left + (edge - image.width) // 2, top + (edge - image.height) // 2))
    content = BytesIO()
    sheet.save(content, format="JPEG", quality=_QUALITY.get(edge, _USUAL_QUALITY))
    return content.getvalue()
