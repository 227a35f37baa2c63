"""What each sampler of a comparison chose, in one picture.

    python -m benchmarks.evidence.pictures COMPARISON picture.png --classes 6

A block for each class, in it a row for each sampler, the images in order of the picks, of the first seed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from PIL import Image

from semdd_lightning.evaluation import read_cells
from semdd_lightning.export import exported_images, read_manifest, read_table

PIXELS = 48


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("comparison", type=Path, help="directory of `semdd compare`")
    parser.add_argument("picture", type=Path, help="file to write")
    parser.add_argument("--classes", type=int, default=6, help="classes shown, spread over all")
    parser.add_argument("--images", type=int, default=10, help="images of a class, at most")
    options = parser.parse_args()
    rows = dict[str, dict[str, list[Path]]]()  # the first cell of a sampler has the first seed
    for cell in read_cells(options.comparison):
        if str(cell.axes["sampler"]) not in rows:
            rows[str(cell.axes["sampler"])] = chosen(options.comparison / cell.directory)
    names = list(next(iter(rows.values())))
    shown = [
        names[index * len(names) // options.classes] for index in range(min(options.classes, len(names)))
    ]
    draw(rows, shown, options.images, options.picture)


def chosen(run: Path) -> dict[str, list[Path]]:
    """By class, the files that a run chose, in order of the picks.

    Args:
        run: a run directory.
    """
    table: pd.DataFrame = read_table(run)
    files = dict(exported_images(run, read_manifest(run)))
    picked = table[table["stage"] == "selected"].sort_values(["label", "step"])
    return {
        str(name): [files[path] for path in of_class["path"]]
        for name, of_class in picked.groupby("class_name", sort=False)
    }


def draw(rows: dict[str, dict[str, list[Path]]], names: list[str], images: int, picture: Path) -> None:
    """Draw samplers by classes.

    Args:
        rows: by sampler and class, the chosen files.
        names: the classes to show.
        images: images of a class, at most.
        picture: file to write.
    """
    images = min(images, max(len(files) for of_class in rows.values() for files in of_class.values()))
    height, width = len(names) * len(rows), images
    figure, axes = plt.subplots(
        height, width, figsize=(width * 0.55 + 1.6, height * 0.55), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for block, name in enumerate(names):
        for line, (sampler, of_class) in enumerate(rows.items()):
            row = axes[block * len(rows) + line]
            row[0].text(
                -0.15, 0.5, f"{name}\n{sampler}" if line == 0 else sampler, transform=row[0].transAxes,
                ha="right", va="center", fontsize=6,
            )  # fmt: skip
            for axis, file in zip(row, of_class[name], strict=False):
                with Image.open(file) as image:
                    axis.imshow(image.convert("RGB").resize((PIXELS, PIXELS)))
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
