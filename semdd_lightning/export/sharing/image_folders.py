"""Plain class folders of images, each soft label as an array beside its image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semdd_lightning.export.sharing.chosen_images import ChosenImages
from semdd_lightning.export.subset import IMAGES


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
