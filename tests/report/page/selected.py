"""A selection from a small pool whose names are as hostile as a file system lets them be."""

from __future__ import annotations

import colorsys
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from PIL import Image

from semdd_lightning.export import selection_table
from semdd_lightning.pools import ClassFolders, Pool
from semdd_lightning.report import statistics_record
from semdd_lightning.report.page.selection_page import write_page
from semdd_lightning.selection import Embeddings, build_sampler, selection_report

FOLDERS = ("<script>alert(1)<", "b&b", "plain")
FILES = (
    "script>.png",
    "\x1b[31m\u202e.png",
    '"><img src=x onerror=alert(2)>.png',
    "<!--data-->.png",
    'a,"b"\n\\n\'.png',
)
MADE_BY = "semdd select '<pool>' --ipc 3"
PRIOR = "<prior>:tag"
AGAIN = "semdd select '<pool>' --ipc 3 --choices choices.csv"
FOLDER_RECORDS = [
    {
        "folder": FOLDERS[0],
        "class": "<i>odd",
        "agreement": 0.5,
        "reference_agreement": None,
        "suspected_class": "<b>other",
        "share": 0.4,
        "verdict": "suspect",
    },
    *({"folder": name, "verdict": "ok"} for name in FOLDERS[1:]),
]


def paint(path: Path, number: int, size: tuple[int, int] = (32, 32)) -> None:
    """An image of one colour, another for each number."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618 % 1, 0.5 + number % 3 / 6, 1 - number % 5 / 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (round(255 * red), round(255 * green), round(255 * blue))).save(path)


@dataclass(frozen=True)
class Selected:
    """A selection and the page of it."""

    pool: Pool
    table: pd.DataFrame
    page: Path

    @property
    def text(self) -> str:
        return self.page.read_text(encoding="utf-8")

    @property
    def data(self) -> dict[str, Any]:
        """What the page's script reads."""
        (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', self.text, re.S)
        return dict(json.loads(text))


def select_hostile(
    folder: Path, per_class: int = 40, choices: dict[str, tuple[str, ...]] | None = None
) -> Selected:
    """Three of each class chosen by two_stage, on a pool with a broken file, and what was decided before."""
    for c, name in enumerate(FOLDERS):
        for i in range(per_class):
            file = FILES[i] if i < len(FILES) else f"{i:03d}.png"
            paint(folder / "pool" / name / file, per_class * c + i)
    (folder / "pool" / "plain" / "broken.png").write_bytes(b"no image")
    pool = ClassFolders(folder / "pool").read()
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(len(pool), 8, generator=generator), dim=1)
    prompts = torch.nn.functional.normalize(torch.randn(3, 8, generator=generator), dim=1)
    seen = Embeddings(vectors, torch.from_numpy(pool.labels), prompts, 100.0)
    selection = build_sampler("two_stage").select(seen, 3, 0)
    table = selection_table(pool, selection)
    page = write_page(
        folder / "report.html",
        table,
        pool,
        vectors,
        report=statistics_record(selection_report(seen, selection)),
        manifest={
            "ipc": 3,
            "sampler_name": "two_stage",
            "pool_root": str(pool.root),
            "paths": ["left out"],
            "choices": choices,
        },
        made_by=MADE_BY,
        again=AGAIN,
        prior=PRIOR,
        audit={"verdict": "warn", "prior_knows_classes": True, "folders": FOLDER_RECORDS},
        resembles={table["path"][5]: 2},
    )
    return Selected(pool, table, page)
