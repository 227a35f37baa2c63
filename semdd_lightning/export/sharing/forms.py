"""The forms that a selection is shared in, and what is put beside the images in each of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from semdd_lightning.export.class_folders import export_folders
from semdd_lightning.export.files import new_directory, write_csv, write_text
from semdd_lightning.export.manifest import FILE_NAME
from semdd_lightning.export.sharing.chosen_images import ChosenImages
from semdd_lightning.export.sharing.hub import dataset_card
from semdd_lightning.export.sharing.packed_files import write_parquet, write_tars
from semdd_lightning.export.subset import IMAGES
from semdd_lightning.names import shown


@dataclass(frozen=True)
class Form:
    """A way to share a selection.

    Attributes:
        meaning: what is written, in a few words.
        write: writes the images into a folder.
        data_files: pattern of the files that hold them, as a card has it.
        class_folders: what each class is called there, in class order.
        load: code that opens them, from the place and the number of files.
        packed: whether many images share a file.
    """

    meaning: str
    write: Callable[[ChosenImages, Path], None]
    data_files: str
    class_folders: Callable[[ChosenImages], tuple[str, ...]]
    load: Callable[[str, int], str]
    packed: bool = True


def write_folders(chosen: ChosenImages, folder: Path) -> None:
    """Write ``images/<class folder>/<image>``, and ``<image>.npy`` with its logits where there are any.

    Args:
        chosen: the images.
        folder: where to.
    """
    for index in chosen.shown():
        target = folder / IMAGES / chosen.names[index]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(chosen.read(index))
        if chosen.soft_labels is not None:
            logits = chosen.soft_labels.logits[index]
            np.save(target.with_name(f"{target.name}.npy"), logits, allow_pickle=False)


def _load_tars(place: str, files: int) -> str:
    shards = f"{place}/train-{{000000..{files - 1:06d}}}.tar"
    return (
        f"import webdataset\n\nshards = {shards!r}\n"
        "images = webdataset.WebDataset(shards, shardshuffle=False).decode('pil')"
    )


FORMS = {
    "hf": Form(
        "Parquet files with a card, as `datasets.load_dataset` opens them",
        write_parquet,
        "data/train-*.parquet",
        lambda chosen: chosen.class_labels,
        lambda place, _: (
            f"from datasets import load_dataset\n\nimages = load_dataset({place!r}, split='train')"
        ),
    ),
    "webdataset": Form(
        "tar shards by the WebDataset convention",
        write_tars,
        "train-*.tar",
        lambda chosen: chosen.class_labels,
        _load_tars,
    ),
    "folders": Form(
        "one folder a class, as torchvision's `ImageFolder` opens them",
        write_folders,
        f"{IMAGES}/**",
        lambda chosen: export_folders(chosen.manifest.registry),
        lambda place, _: (
            f"from torchvision.datasets import ImageFolder\n\nimages = ImageFolder({f'{place}/{IMAGES}'!r})"
        ),
        packed=False,
    ),
}
"""By what `semdd export --to` calls it."""


def write_shared(
    chosen: ChosenImages, form: str, directory: Path, labels_said: str, name: str | None = None
) -> Path:
    """Write a selection in a form of `FORMS`, all of it or nothing.

    Beside the images lie the manifest, ``classes.csv`` with the classes in their order, and ``README.md``.

    Args:
        chosen: the images.
        form: which form.
        directory: where to; must not exist.
        labels_said: what the card says of soft labels.
        name: ``user/name`` on the hub, where it goes there.

    Raises:
        RunError: if the directory exists, or an image is not what was chosen.
    """
    written = FORMS[form]
    with new_directory(directory) as unfinished:
        written.write(chosen, unfinished)
        shutil.copyfile(chosen.file, unfinished / FILE_NAME)
        registry = chosen.manifest.registry
        columns = {"name": registry.names, "folder": written.class_folders(chosen)}
        columns |= {} if registry.wnids is None else {"wnid": registry.wnids}
        write_csv(unfinished / "classes.csv", pd.DataFrame(columns))
        place = shown(name or directory.name).replace("`", "_")
        opened = FORMS["hf"] if name else written  # from the hub `datasets` loads any of them
        load = opened.load(place, len(list(unfinished.glob(written.data_files))))
        write_text(unfinished / "README.md", dataset_card(chosen, written.data_files, load, labels_said))
    return directory
