"""A file of the index that is not whole, or of another pool: it is made again."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semdd_lightning.pools import ClassFolders, index_cache
from semdd_lightning.records import SEAL_BYTES, write_sealed
from tests.pools.index_cache.changing_pools import Reads, described, index_file, index_table, write


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[200] ^= 1
    file.write_bytes(bytes(content))


def _table(file: Path) -> pa.Table:
    return pq.read_table(BytesIO(file.read_bytes()[:-SEAL_BYTES]))


def _seal(file: Path, table: pa.Table) -> None:
    content = BytesIO()
    pq.write_table(table, content)
    write_sealed(file, content.getbuffer())


def _without_seal(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-SEAL_BYTES])


def _other_columns(file: Path) -> None:
    _seal(file, _table(file).drop_columns(["digest"]))


def _other_type(file: Path) -> None:
    table = _table(file)
    column = table.schema.get_field_index("width")
    _seal(file, table.set_column(column, "width", table["width"].cast(pa.int64())))


def _no_identity(file: Path) -> None:
    _seal(file, _table(file).replace_schema_metadata(None))


def _of_another_pool(file: Path) -> None:
    other = file.parents[2] / "other"
    write(other / "cat/0.bmp", 5)
    write(other / "dog/0.bmp", 6)
    ClassFolders(other).read(file.parents[2] / "another-cache")
    (foreign,) = (file.parents[2] / "another-cache/index").iterdir()
    shutil.copy(foreign, file)


@pytest.mark.parametrize(
    "damage",
    [_truncate, _empty, _flip, _without_seal, _other_columns, _other_type, _no_identity, _of_another_pool],
)
def test_a_file_that_is_not_whole_or_foreign_is_made_again(
    root: Path, reads: Reads, tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    first = ClassFolders(root).read()
    whole = index_table(tmp_path)
    damage(index_file(tmp_path))
    reads.clear()
    with caplog.at_level(logging.WARNING):
        assert described(ClassFolders(root).read()) == described(first)
    assert len(reads) == 8
    assert f"{index_file(tmp_path)} is not trusted, and the images are read again" in caplog.text
    assert index_table(tmp_path).equals(whole)


def test_a_file_that_is_not_whole_goes_even_where_nothing_can_replace_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ClassFolders(root).read()
    _empty(index_file(tmp_path))
    monkeypatch.setattr(index_cache, "_RECENT_NS", 3_600 * 10**9)
    ClassFolders(root).read()
    caplog.clear()
    ClassFolders(root).read()
    assert "is not trusted" not in caplog.text


def test_every_byte_of_the_file_counts(root: Path, tmp_path: Path) -> None:
    """Whatever bit flips, the index is the same, whether the file is refused or the bit meant nothing."""
    first = described(ClassFolders(root).read())
    file = index_file(tmp_path)
    whole = file.read_bytes()
    random = np.random.default_rng(0)
    for place in random.choice(len(whole), 40, replace=False).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        file.write_bytes(bytes(damaged))
        assert described(ClassFolders(root).read()) == first, place
