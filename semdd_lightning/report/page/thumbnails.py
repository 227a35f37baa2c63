"""Thumbnails in sheets, so that a page of many images is a few pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from semdd_lightning.pools import Pool, decode_image

COLUMNS = 16
CAPACITY = COLUMNS * COLUMNS  # thumbnails of a sheet
EDGES = ((2_000, 96), (20_000, 64))  # up to so many thumbnails, pixels of each
SMALLEST_EDGE = 48
_BLOCK = 16  # of JPEG with halved colour: cells that are whole blocks do not bleed into each other
_BACKGROUND = (128, 128, 128)
_QUALITY = 80


@dataclass(frozen=True)
class Sheets:
    """Thumbnails in the order in which they were asked for.

    Attributes:
        edge: pixels of a side of a thumbnail's cell.
        jpegs: the pictures, each with `COLUMNS` cells in a row and `CAPACITY` cells.
    """

    edge: int
    jpegs: tuple[bytes, ...]


def thumbnail_sheets(pool: Pool, rows: Sequence[int]) -> Sheets:
    """Draw thumbnails of images; small ones keep their pixels, large ones are made smaller.

    Args:
        pool: the pool.
        rows: which of its images.
    """
    edge = _edge(pool, rows)
    parts = [rows[start : start + CAPACITY] for start in range(0, len(rows), CAPACITY)]
    return Sheets(edge, tuple(_sheet(pool, part, edge) for part in parts))


def _edge(pool: Pool, rows: Sequence[int]) -> int:
    """The side of a cell: as large as the images, and smaller the more there are."""
    if not rows:
        return SMALLEST_EDGE
    largest = int(max(pool.traits.widths[rows].max(), pool.traits.heights[rows].max()))
    most = next((edge for count, edge in EDGES if len(rows) <= count), SMALLEST_EDGE)
    return min(most, -(-largest // _BLOCK) * _BLOCK)


def _sheet(pool: Pool, rows: Sequence[int], edge: int) -> bytes:
    sheet = Image.new("RGB", (COLUMNS * edge, -(-len(rows) // COLUMNS) * edge), _BACKGROUND)
    for i, row in enumerate(rows):
        image = decode_image(pool.read(row), at_least=edge)
        image.thumbnail((edge, edge), Image.Resampling.BOX)
        left, top = edge * (i % COLUMNS), edge * (i // COLUMNS)
        sheet.paste(image, (left + (edge - image.width) // 2, top + (edge - image.height) // 2))
    content = BytesIO()
    sheet.save(content, format="JPEG", quality=_QUALITY)
    return content.getvalue()
