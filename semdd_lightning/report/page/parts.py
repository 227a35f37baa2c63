"""What the pages share: a template whose marks are filled, data that no name in it can break, and sheets."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from semdd_lightning.atomic import write_atomically
from semdd_lightning.report.page.thumbnails import CAPACITY, COLUMNS, Sheets


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


def _sheet_elements(sheets: Sheets) -> str:
    """Each sheet in an element of its own, which the page looks into when it comes to its images."""
    return "\n".join(
        f'<script type="text/plain" id="sheet-{number}">{b64encode(jpeg).decode()}</script>'
        for number, jpeg in enumerate(sheets.jpegs)
    )


def _file(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
