"""A selection for others: in the forms that their tools open, each with a card that says what it is.

Parquet as the Hugging Face hub has it, tars by the WebDataset convention, and class folders.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from semdd_lightning.atomic import new_directory, write_csv, write_json, write_text
from semdd_lightning.export.chosen_images import ChosenImages
from semdd_lightning.export.hub import dataset_card
from semdd_lightning.export.manifest import FILE_NAME
from semdd_lightning.export.subset import IMAGES, export_folders
from semdd_lightning.names import shown

_GROUP_BYTES = 32 * 2**20  # of images; a reader takes a row group as a whole
_FILE_BYTES = 256 * 2**20  # of images in a file, about
_TYPES = {"float32": pa.float32(), "float64": pa.float64(), "int64": pa.int64(), "string": pa.string()}
_SAMPLES = 10_000  # of a tar, at most
_MODE = 0o644


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


def _write_parquet(chosen: ChosenImages, folder: Path) -> None:
    """Write ``data/train-00000-of-00001.parquet`` and its like."""
    schema, data, files = _schema(chosen), folder / "data", list[Path]()
    data.mkdir()
    groups = _row_groups(chosen, set(schema.names))
    for first in groups:
        files.append(data / f"{len(files)}.part")
        written = 0
        with pq.ParquetWriter(files[-1], schema) as writer:
            for rows, size in chain([first], groups):
                writer.write_table(pa.Table.from_pylist(rows, schema))
                written += size
                if written >= _FILE_BYTES:
                    break
    for number, file in enumerate(files):
        file.rename(data / f"train-{number:05d}-of-{len(files):05d}.parquet")


def _row_groups(chosen: ChosenImages, columns: set[str]) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Rows of images that make up a group, and the bytes of these."""
    rows, size = list[dict[str, Any]](), 0
    for index in chosen.shown():
        content, name = chosen.read(index), PurePosixPath(chosen.names[index])
        image = {"bytes": content, "path": str(PurePosixPath(*name.parts[1:]))}
        facts = {name: value for name, value in chosen.facts(index).items() if name in columns}
        rows.append({"image": image, "label": chosen.manifest.labels[index], **facts})
        if chosen.logits is not None:
            rows[-1]["logits"] = chosen.logits[index].tolist()
        size += len(content)
        if size >= _GROUP_BYTES:
            yield rows, size
            rows, size = [], 0
    if rows:
        yield rows, size


def _schema(chosen: ChosenImages) -> pa.Schema:
    """Every column's type, and its description as `datasets` wants it."""

    def value(kind: str) -> tuple[pa.DataType, dict[str, Any]]:
        return _TYPES[kind], {"dtype": kind, "_type": "Value"}

    kinds = {str(name): str(kind) for name, kind in chosen.scores.dtypes.items()}
    classes = {"names": list(chosen.class_labels), "_type": "ClassLabel"}
    columns = {
        "image": (pa.struct({"bytes": pa.binary(), "path": pa.string()}), {"_type": "Image"}),
        "label": (pa.int64(), classes),
        "path": value("string"),
        **{name: value(kind if kind in _TYPES else "float64") for name, kind in kinds.items()},
    }
    if chosen.logits is not None:
        (kind, feature), length = value("float32"), chosen.logits.shape[1]
        sequence = {"feature": feature, "length": length, "_type": "Sequence"}
        columns["logits"] = pa.list_(kind, length), sequence
    features = {name: feature for name, (_, feature) in columns.items()}
    described = json.dumps({"info": {"features": features}})
    fields = [pa.field(name, kind) for name, (kind, _) in columns.items()]
    return pa.schema(fields, metadata={"huggingface": described})


def _write_tars(chosen: ChosenImages, folder: Path) -> None:
    """Write ``train-000000.tar`` and its like, and ``_info.json`` that counts and names what they hold.

    A sample is an image, its class index as ``.cls``, what is known of it as ``.json``, and ``.logits.npy``
    where there are soft labels. The first picks of all classes come first, then the second ones, so that no
    shard is of one class.
    """
    samples = enumerate(chosen.shown(sorted(range(len(chosen)), key=chosen.manifest.steps.__getitem__)))
    lengths: dict[str, int] = {}
    for first in samples:
        name, written = f"train-{len(lengths):06d}.tar", 0
        lengths[name] = 0
        with tarfile.open(folder / name, "w", format=tarfile.USTAR_FORMAT) as tar:
            for number, index in chain([first], samples):
                for ending, content in _sample(chosen, index).items():
                    member = tarfile.TarInfo(f"{number:08d}{ending}")  # without time, owner or group
                    member.size, member.mode = len(content), _MODE
                    tar.addfile(member, BytesIO(content))
                    written += len(content)
                lengths[name] += 1
                if lengths[name] >= _SAMPLES or written >= _FILE_BYTES:
                    break
    split = {"name": "train", "filenames": list(lengths), "shard_lengths": list(lengths.values())}
    splits = {"train": {**split, "num_samples": len(chosen)}}
    write_json(folder / "_info.json", {"splits": splits, "class_names": list(chosen.class_labels)})


def _sample(chosen: ChosenImages, index: int) -> dict[str, bytes]:
    """Content of each file of a sample by its ending."""
    members = {
        PurePosixPath(chosen.names[index]).suffix.lower(): chosen.read(index),
        ".cls": str(chosen.manifest.labels[index]).encode(),
        ".json": json.dumps(chosen.facts(index), sort_keys=True).encode(),
    }
    if chosen.logits is not None:
        array = BytesIO()
        np.save(array, chosen.logits[index], allow_pickle=False)
        members[".logits.npy"] = array.getvalue()
    return members


def _write_folders(chosen: ChosenImages, folder: Path) -> None:
    """Write ``images/<class folder>/<image>``, and ``<image>.npy`` with its logits where there are any."""
    for index in chosen.shown():
        target = folder / IMAGES / chosen.names[index]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(chosen.read(index))
        if chosen.logits is not None:
            np.save(target.with_name(f"{target.name}.npy"), chosen.logits[index], allow_pickle=False)


def _load_tars(place: str, files: int) -> str:
    shards = f"{place}/train-{{000000..{files - 1:06d}}}.tar"
    return (
        f"import webdataset\n\nshards = {shards!r}\n"
        "images = webdataset.WebDataset(shards, shardshuffle=False).decode('pil')"
    )


FORMS = {
    "hf": Form(
        "Parquet files with a card, as `datasets.load_dataset` opens them",
        _write_parquet,
        "data/train-*.parquet",
        lambda chosen: chosen.class_labels,
        lambda place, _: (
            f"from datasets import load_dataset\n\nimages = load_dataset({place!r}, split='train')"
        ),
    ),
    "webdataset": Form(
        "tar shards by the WebDataset convention",
        _write_tars,
        "train-*.tar",
        lambda chosen: chosen.class_labels,
        _load_tars,
    ),
    "folders": Form(
        "one folder per class, as torchvision's `ImageFolder` opens them",
        _write_folders,
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
