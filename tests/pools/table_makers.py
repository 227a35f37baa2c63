"""Parquet files of images, as the Hugging Face library and hub write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

NAMES = ("airplane", "great white shark", "cat")
LABELS = [2, 0, 1, 1, 0, 2, 2, 1]


def image_bytes(seed: int, suffix: str = "png") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, format={"jpg": "jpeg"}.get(suffix, suffix))
    return stream.getvalue()


IMAGES = [image_bytes(seed) for seed in range(8)]


def hub_table(
    images: Sequence[Mapping[str, Any] | None],
    labels: Sequence[int | None],
    names: Sequence[str] | None = NAMES,
    **more: Sequence[Any],
) -> pa.Table:
    """A table with the schema and the metadata that the Hugging Face library writes."""
    image_type = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    features: dict[str, Any] = {"image": {"_type": "Image"}, "label": {"dtype": "int64", "_type": "Value"}}
    if names is not None:
        features["label"] = {"names": list(names), "_type": "ClassLabel"}
    columns = {"image": pa.array(images, image_type), "label": pa.array(labels, pa.int64())}
    table = pa.table({**columns, **{name: pa.array(values) for name, values in more.items()}})
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def hub_images(images: Sequence[bytes]) -> list[dict[str, Any]]:
    return [{"bytes": content, "path": f"{row:04d}.png"} for row, content in enumerate(images)]


def write_table(path: Path, table: pa.Table, **options: Any) -> Path:  # noqa: ANN401 - what write_table takes
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def write_hub(root: Path) -> Path:
    """Two shards of training images and one of test images, as the hub lays them out."""
    table = hub_table(hub_images(IMAGES), LABELS)
    write_table(root / "data/train-00000-of-00002.parquet", table.slice(0, 5), row_group_size=2)
    write_table(root / "data/train-00001-of-00002.parquet", table.slice(5), row_group_size=2)
    test = hub_table(hub_images([image_bytes(100 + row) for row in range(3)]), [0, 1, 2])
    write_table(root / "data/test-00000-of-00001.parquet", test)
    return root


EXPECTED = {
    "airplane/data/train-00000-of-00002-1.png": (0, IMAGES[1]),
    "airplane/data/train-00000-of-00002-4.png": (0, IMAGES[4]),
    "cat/data/train-00000-of-00002-0.png": (2, IMAGES[0]),
    "cat/data/train-00001-of-00002-0.png": (2, IMAGES[5]),
    "cat/data/train-00001-of-00002-1.png": (2, IMAGES[6]),
    "great white shark/data/train-00000-of-00002-2.png": (1, IMAGES[2]),
    "great white shark/data/train-00000-of-00002-3.png": (1, IMAGES[3]),
    "great white shark/data/train-00001-of-00002-2.png": (1, IMAGES[7]),
}
