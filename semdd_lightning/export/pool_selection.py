"""A finished selection from a pool: the record, its table, its reports, and what its manifest says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

import pandas as pd
import torch

from semdd_lightning.atomic import new_directory, write_csv
from semdd_lightning.audit import Audit
from semdd_lightning.export.manifest import FILE_NAME, Manifest
from semdd_lightning.export.subset import IMAGES, TABLE, exported_paths, selection_table, write_images
from semdd_lightning.given import given_path
from semdd_lightning.pools import Pool
from semdd_lightning.pools.files import require_outside
from semdd_lightning.prior import PoolEmbeddings
from semdd_lightning.records import write_record
from semdd_lightning.selection import (
    ClassifierOutputs,
    Embeddings,
    ReferenceEmbeddings,
    Selection,
    class_report,
    overall_report,
)


@dataclass(frozen=True)
class PoolSelection:
    """A finished selection together with what it was made from.

    Attributes:
        pool: the indexed pool.
        embeddings: its CLIP embeddings.
        selection: the chosen rows and every image's scores.
        manifest: everything that is needed to make the selection again.
        seconds: time each stage took.
        audit: what the pool's classes look like, where that was looked at.
    """

    pool: Pool
    embeddings: PoolEmbeddings
    selection: Selection
    manifest: Manifest
    seconds: dict[str, float]
    audit: Audit | None = None

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each image file of the pool: path, class, scores, stage and reason."""
        return selection_table(self.pool, self.selection)

    @property
    def paths(self) -> list[str]:
        """Paths of the chosen images in the pool, class by class, in the order they were picked."""
        return list(self.pool.paths.take(self.selection.indices.numpy()))

    def report(self) -> pd.DataFrame:
        """Statistics of pool, candidates, selection and a random subset of the same size."""
        return Report(overall_report(self._report_by_class))

    def report_by_class(self) -> pd.DataFrame:
        """The statistics of `report` for every class: one row per set and class."""
        return self._report_by_class.copy()

    def export(self, directory: Path | str, *, link: bool = False) -> Path:
        """Write the selection to a new directory, all of it or nothing.

        It holds ``images/`` with one folder per class, in which the chosen images keep their paths unless a
        folder's name means another class (`export_folders`), ``manifest.json``, ``scores.parquet`` with every
        pool image, ``chosen.csv`` with the chosen ones, ``report.csv`` and ``report_by_class.csv``.

        Args:
            directory: where to; must not exist.
            link: hard-link images that are files instead of copying them, where the file system can.

        Raises:
            RunError: if it exists, or lies in the pool, or if two images would get one name.
        """
        directory = given_path("directory", directory)
        require_outside(directory, self.pool.root)
        with new_directory(directory) as unfinished:
            names, rows = exported_paths(self.manifest), self.pool.rows[self.selection.indices.numpy()]
            write_images(unfinished / IMAGES, names, self.pool.source, rows.tolist(), link=link)
            content = BytesIO()
            self.table.to_parquet(content, index=False)
            (unfinished / TABLE).write_bytes(content.getbuffer())
            digest = hashlib.sha256(content.getbuffer()).hexdigest()
            picked = self.table[self.table["stage"] == "selected"].sort_values(["label", "step"])
            write_csv(unfinished / "chosen.csv", picked)
            write_csv(unfinished / "report.csv", self.report().reset_index())
            write_csv(unfinished / "report_by_class.csv", self._report_by_class)
            write_record(unfinished / FILE_NAME, asdict(replace(self.manifest, table_digest=digest)))
        return directory

    @cached_property
    def _report_by_class(self) -> pd.DataFrame:
        """Both reports come out of this: the coverage of a large pool is worth computing once."""
        seen = sampler_embeddings(self.pool, self.embeddings)
        report = class_report(seen, self.selection, seed=self.manifest.selection_seed)
        names = self.pool.registry.names
        report.insert(2, "class_name", [names[index] for index in report["class_index"]])
        return report


class Report(pd.DataFrame):
    """A table that shows all of itself: columns that a narrow terminal has no room for stand below."""

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame  # what is made of it is a table as any other

    def __repr__(self) -> str:
        return self.to_string(line_width=get_terminal_size().columns)


def sampler_embeddings(
    pool: Pool,
    embeddings: PoolEmbeddings,
    reference: ReferenceEmbeddings | None = None,
    classifier: ClassifierOutputs | None = None,
    learning: torch.Tensor | None = None,
) -> Embeddings:
    """What a sampler sees of an embedded pool.

    Args:
        pool: the pool.
        embeddings: its embeddings.
        reference: real images of the same classes, if there are any.
        classifier: what a classifier says of the pool, if there is one.
        learning: what a student learned from the pool, if one did: mean log posteriors (N,).
    """
    real = (None,) * len(embeddings.parts) if reference is None else reference.parts
    parts = tuple(
        sampler_embeddings(pool, part, of_part, classifier, learning)
        for part, of_part in zip(embeddings.parts, real, strict=True)
    )
    return Embeddings(
        image_embeddings=embeddings.image_embeddings,
        labels=torch.from_numpy(pool.labels),
        text_prototypes=embeddings.text_prototypes,
        logit_scale=embeddings.logit_scale,
        reference=reference,
        classifier=classifier,
        learning=learning,
        parts=parts,
    )


def embeddings_digest(embeddings: Embeddings) -> str:
    """SHA-256 (hex) over all numbers that a sampler sees, to the last bit."""
    digest = hashlib.sha256()
    seen = []
    for part in embeddings.parts or (embeddings,):
        seen += [part.image_embeddings, part.text_prototypes]
        seen += [] if part.reference is None else [part.reference.image_embeddings]
    real = embeddings.reference
    for outputs in (embeddings.classifier, None if real is None else real.classifier):
        if outputs is not None:
            seen += [outputs.own, outputs.largest, outputs.predicted]
    if embeddings.learning is not None:
        seen.append(embeddings.learning)
    for vectors in seen:
        digest.update(f"{tuple(vectors.shape)} {vectors.dtype}\n".encode())
        digest.update(vectors.cpu().contiguous().numpy().data)  # a view: a large pool is not copied
    return digest.hexdigest()


def outcome(images: Pool, embeddings: PoolEmbeddings, selection: Selection) -> dict[str, Any]:
    """The manifest's part that says what was found and chosen."""
    registry, chosen = images.registry, selection.indices.tolist()
    return {
        "pool_root": str(images.root),
        "pool_fingerprint": images.fingerprint,
        "embeddings_key": embeddings.key,
        "text_key": embeddings.text_key,
        "selection_digest": selection.digest,
        "class_names": registry.names,
        "class_folders": registry.folders,
        "class_wnids": registry.wnids,
        "paths": tuple(images.paths[i] for i in chosen),
        "labels": tuple(int(images.labels[i]) for i in chosen),
        "digests": tuple(images.traits.digests[i].tobytes().hex() for i in chosen),
    }
