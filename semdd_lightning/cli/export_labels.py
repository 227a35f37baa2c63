"""The soft labels that an export takes along: one for each image, or a sentence why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from semdd_lightning.cli.configs import read_config
from semdd_lightning.cli.going_on import working_directory
from semdd_lightning.cli.options import flatten
from semdd_lightning.errors import LabelError
from semdd_lightning.export.sharing import SoftLabelArray

if TYPE_CHECKING:  # torch, which an export without labels does without
    from semdd_lightning.export import Manifest
    from semdd_lightning.training.soft_labels import LabelStore, StoreHeader

STORE = "StoredLabels"
ONE_EACH = "`semdd relabel --static` stores one for each image"


@dataclass(frozen=True)
class ExportedLabels:
    """What an export says of soft labels, and what it writes of them.

    Attributes:
        said: for the card.
        array: the labels; none where there is not one for each image.
    """

    said: str
    array: SoftLabelArray | None = None


def find_labels(run: Path, manifest: Manifest, asked: Path | None) -> ExportedLabels:
    """The labels of a store that was asked for, else of the one that the run's student learned from.

    Args:
        run: the run's directory.
        manifest: its selection.
        asked: a folder of labels.

    Raises:
        LabelError: if the store that was asked for has not one label for each image, or one is damaged or
            made for other images.
    """
    store = asked if asked is not None else _store_of(run)
    if store is None:
        return ExportedLabels("None.")
    if asked is None and not store.is_dir():
        return ExportedLabels("None: those that a student learned from are not where they were any more.")
    from semdd_lightning.training.soft_labels import LabelStore

    opened = LabelStore.open(store)
    header = opened.header
    if header.static:
        array = _array(opened, manifest)
        return ExportedLabels(array.said, array)
    said = (
        f"labels of {header.passes} passes, each of images as they are augmented in that pass, which "
        "semdd-lightning alone draws again"
    )
    if asked is not None:
        msg = f"Expected one soft label for each image in {store}, found {said}; {ONE_EACH}."
        raise LabelError(msg)
    return ExportedLabels(f"None. A student learned from {said}.")


def _array(store: LabelStore, manifest: Manifest) -> SoftLabelArray:
    import torch

    from semdd_lightning.training.soft_labels.made_for import refuse_differences

    header = store.header
    wanted = {
        "pool": manifest.pool_fingerprint,
        "selection": manifest.selection_digest,
        "num_images": len(manifest.paths),
        "class_names": list(manifest.class_names),
    }
    refuse_differences(store.directory, header.made_for, wanted)
    store.require_whole()
    logits = header.label_format.decode(store.read(0, torch.arange(header.num_images)))
    return SoftLabelArray(logits.numpy(), _in_words(header))


def _in_words(header: StoreHeader) -> str:
    teacher, form = header.teacher, header.label_format
    accuracy = teacher["accuracy"]
    return (
        f"logits: what the teacher says of each image, one number a class, before any softmax. It is a "
        f"{teacher['teacher']} with {accuracy['top1']:.2%} top-1 on {accuracy['on']}, SHA-256 of its weights "
        f"{teacher['sha256']}. They were stored as {form.in_words}, for a loss of temperature "
        f"{form.temperature:g}."
    )


def _store_of(run: Path) -> Path | None:
    """Where the student of a run found its labels, if it learned from stored ones."""
    config = run / "config.yaml"
    options = flatten(read_config(config)) if config.is_file() else {}
    path = options.get("model.teacher.path")
    if path is None or str(options.get("model.teacher.class_path")).rpartition(".")[2] != STORE:
        return None
    return (working_directory(run) or Path()) / Path(str(path)).expanduser()
