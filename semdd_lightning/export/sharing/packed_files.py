"""Many images in few files: Parquet as the Hugging Face hub has it, tars by the WebDataset convention."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semdd_lightning.export.files import write_json
from semdd_lightning.export.sharing.chosen_images import ChosenImages

_GROUP_BYTES = 32 * 2**20  # of images; a reader takes a row group as a whole
_FILE_BYTES = 256 * 2**20  # of images in a file, about
_TYPES = {"float32": pa.float32(), "float64": pa.float64(), "int64": pa.int64(), "string": pa.string()}
_SAMPLES = 10_000  # of a tar, at most
_MODE = 0o644


def write_parquet(chosen: ChosenImages, folder: Path) -> None:
    """Write ``data/train-00000-of-00001.parquet`` and its like.

    Args:
        chosen: the images.
        folder: where to.
    """
    features = _features(chosen)
    (folder / "data").mkdir()
    writer = _ParquetFiles(folder / "data", _schema(features))
    for index in chosen.shown():
        image = {
            "bytes": chosen.read(index),
            "path": str(PurePosixPath(*PurePosixPath(chosen.names[index]).parts[1:])),
        }
        facts = {name: value for name, value in chosen.facts(index).items() if name in features}
        row = {"image": image, "label": chosen.manifest.labels[index], **facts}
        if chosen.soft_labels is not None:
            row["logits"] = chosen.soft_labels.logits[index]
        writer.add(row, len(image["bytes"]))
    writer.finish()


def write_tars(chosen: ChosenImages, folder: Path) -> None:
    """Write ``train-000000.tar`` and its like, and ``_info.json`` that counts and names what they hold.

    A sample is an image, its class index as ``.cls``, what is known of it as ``.json``, and ``.logits.npy``
    where there are soft labels. The first picks of all classes come first, then the second ones, so that no
    shard is of one class.

    Args:
        chosen: the images.
        folder: where to.
    """
    order = sorted(range(len(chosen)), key=chosen.manifest.steps.__getitem__)
    shards = _Shards(folder)
    for number, index in enumerate(chosen.shown(order)):
        suffix = PurePosixPath(chosen.names[index]).suffix.lower()
        members = {
            suffix: chosen.read(index),
            ".cls": str(chosen.manifest.labels[index]).encode(),
            ".json": json.dumps(chosen.facts(index), sort_keys=True).encode(),
        }
        if chosen.soft_labels is not None:
            members[".logits.npy"] = _npy(chosen.soft_labels.logits[index])
        shards.add(f"{number:08d}", members)
    lengths = shards.finish()
    split = {"name": "train", "filenames": list(lengths), "shard_lengths": list(lengths.values())}
    splits = {"train": {**split, "num_samples": len(chosen)}}
    write_json(folder / "_info.json", {"splits": splits, "class_names": list(chosen.class_labels)})


def _features(chosen: ChosenImages) -> dict[str, dict[str, Any]]:
    """Every column as `datasets` describes it."""
    columns = {str(name): str(kind) for name, kind in chosen.scores.dtypes.items()}
    features: dict[str, dict[str, Any]] = {
        "image": {"_type": "Image"},
        "label": {"names": list(chosen.class_labels), "_type": "ClassLabel"},
        "path": _value("string"),
        **{name: _value(kind if kind in _TYPES else "float64") for name, kind in columns.items()},
    }
    if chosen.soft_labels is not None:
        classes = chosen.soft_labels.logits.shape[1]
        features["logits"] = {"feature": _value("float32"), "length": classes, "_type": "Sequence"}
    return features


def _value(kind: str) -> dict[str, Any]:
    return {"dtype": kind, "_type": "Value"}


def _schema(features: dict[str, dict[str, Any]]) -> pa.Schema:
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    kinds = {"Image": lambda _: image, "ClassLabel": lambda _: pa.int64()}
    kinds["Value"] = lambda feature: _TYPES[feature["dtype"]]
    kinds["Sequence"] = lambda feature: pa.list_(pa.float32(), feature["length"])
    fields = [pa.field(name, kinds[feature["_type"]](feature)) for name, feature in features.items()]
    described = json.dumps({"info": {"features": features}})
    return pa.schema(fields, metadata={"huggingface": described})


class _ParquetFiles:
    """Writes rows into row groups and files of a fit size; the last file tells how many there are."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._rows: list[dict[str, Any]] = []
        self._group_bytes = self._file_bytes = 0
        self._files: list[Path] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, row: dict[str, Any], size: int) -> None:
        """Take a row, and write what has come together.

        Args:
            row: its values by column.
            size: bytes of its image.
        """
        self._rows.append(row)
        self._group_bytes += size
        if self._group_bytes >= _GROUP_BYTES:
            self._write_group()
            if self._file_bytes >= _FILE_BYTES:
                self._close()

    def finish(self) -> None:
        """Write what is left, and give the files their names."""
        if self._rows:
            self._write_group()
        self._close()
        for number, file in enumerate(self._files):
            file.rename(self._folder / f"train-{number:05d}-of-{len(self._files):05d}.parquet")

    def _write_group(self) -> None:
        if self._writer is None:
            self._files.append(self._folder / f"{len(self._files)}.part")
            self._writer = pq.ParquetWriter(self._files[-1], self._schema)
        columns = [
            pa.array(_plain([row[field.name] for row in self._rows]), field.type) for field in self._schema
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._file_bytes += self._group_bytes
        self._rows, self._group_bytes = [], 0

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._file_bytes = None, 0


def _plain(values: list[Any]) -> list[Any]:
    return [value.tolist() if isinstance(value, np.ndarray) else value for value in values]


class _Shards:
    """Tars that are closed as soon as they are large enough."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lengths: dict[str, int] = {}
        self._bytes = 0
        self._tar: tarfile.TarFile | None = None

    def add(self, key: str, members: dict[str, bytes]) -> None:
        """Write a sample.

        Args:
            key: its name.
            members: content of each of its files by their ending.
        """
        if self._tar is None:
            name = f"train-{len(self._lengths):06d}.tar"
            self._tar = tarfile.open(self._folder / name, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
            self._lengths[name], self._bytes = 0, 0
        for ending, content in members.items():
            member = tarfile.TarInfo(f"{key}{ending}")  # without time, owner or group
            member.size, member.mode = len(content), _MODE
            self._tar.addfile(member, BytesIO(content))
            self._bytes += len(content)
        name = next(reversed(self._lengths))
        self._lengths[name] += 1
        if self._lengths[name] >= _SAMPLES or self._bytes >= _FILE_BYTES:
            self.finish()

    def finish(self) -> dict[str, int]:
        """Close what is open; the samples of each shard."""
        if self._tar is not None:
            self._tar.close()
        self._tar = None
        return self._lengths


def _npy(array: Any) -> bytes:  # noqa: ANN401 - whatever NumPy saves
    content = BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()
