"""Images that a test writes and changes, and what is seen of the pool and of its cached index."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from semdd_lightning.pools import Pool
from semdd_lightning.records import SEAL_BYTES

Reads = list[str]


def write(path: Path, seed: int) -> None:
    """Every image has the same number of bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def modify(path: Path, seed: int) -> None:
    """Another image, of another time: two writes may fall into one tick of the file system's clock."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        write(path, seed)


def described(pool: Pool) -> tuple[object, ...]:
    traits = [column.tolist() for column in vars(pool.traits).values()]
    return list(pool.paths), pool.labels.tolist(), list(pool.excluded), pool.fingerprint, traits


def index_file(tmp_path: Path) -> Path:
    (file,) = (tmp_path / ".default-cache/index").glob("*.index")
    return file


def index_table(tmp_path: Path) -> pa.Table:
    return pq.read_table(BytesIO(index_file(tmp_path).read_bytes()[:-SEAL_BYTES]))
