"""``semdd export``: write a finished selection in a form that others open with their own tools."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from semdd_lightning.atomic import require_new
from semdd_lightning.cli.options import command_parser
from semdd_lightning.errors import LabelError
from semdd_lightning.experiment.config.configs import read_config
from semdd_lightning.experiment.config.options import flatten
from semdd_lightning.experiment.run.directory import working_directory
from semdd_lightning.export import read_manifest
from semdd_lightning.export.chosen_images import read_chosen
from semdd_lightning.export.hub import check_repository, push
from semdd_lightning.export.sharing import FORMS, write_shared
from semdd_lightning.export.subset import IMAGES
from semdd_lightning.names import command as command_line
from semdd_lightning.pools.files import require_outside

if TYPE_CHECKING:
    from semdd_lightning.export import Manifest
    from semdd_lightning.training.soft_labels.header import StoreHeader
    from semdd_lightning.training.soft_labels.store import LabelStore


EPILOG = """forms:
{forms}

examples:
  semdd export chosen --to hf --out chosen-hf
  semdd export runs/cifar10/RUN --to webdataset --out shards --labels labels/cifar10
  semdd export chosen --to hf --out chosen-hf --push user/name

Beside the images lie manifest.json, classes.csv and README.md, a data set card in which the licence is left
to fill in. Soft labels go along where there is one for each image (`semdd relabel --static`): those of
--labels, else those that the run's student learned from. --push uploads the folder to the Hugging Face hub as
a new, private data set. The manifest names paths of this machine.
"""


def run(command: str, argv: list[str]) -> int:
    """Export one run; exit status 2 if it cannot be, or if the upload fails."""
    options = _parser().parse_args(argv)
    require_new(options.out)
    if options.push is not None:
        check_repository(options.push)
    manifest = read_manifest(options.run)
    for images in (manifest.pool_root, options.run / IMAGES, options.run / "subset" / IMAGES):
        require_outside(options.out, images)
    labels, of_labels = _labels(options.run, manifest, options.labels)
    write_shared(read_chosen(options.run, labels), options.to, options.out, of_labels, options.push)
    from semdd_lightning.report.tables import print_next_commands, table_of_rows

    rows = {
        "images": f"{manifest.ipc} for each of {len(manifest.class_names)} classes, chosen by "
        f"{manifest.sampler_name}",
        "form": FORMS[options.to].meaning,
        "soft labels": of_labels,
        "written to": str(options.out),
    }
    if options.push is not None:
        rows["uploaded to"] = push(options.out, options.push)
    console = Console()
    console.print(table_of_rows("semdd export", rows))
    print_next_commands(console, [command_line("semdd", "pool", "inspect", options.out)])
    return 0


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, FORMS))
    forms = "\n".join(f"  {name:<{width}}  {form.meaning}" for name, form in FORMS.items())
    parser = command_parser(
        "export",
        "Write the chosen images of a run for others, in a form that their tools open.",
        EPILOG.format(forms=forms),
    )
    parser.add_argument("run", type=Path, help="directory of `semdd select`, `semdd fit` or `semdd apply`")
    parser.add_argument("--to", required=True, choices=tuple(FORMS), help="form of what is written")
    parser.add_argument("--out", type=Path, required=True, help="new directory")
    parser.add_argument("--labels", type=Path, metavar="DIR", help="soft labels of `semdd relabel --static`")
    parser.add_argument("--push", metavar="USER/NAME", help="upload it to the Hugging Face hub, too")
    return parser


def _labels(run: Path, manifest: Manifest, asked: Path | None) -> tuple[NDArray[np.float32] | None, str]:
    """The labels of a store that was asked for, else of the one that the run's student learned from.

    None where there is not one for each image; and what the card says of them.
    """
    store = asked if asked is not None else _store_of(run)
    if store is None:
        return None, "None."
    if asked is None and not store.is_dir():
        return None, "None: those that a student learned from are not where they were any more."
    from semdd_lightning.training.soft_labels.store import LabelStore

    opened = LabelStore.open(store)
    header = opened.header
    if header.static:
        return _logits(opened, manifest), _in_words(header)
    said = (
        f"labels of {header.passes} passes, each of images as they are augmented in that pass, which "
        "semdd-lightning alone draws again"
    )
    if asked is not None:
        msg = (
            f"Expected one soft label for each image in {store}, found {said}; `semdd relabel --static` "
            "stores one for each image."
        )
        raise LabelError(msg)
    return None, f"None. A student learned from {said}."


def _logits(store: LabelStore, manifest: Manifest) -> NDArray[np.float32]:
    import torch

    from semdd_lightning.training.soft_labels.header import refuse_differences

    header = store.header
    wanted = {
        "pool": manifest.pool_fingerprint,
        "selection": manifest.selection_digest,
        "num_images": len(manifest.paths),
        "class_names": list(manifest.class_names),
    }
    refuse_differences(store.directory, header.made_for, wanted)
    store.require_whole()
    logits: NDArray[np.float32]
    logits = header.label_format.decode(store.read(0, torch.arange(header.num_images))).numpy()
    return logits


def _in_words(header: StoreHeader) -> str:
    teacher, form = header.teacher, header.label_format
    accuracy = teacher["accuracy"]
    return (
        f"logits: what the teacher says of each image, one number per class, before any softmax. It is a "
        f"{teacher['teacher']} with {accuracy['top1']:.2%} top-1 on {accuracy['on']}, SHA-256 of its weights "
        f"{teacher['sha256']}. They were stored as {form.in_words}, for a loss of temperature "
        f"{form.temperature:g}."
    )


def _store_of(run: Path) -> Path | None:
    """Where the student of a run found its labels, if it learned from stored ones."""
    config = run / "config.yaml"
    options = flatten(read_config(config)) if config.is_file() else {}
    path = options.get("model.teacher.path")
    if path is None or str(options.get("model.teacher.class_path")).rpartition(".")[2] != "StoredLabels":
        return None
    return working_directory(run) / Path(str(path)).expanduser()
