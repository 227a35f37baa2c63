"""What the pages share: a filled template, data that no name in it can break, and sheets of thumbnails."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from semdd_lightning.atomic import write_atomically
from semdd_lightning.pools import Pool
from semdd_lightning.progress import image_progress

COLUMNS = 16
CAPACITY = COLUMNS * COLUMNS  # thumbnails of a sheet
EDGES = ((2_000, 96), (20_000, 64))  # up to so many thumbnails, pixels of each
SMALLEST_EDGE = 48
_BLOCK = 16  # of JPEG with halved colour: cells that are whole blocks do not bleed into each other
_BACKGROUND = (128, 128, 128)
_QUALITY = {SMALLEST_EDGE: 65}  # of JPEG by the edge: a page of many images is large
_USUAL_QUALITY = 80


def write_filled(
    path: Path,
    template: str,
    scripts: Sequence[str],
    parts: Mapping[str, str],
    data: Mapping[str, Any],
    sheets: Sheets,
) -> None:
    """Write a page that needs no other file.

    Args:
        path: the HTML file to write.
        template: name of the template, in which ``<!--NAME-->`` stands for a part.
        scripts: names of its scripts, in the order in which they run.
        parts: finished HTML by name.
        data: what the scripts read; numbers in it are finite.
        sheets: the thumbnails.

    Raises:
        DiskError: if it cannot be written.
    """
    of_sheets = {"edge": sheets.edge, "columns": COLUMNS, "capacity": CAPACITY}
    filled = {
        **parts,
        "style": _file("page.css"),
        "script": "\n".join(map(_file, scripts)),
        "data": script_json({**data, "sheets": of_sheets}),
        "sheets": _sheet_elements(sheets),
    }
    page = re.sub(r"<!--(\w+)-->", lambda found: filled[found[1]], _file(template))
    write_atomically(path, page.encode())


def script_json(data: object) -> str:
    r"""JSON that can stand in a script element, whatever the texts in it are.

    >>> print(script_json("</script>&\u2028"))
    "\u003c/script\u003e\u0026\u2028"

    Args:
        data: what to write; numbers in it are finite.
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


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


def _sheet_elements(sheets: Sheets) -> str:
    """Each sheet in an element of its own, which the page looks into when it comes to its images."""
    return "\n".join(
        f'<script type="text/plain" id="sheet-{number}">{b64encode(jpeg).decode()}</script>'
        for number, jpeg in enumerate(sheets.jpegs)
    )


def _file(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


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
        image = pool.image(row, at_least=edge)
        image.thumbnail((edge, edge), Image.Resampling.BOX)
        left, top = edge * (i % COLUMNS), edge * (i // COLUMNS)
        sheet.paste(image, (left + (edge - image.width) // 2, top + (edge - image.height) // 2))
    content = BytesIO()
    sheet.save(content, format="JPEG", quality=_QUALITY.get(edge, _USUAL_QUALITY))
    return content.getvalue()
