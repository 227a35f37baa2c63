"""Parquet files as the Hugging Face hub keeps data sets: encoded images, labels and what is known of them."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semdd_lightning.export.sharing.chosen_images import ChosenImages

_GROUP_BYTES = 32 * 2**20  # of images; a reader takes a row group as a whole
_FILE_BYTES = 256 * 2**20
_TYPES = {"float32": pa.float32(), "float64": pa.float64(), "int64": pa.int64(), "string": pa.string()}


def write_parquet(chosen: ChosenImages, folder: Path) -> None:
    """Write ``data/train-00000-of-00001.parquet`` and its like.

    Args:
        chosen: the images.
        folder: where to.
    """
    features = _features(chosen)
    (folder / "data").mkdir()
    writer = _Writer(folder / "data", _schema(features))
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


class _Writer:
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
