"""One picture of what was chosen, a row per class; and a selection in the loggers of an experiment."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from functools import cache
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from semdd_lightning.atomic import write_atomically
from semdd_lightning.names import shown
from semdd_lightning.pools import Pool

if TYPE_CHECKING:  # a table on the terminal needs no Lightning
    from lightning.pytorch.loggers import Logger

MOST_CLASSES = 20
MOST_CHOSEN = 10
REJECTED = 4
# in pixels
LARGE, SMALL = 13.3, 11.7  # of text
CELL, IMAGE = 90, 76
LEFT, TOP, RIGHT, BOTTOM = 130, 64, 5, 8
FRAME = "#d62728"  # of what was rejected
LOGGED = "selection"  # what loggers call it


def write_contact_sheet(path: Path, table: pd.DataFrame, pool: Pool) -> Path:
    """Write chosen images in pick order beside the worst-scored rejected ones.

    Args:
        path: PNG to write.
        table: score table of a selection.
        pool: the pool that the selection was made from.
    """
    content = BytesIO()
    draw_contact_sheet(table, pool).save(content, format="png")
    write_atomically(path, content.getbuffer())
    return path


def draw_contact_sheet(table: pd.DataFrame, pool: Pool) -> Image.Image:
    """The contact sheet as a picture, for up to 20 classes and 10 chosen images each."""
    by_class = dict(islice(table.groupby("label"), MOST_CLASSES))
    picked = {label: of_class[of_class["stage"] == "selected"] for label, of_class in by_class.items()}
    columns = min(MOST_CHOSEN, max(map(len, picked.values())))
    size = (LEFT + CELL * (columns + 1 + REJECTED) + RIGHT, TOP + CELL * len(by_class) + BOTTOM)
    picture = Image.new("RGB", size, "white")
    draw, large, small = ImageDraw.Draw(picture), _font(LARGE), _font(SMALL)

    count = table["label"].nunique()
    more = f", first {len(by_class)} of {count} classes" if count > len(by_class) else ""
    title = f"Chosen, in the order picked{more}  |  right, framed: rejected with the lowest quality"
    draw.text((size[0] / 2, TOP / 4), title, "black", large, anchor="mm")
    for column in range(columns):
        draw.text((cell_centre(0, column)[0], TOP - 10), f"{column + 1}", "black", small, anchor="mm")
    for row, (label, of_class) in enumerate(by_class.items()):
        name = textwrap.shorten(shown(of_class["class_name"].iloc[0]), 16, placeholder="...")
        draw.text((LEFT - 10, cell_centre(row, 0)[1]), name, "black", large, anchor="rm")
        chosen = picked[label].sort_values("step").head(MOST_CHOSEN)
        for column, path in enumerate(chosen["path"]):
            _paste(picture, cell_centre(row, column), pool, path)
        left = of_class[of_class["stage"].isin(["candidate", "filtered"])]
        rejected = left.sort_values("quality").head(REJECTED)
        for column, path in enumerate(rejected["path"], start=columns + 1):
            _paste(picture, cell_centre(row, column), pool, path, frame=FRAME)
    return picture


@cache
def _font(size: float) -> ImageFont.FreeTypeFont:
    """Matplotlib's own font, which is there on every machine."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def cell_centre(row: int, column: int) -> tuple[int, int]:
    """Where the middle of an image lies, in pixels from the left and from the top.

    Args:
        row: Row of its class.
        column: Its place in the row.
    """
    return LEFT + CELL * column + CELL // 2, TOP + CELL * row + CELL // 2


def _paste(
    picture: Image.Image, centre: tuple[int, int], pool: Pool, path: str, frame: str | None = None
) -> None:
    image = pool.image(pool.find(path))
    scale = IMAGE / max(image.size)
    width, height = (max(1, round(scale * side)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX)
    left, top = centre[0] - width // 2, centre[1] - height // 2
    picture.paste(image, (left, top))
    if frame is not None:
        edges = (left - 3, top - 3, left + width + 2, top + height + 2)
        ImageDraw.Draw(picture).rectangle(edges, outline=frame, width=3)


def log_selection(
    loggers: Iterable[Logger], report: Mapping[str, Mapping[str, float | None]], sheet: Path
) -> None:
    """Give every logger the selection, at step 0, through what it has for metrics and pictures.

    A metric is called ``selection/<metric>/<set>``, as ``selection/coverage/random``, so that the pool, the
    candidates, the chosen images and a random choice stand beside each other. A logger without pictures, as
    Lightning's for CSV files, gets the metrics alone.

    Args:
        loggers: of a trainer.
        report: what `statistics_record` gave.
        sheet: the contact sheet.
    """
    metrics = {
        f"{LOGGED}/{metric}/{subset}": value
        for subset, values in report.items()
        for metric, value in values.items()
        if value is not None
    }
    for logger in loggers:
        logger.log_metrics(metrics, step=0)
        _log_picture(logger, sheet)


def _log_picture(logger: Logger, sheet: Path) -> None:
    from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger

    with Image.open(sheet) as opened:
        picture = opened.convert("RGB")
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(LOGGED, np.asarray(picture), 0, dataformats="HWC")
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_image(logger.run_id, picture, artifact_file=f"{LOGGED}.png")
    elif hasattr(logger, "log_image"):  # Weights & Biases, and whoever does as it does
        logger.log_image(key=LOGGED, images=[picture], step=0)
