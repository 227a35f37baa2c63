"""The chosen images of a finished run with what is known of each, ready to be written in any form."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from semdd_lightning.errors import RunError
from semdd_lightning.export.applying import find_images
from semdd_lightning.export.manifest import Manifest, build_component, manifest_file, read_manifest
from semdd_lightning.export.subset import IMAGES, TABLE, exported_paths, read_table
from semdd_lightning.pools import ImageSet
from semdd_lightning.pools.listing import FileSource, ImageSource
from semdd_lightning.pools.strings import Strings
from semdd_lightning.progress import image_progress

_TAKEN = ("image", "wnid", "logits")  # of what is written beside scores, names that a score could have


@dataclass(frozen=True, eq=False)
class ChosenImages:
    """The chosen images of a run, in the order of its manifest.

    Attributes:
        manifest: how they were chosen.
        file: the manifest on disk, which travels with them.
        names: path of each, ``<class folder>/<image>``.
        source: holds their bytes, row by row.
        rows: row of each in the source.
        scores: a row each: `step`, and what the sampler went by where that is known.
        logits: a soft label each, float32, shape ``(M, C)``, where there are any.
    """

    manifest: Manifest
    file: Path
    names: list[str]
    source: ImageSource
    rows: list[int]
    scores: pd.DataFrame
    logits: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def class_labels(self) -> tuple[str, ...]:
        """What stands for each class where a class has one text: its wnid, else its name, else its folder."""
        registry = self.manifest.registry
        if registry.wnids is not None:
            return registry.wnids
        return registry.names if len(set(registry.names)) == len(registry) else registry.folders

    def read(self, index: int) -> bytes:
        """The bytes of an image; refuses one that is gone, or is not the one that was chosen."""
        try:
            content = self.source.read(self.rows[index])
        except OSError as error:
            raise self._unlike(index, error.strerror or str(error)) from error
        digests = self.manifest.digests
        if digests is not None and hashlib.sha256(content).hexdigest() != digests[index]:
            raise self._unlike(index, "another")
        return content

    def shown(self, order: list[int] | None = None) -> Iterator[int]:
        """The images' indices in their order or a given one, with a progress bar where that takes a while."""
        with image_progress("Exporting", len(self), after=1.0, keep=False) as advance:
            for index in range(len(self)) if order is None else order:
                yield index
                advance(1)

    def facts(self, index: int) -> dict[str, Any]:
        """What is known of an image, as plain values."""
        label = self.manifest.labels[index]
        known = {"path": self.manifest.paths[index], "class_name": self.manifest.class_names[label]}
        if self.manifest.class_wnids is not None:
            known["wnid"] = self.manifest.class_wnids[label]
        values = self._values[index].items()
        return known | {str(name): value if math.isfinite(value) else None for name, value in values}

    @cached_property
    def _values(self) -> list[dict[Hashable, Any]]:
        return self.scores.to_dict(orient="records")

    def _unlike(self, index: int, found: str) -> RunError:
        path = self.manifest.paths[index]
        return RunError(
            f"Expected the chosen image {path} where {self.file} has it, found {found}; `semdd apply` picks "
            "it out of the pool again, or make the selection again."
        )


def read_chosen(directory: Path, logits: NDArray[np.float32] | None = None) -> ChosenImages:
    """The chosen images of a run: those that it exported, else those of its pool.

    Args:
        directory: of `semdd select`, `semdd fit` or `semdd apply`.
        logits: what a teacher says of them, in the order of the manifest.

    Raises:
        RunError: if it holds no selection that can be trusted.
        PoolError: if it holds no images and its pool is not what it was.
    """
    manifest, file = read_manifest(directory), manifest_file(directory)
    names = exported_paths(manifest)
    images = file.parent / IMAGES
    source: ImageSource = FileSource(images, Strings(names))
    rows = list(range(len(names)))
    if not images.is_dir():
        pool = build_component(manifest.pool, ImageSet).resolve()
        manifest, found = find_images(manifest, pool)
        source, rows = pool.listing.source, found.tolist()
    scores = _scores(file.parent, manifest)
    return ChosenImages(manifest, file, names, source, rows, scores, logits)


def _scores(directory: Path, manifest: Manifest) -> pd.DataFrame:
    """The step of each chosen image, and its scores where the table lies beside the manifest."""
    steps = pd.DataFrame({"step": manifest.steps})
    if not (directory / TABLE).is_file():
        return steps
    table = read_table(directory)
    picked = table[table["stage"] == "selected"].sort_values(["label", "step"]).reset_index(drop=True)
    if tuple(picked["path"]) != manifest.paths:
        msg = f"Expected {TABLE} of {directory} to belong to its manifest, found another; select again."
        raise RunError(msg)
    scores = picked[[name for name in picked.columns if picked[name].dtype.kind == "f"]]
    return steps.join(scores.rename(columns=lambda name: f"score_{name}" if name in _TAKEN else name))
