"""Parquet files with images: which there are, and what their footers and label columns tell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from glob import has_magic
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semdd_lightning.errors import PoolError
from semdd_lightning.pools.files import IMAGE_SUFFIXES
from semdd_lightning.pools.splits import rows_of_split
from semdd_lightning.pools.stated_labels import numbered_names
from semdd_lightning.pools.strings import Strings
from semdd_lightning.pools.table_columns import is_text

_SIGNATURES = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg", b"GIF8": ".gif", b"BM": ".bmp", b"RIFF": ".webp"}


def find_shards(path: Path, split: str | None) -> tuple[Path, list[Path]]:
    """The folder that Parquet files lie in, at any depth, and those of a split, sorted.

    Args:
        path: A file, a folder, or a pattern; absolute.
        split: The split; None where there is one only.

    Raises:
        PoolError: If there are none, or several splits.
    """
    if path.is_file():
        folder, found = path.parent, [path]
    elif path.is_dir():
        folder, found = path, list(path.rglob("*.parquet"))
    else:
        fixed = next((index for index, part in enumerate(path.parts) if has_magic(part)), len(path.parts) - 1)
        folder = Path(*path.parts[:fixed])
        found = list(folder.glob(str(Path(*path.parts[fixed:])))) if folder.is_dir() else []
    names = [file.relative_to(folder) for file in found if file.is_file()]
    names = sorted(name for name in names if not any(part.startswith(".") for part in name.parts))
    if not names:
        msg = f"Expected Parquet files at {path}, found none; correct the path."
        raise PoolError(msg)
    kept = rows_of_split([name.as_posix() for name in names], split, path)
    return folder, [folder / names[row] for row in kept]


def read_schema(file: Path) -> pa.Schema:
    """Columns and metadata of a Parquet file.

    Raises:
        PoolError: If it is none, or damaged.
    """
    with _opened(file) as parquet:
        return parquet.schema_arrow


def read_parquet(file: Path) -> pa.Table:
    """All of a Parquet file that holds no images.

    Raises:
        PoolError: If it is none, or damaged.
    """
    with _opened(file) as parquet:
        return parquet.read()


class ShardRows(NamedTuple):
    """What is to know of a Parquet file without its images.

    Args:
        path: The file.
        lengths: Rows of each of its row groups.
        size: Bytes of its images once decompressed.
        labels: Label of each row.
        names: A name for each row's image.
        beside: The path of each row's image where it may lie beside the file, else the empty text.
    """

    path: Path
    lengths: list[int]
    size: int
    labels: pa.ChunkedArray
    names: Strings
    beside: Strings


def read_shard(file: Path, image: str, label: str, folder: Path) -> ShardRows:
    """Read a Parquet file but for its images.

    An image is named after its file and row; the suffix is that of its own path, where the file has one, else
    that of the format of the file's first image.

    Args:
        file: The Parquet file.
        image: Name of the column of images.
        label: Name of the column of labels.
        folder: Folder that names are relative to.

    Raises:
        PoolError: If it is no Parquet file, or damaged.
    """
    with _opened(file) as parquet:
        kind = parquet.schema_arrow.field(image).type
        index = kind.get_field_index("path") if pa.types.is_struct(kind) else -1
        with_paths = index >= 0 and is_text(kind.field(index).type)
        table = parquet.read([label, f"{image}.path"] if with_paths else [label])
        table.validate(full=True)
        groups = [parquet.metadata.row_group(group) for group in range(parquet.num_row_groups)]
        first = _first_image(parquet, image)
    chunks = [chunk for group in groups for chunk in _image_chunks(group, image)]
    size = sum(chunk.total_uncompressed_size for chunk in chunks)
    usual = next((suffix for start, suffix in _SIGNATURES.items() if first.startswith(start)), ".png")
    paths = pc.struct_field(table.column(image), "path") if with_paths else None
    suffixes = usual if paths is None else _suffixes(paths, usual)
    labels = table.column(label)
    if pa.types.is_dictionary(labels.type):
        labels = labels.cast(labels.type.value_type)  # each file has a dictionary of its own
    stem = file.relative_to(folder).with_suffix("").as_posix()
    names = numbered_names(stem, len(table), suffixes)
    outside = paths is not None and any(_may_lack_bytes(group, image) for group in groups)
    beside = Strings(pc.fill_null(paths, "") if outside else pa.repeat("", len(table)))
    return ShardRows(file, [group.num_rows for group in groups], size, labels, names, beside)


@contextmanager
def _opened(file: Path) -> Iterator[pq.ParquetFile]:
    try:
        with arrow_file(file) as opened, pq.ParquetFile(opened) as parquet:
            rows, size = parquet.metadata.num_rows, file.stat().st_size
            if not 0 <= rows <= size:
                msg = f"{rows:,} rows in {size:,} bytes"
                raise ValueError(msg)
            [name.encode() for name in parquet.schema_arrow.names]
            yield parquet
    except PoolError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError, OverflowError) as error:
        msg = f"Expected a whole Parquet file at {file}, found: {error}; copy or make the file again."
        raise PoolError(msg) from error


def _image_chunks(group: pq.RowGroupMetaData, image: str) -> list[pq.ColumnChunkMetaData]:
    chunks = (group.column(index) for index in range(group.num_columns))
    return [chunk for chunk in chunks if chunk.path_in_schema in (image, f"{image}.bytes", f"{image}.path")]


def _may_lack_bytes(group: pq.RowGroupMetaData, image: str) -> bool:
    found = [
        chunk.statistics for chunk in _image_chunks(group, image) if chunk.path_in_schema.endswith(".bytes")
    ]
    return not found or any(known is None or not known.has_null_count or known.null_count for known in found)


def _first_image(parquet: pq.ParquetFile, image: str) -> bytes:
    batch = next(parquet.iter_batches(batch_size=1, columns=[image]), None)
    entry = None if batch is None or not len(batch) else batch.column(0)[0].as_py()
    content = entry.get("bytes") if isinstance(entry, dict) else entry
    return bytes(content or b"")


def _suffixes(paths: pa.ChunkedArray, usual: str) -> Strings:
    """Suffix of each image's own path, in lower case, or the usual one where it has no known suffix."""
    found = pc.struct_field(pc.extract_regex(pc.utf8_lower(paths), r"(?P<suffix>\.[a-z]+)$"), "suffix")
    known = pc.fill_null(pc.is_in(found, pa.array(sorted(IMAGE_SUFFIXES))), False)
    return Strings(pc.if_else(known, found, usual))


def arrow_file(path: Path) -> pa.NativeFile:
    """The file for reading, whatever bytes its path has; close it, or let its reader do so."""
    return pa.OSFile(os.fsencode(path))
