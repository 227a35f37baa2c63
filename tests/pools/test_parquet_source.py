"""Reading by row group, and files that change meanwhile."""

from __future__ import annotations

import pickle
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semdd_lightning.pools import parquet
from semdd_lightning.pools.parquet import ParquetImages, ParquetSource
from tests.pools.table_makers import (
    EXPECTED,
    IMAGES,
    LABELS,
    hub_images,
    hub_table,
    image_bytes,
    write_table,
)


class _Loads:
    """Counts how often each row group is read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[int] = Counter()
        load = ParquetSource._load

        def counted(source: ParquetSource, group: int) -> pa.ChunkedArray:
            self.counts[group] += 1
            return load(source, group)

        monkeypatch.setattr(ParquetSource, "_load", counted)


def test_in_order_each_row_group_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.repeat(np.arange(4), 25)
    table = pa.table({"image": [image_bytes(row) for row in range(100)], "label": labels})
    write_table(tmp_path / "0.parquet", table.slice(0, 60), row_group_size=7)
    write_table(tmp_path / "1.parquet", table.slice(60), row_group_size=7)
    source = ParquetImages(tmp_path).listing().source
    monkeypatch.setattr(parquet, "_KEPT", 0)  # keeps the last row group alone
    loads = _Loads(monkeypatch)
    assert [source.read(row) for row in range(100)] == table.column("image").to_pylist()
    assert loads.counts == dict.fromkeys(range(9 + 6), 1)


def test_what_fits_is_kept_and_the_oldest_goes_first(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = ParquetImages(hub, split="train").listing()
    loads = _Loads(monkeypatch)
    for _ in range(3):
        assert [listing.source.read(row) for row in range(8)] == [EXPECTED[path][1] for path in listing.paths]
    assert set(loads.counts.values()) == {1}  # 5 row groups, all of them kept

    group = pq.ParquetFile(hub / "data/train-00000-of-00002.parquet").read_row_group(0, ["image"])
    monkeypatch.setattr(parquet, "_KEPT", int(2.2 * group.nbytes))  # of two rows each, the last of one
    listing = ParquetImages(hub, split="train").listing()
    loads.counts.clear()
    for row_of_first_shard in (1, 4, 0, 2, 1, 4, 1):  # row groups 0, 2, 0, 1, 0, 2, 0
        place = next(
            row for row, path in enumerate(listing.paths) if path.endswith(f"2-{row_of_first_shard}.png")
        )
        listing.source.read(place)
    assert loads.counts == {0: 1, 1: 1, 2: 2}


def test_the_source_travels_and_reads_in_threads(hub: Path) -> None:
    listing = ParquetImages(hub, split="train").listing()
    before = len(pickle.dumps(listing.source))
    expected = [listing.source.read(row) for row in range(8)]
    travelled = pickle.loads(pickle.dumps(listing.source))  # noqa: S301 - our own
    assert len(pickle.dumps(listing.source)) == before  # what was read stays behind
    rows = np.random.default_rng(0).integers(0, 8, 400).tolist()
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(travelled.read, rows)) == [expected[row] for row in rows]


def test_mixed_classes_in_a_large_pool_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"image": [image_bytes(row) for row in range(60)], "label": list(range(10)) * 6})
    write_table(tmp_path / "mixed.parquet", table, row_group_size=10)
    write_table(tmp_path / "sorted.parquet", table.sort_by("label"), row_group_size=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ParquetImages(tmp_path / "mixed.parquet").listing()
        monkeypatch.setattr(parquet, "_KEPT", 1_000)
        ParquetImages(tmp_path / "sorted.parquet").listing()
    with pytest.warns(UserWarning, match=r"each part of the 0\.0 GiB will be read about 10 times\. Sort"):
        ParquetImages(tmp_path / "mixed.parquet").listing()


def test_files_that_change_or_go_while_they_are_read(hub: Path) -> None:
    source = ParquetImages(hub / "data/test-00000-of-00001.parquet").listing().source
    write_table(hub / "data/test-00000-of-00001.parquet", hub_table(hub_images(IMAGES), LABELS))
    with pytest.raises(OSError, match="the file has changed"):
        source.read(0)
    (hub / "data/test-00000-of-00001.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(OSError, match="row group 0 is damaged"):
        source.read(0)
    (hub / "data/test-00000-of-00001.parquet").unlink()
    with pytest.raises(OSError, match="No such file"):
        source.read(0)


def test_an_image_beside_the_file_is_looked_at_again_when_it_changes(tmp_path: Path) -> None:
    for row in range(3):
        (tmp_path / f"{row}.png").write_bytes(IMAGES[row])
    rows: list[dict[str, Any] | None] = [{"bytes": None, "path": f"{row}.png"} for row in range(3)]
    reader = ParquetImages(write_table(tmp_path / "f.parquet", hub_table(rows, [0, 1, 2])))
    before = reader.listing().stamps
    (tmp_path / "1.png").write_bytes(IMAGES[3] + b" ")
    listing = reader.listing()
    assert (listing.stamps != before).any(axis=1).tolist() == [False, False, True]
    assert listing.source.read(2) == IMAGES[3] + b" "
