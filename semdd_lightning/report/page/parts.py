"""What the pages share: templates, data that no name in it can break, tables, and sheets of thumbnails."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from semdd_lightning.atomic import write_atomically
from semdd_lightning.names import shown
from semdd_lightning.pools import Pool
from semdd_lightning.progress import image_progress

COLUMNS = 16
CAPACITY = COLUMNS * COLUMNS  # thumbnails of a sheet
EDGES = ((2_000, 96), (20_000, 64))  # up to so many thumbnails, pixels of each
SMALLEST_EDGE = 48
_BLOCK = 16  # of JPEG with halved colour: cells that are whole blocks do not bleed into each other
_BACKGROUND = (128, 128, 128)


def html(text: object) -> str:
    """A text from outside as it can stand in a page."""
    return escape(shown(text))


def fill(template: str, parts: Mapping[str, str]) -> str:
    """A page out of its template, in which ``<!--NAME-->`` stands for a part.

    Args:
        template: name of its file.
        parts: finished HTML by name.
    """
    return re.sub(r"<!--(\w+)-->", lambda found: parts[found[1]], _file(template))


def write_filled(
    path: Path,
    template: str,
    scripts: Sequence[str],
    parts: Mapping[str, str],
    data: Mapping[str, Any],
    *images: tuple[Pool, Sequence[int]],
) -> None:
    """Write a page with thumbnails that needs no other file.

    Args:
        path: the HTML file to write.
        template: name of the template.
        scripts: names of its scripts, in the order in which they run.
        parts: finished HTML by name.
        data: what the scripts read; numbers in it are finite.
        images: pools, each with the rows of its images; their thumbnails are numbered in this order.

    Raises:
        DiskError: if it cannot be written.
    """
    sheets = thumbnail_sheets(*images)
    filled = {
        **parts,
        "style": _file("page.css"),
        "script": "\n".join(map(_file, scripts)),
        "data": script_json(
            {**data, "sheets": {"edge": sheets.edge, "columns": COLUMNS, "capacity": CAPACITY}}
        ),
        "sheets": "\n".join(  # an element each, which the page looks into when it comes to its images
            f'<script type="text/plain" id="sheet-{number}">{b64encode(jpeg).decode()}</script>'
            for number, jpeg in enumerate(sheets.jpegs)
        ),
    }
    write_atomically(path, fill(template, filled).encode())


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


def folders_table(folders: Sequence[Mapping[str, Any]]) -> str:
    """Folders with agreement, resembled class, share and verdict.

    Args:
        folders: what `folder_records` returns, all or some.
    """
    rows = []
    for folder in folders:
        verdict, expected = folder["verdict"], folder["reference_agreement"]
        cells = [
            folder["class"],
            f"{folder['agreement']:.0%}",
            "-" if expected is None else f"{expected:.0%}",
            "-" if verdict == "ok" else folder["suspected_class"],
            f"{folder['share']:.0%}",
        ]
        texts = "".join(f"<td>{html(cell)}</td>" for cell in cells)
        head = f'<th scope="row">{html(folder["folder"])}</th>'
        rows.append(f'<tr>{head}{texts}<td class="verdict {verdict}">{verdict}</td></tr>')
    names = ("folder", "class", "agreement", "real images", "resembles", "share", "verdict")
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        f'<div class="wide"><table class="folders"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


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
    sheet.save(
        content, format="JPEG", quality=65 if edge == SMALLEST_EDGE else 80
    )  # many images: a large page
    return content.getvalue()
