"""Folders of images with a table of their classes, one row per image: the Hugging Face hub's image folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.registry import some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.names import get_logger
from semdd_lightning.pools.files import find_images, printable, relative_name, stamps_of
from semdd_lightning.pools.image_set import DiskPool, Found
from semdd_lightning.pools.listing import FileSource
from semdd_lightning.pools.parquet_shards import arrow_file, read_parquet
from semdd_lightning.pools.splits import folder_split, rows_of_split
from semdd_lightning.pools.stated_labels import Located, labels_from_column, numbers_or_texts
from semdd_lightning.pools.strings import Strings
from semdd_lightning.pools.table_columns import class_names, is_text, label_column

METADATA_NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
"""What the table of an image folder is called."""

_FILE_NAME = "file_name"
_NOT_PLAIN = r"(^|/)\.{0,2}(/|$)|[\\:\x00]"  # an empty part, one of dots, or what is read otherwise
_LONGEST_LINE = 64 * 2**20  # bytes; a row must fit into a block
_log = get_logger(__name__)


@dataclass(frozen=True)
class MetadataFolder(DiskPool):
    """A pool of image files whose classes a table tells: ``metadata.jsonl``, ``.csv`` or ``.parquet``.

    The table has a column `file_name`, relative to its own folder, and a column of labels, class indices or
    names. It lies in the pool's folder or in that of a split. An image's path is its file's with the class
    folder put before it: the name of the label, or its number where the names are not all fit for folders.

    Args:
        path: The folder that holds the table, or the folders of splits that do.
        label_column: Name of the column of labels; by default the one called label, labels, class,
            class_name or category.
        split: Folder of the split to read where there are several, as `train`.
    """

    label_column: str | None = None
    split: str | None = None

    def find(self, default: ClassRegistry | None = None) -> Found:
        """The labels of a sound table; without a class list the classes are those that occur."""
        root = self._existing()
        if not root.is_dir():
            msg = f"Expected {root} to be a folder of images with a table, found a file; give the folder."
            raise PoolError(msg)
        file = _find_metadata(root, self.split)
        content = _read_metadata(file)
        listed = _file_names(content, file)
        if file.parent != root:
            listed = Strings.joined(f"{file.parent.name}/", listed)
        parents = pc.replace_substring_regex(listed.column, pattern="[^/]*$", replacement="")
        folders = parents.dictionary_encode()  # a file's own name tells nothing of its split
        of_split = rows_of_split(folders.dictionary.to_pylist(), self.split, file)
        kept = np.flatnonzero(np.isin(folders.indices.to_numpy(), of_split))
        column = label_column(content.schema, self.label_column, file, by_type=False)
        labels, names = content.column(column).take(kept), class_names(content.schema, column, file)
        labels = numbers_or_texts(labels) if file.suffix == ".csv" else labels
        stated = labels_from_column(labels, f"column {column!r} of {file}", names)
        files = listed.take(kept)

        def locate(rows: NDArray[np.int64]) -> Located:
            _warn_of_unlisted(root, file, listed)
            asked = files.take(rows)
            stamps, problems = stamps_of(root, asked)
            return stamps, FileSource(root, asked), problems

        return stated.found(root, files, f"images of {file}", locate, self._class_list(default))


def _warn_of_unlisted(root: Path, table: Path, listed: Strings) -> None:
    images = find_images(table.parent)
    found = Strings(printable(image.relative_to(root).as_posix()) for image in images)
    unlisted = found.take(np.flatnonzero(listed.positions(found) < 0))
    if len(unlisted):
        some = some_of(sorted(unlisted))
        msg = "%d image files in %s are not in %s and are ignored: %s."
        _log.warning(msg, len(unlisted), root, table.name, some)


def _find_metadata(root: Path, split: str | None) -> Path:
    """The one table of an image folder, or of one of its splits.

    Tables in folders that are no splits are somebody's notes on a class (DGS writes such), not this layout.
    """
    tables = [root / name for name in METADATA_NAMES if (root / name).is_file()]
    if not tables:
        found = sorted(table for name in METADATA_NAMES for table in root.glob(f"*/{name}"))
        folders = {table.parent.name for table in found}
        splits = sorted(name for name in folders if name == split or folder_split(name))
        if not splits:
            what = f"no {' or '.join(METADATA_NAMES)}; correct the path"
            if folders:
                what = (
                    f"some in {some_of(sorted(folders))}, which are no splits; read class folders as "
                    "ClassFolders, or give the folder of one table"
                )
            msg = f"Expected a table of images in {root} or its split folders, found {what}."
            raise PoolError(msg)
        kept = rows_of_split([f"{name}/" for name in splits], split, root)
        tables = [table for table in found if table.parent.name in {splits[row] for row in kept}]
    if len(tables) > 1:
        names = some_of([table.relative_to(root).as_posix() for table in tables])
        msg = f"Expected one table of images in {root}, found {names}; remove those that do not count."
        raise PoolError(msg)
    return tables[0]


def _read_metadata(table: Path) -> pa.Table:
    """All columns of a table that has file names."""
    try:
        if table.suffix == ".parquet":
            content = read_parquet(table)
        else:
            _require_utf8(table)
            content = _read_csv(table) if table.suffix == ".csv" else _read_json_lines(table)
        content.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        msg = f"Expected {table} to be a table of images, found: {error}; correct the file."
        raise PoolError(msg) from error
    _require_file_names(content, table)
    return content


def _file_names(content: pa.Table, table: Path) -> Strings:
    """The files that a table lists, relative to its folder, each once and none outside of it."""
    names = Strings(content.column(_FILE_NAME))
    if pc.any(pc.match_substring_regex(names.column, pattern=_NOT_PLAIN)).as_py():
        try:
            names = Strings(relative_name(name) for name in names)
        except ValueError as error:
            msg = f"{error} in {table}; correct it."
            raise PoolError(msg) from error
    repeated = names.repeated()
    if repeated:
        msg = f"Expected every file once in {table}, found {some_of(repeated)} again; remove the repetition."
        raise PoolError(msg)
    return names


def _read_csv(table: Path) -> pa.Table:
    """Every cell as the text that it is: a reader that guesses would take 01 for 1 and 1e3 for 1000."""
    options = {
        "read_options": pyarrow.csv.ReadOptions(block_size=_LONGEST_LINE),
        "parse_options": pyarrow.csv.ParseOptions(newlines_in_values=True),
    }
    with pyarrow.csv.open_csv(arrow_file(table), **options) as stream:
        names = stream.schema.names
    types = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    return pyarrow.csv.read_csv(arrow_file(table), convert_options=types, **options)


def _read_json_lines(table: Path) -> pa.Table:
    """Numbers as numbers and texts as texts, those that look like dates too."""
    texts = {_FILE_NAME: pa.string()}
    for _ in range(2):
        content = pyarrow.json.read_json(
            arrow_file(table),
            read_options=pyarrow.json.ReadOptions(block_size=_LONGEST_LINE),
            parse_options=pyarrow.json.ParseOptions(explicit_schema=pa.schema(list(texts.items()))),
        )
        dates = [field.name for field in content.schema if pa.types.is_timestamp(field.type)]
        if not dates:
            break
        texts |= dict.fromkeys(dates, pa.string())
    return content


def _require_utf8(table: Path) -> None:
    """Say where a table is not UTF-8, which the readers find out late or not at all."""
    with table.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                msg = (
                    f"Expected {table} to be a table of images, found: bytes that are not UTF-8 in line "
                    f"{number} ({error.reason}); correct the file, saving it as UTF-8."
                )
                raise PoolError(msg) from error


def _require_file_names(content: pa.Table, table: Path) -> None:
    count = content.schema.names.count(_FILE_NAME)
    if count == 1 and not len(content):
        msg = f"Expected a row for each image in {table}, found none below its header; complete it."
        raise PoolError(msg)
    if count != 1 or content.column(_FILE_NAME).null_count == len(content):
        others = [name for name in content.schema.names if name != _FILE_NAME]
        msg = (
            f"Expected a column {_FILE_NAME} in {table}, found {'it twice' if count > 1 else 'none'} beside "
            f"the columns {some_of(others)}; give this name to the column of the image files."
        )
        raise PoolError(msg)
    names = content.column(_FILE_NAME)
    if not is_text(names.type):
        msg = f"Expected texts as {_FILE_NAME} in {table}, found {names.type}; write the names as texts."
        raise PoolError(msg)
    if names.null_count:
        msg = (
            f"Expected a {_FILE_NAME} in every row of {table}, found {names.null_count} of {len(names)} rows "
            "without; complete them."
        )
        raise PoolError(msg)
