"""The tables of an image folder: ``metadata.jsonl``, ``.csv`` or ``.parquet``, one row an image."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json

from semdd_lightning.classes.registry import some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.splits import folder_split, rows_of_split
from semdd_lightning.pools.strings import Strings
from semdd_lightning.pools.tables.arrow_file import arrow_file
from semdd_lightning.pools.tables.file_names import relative_name
from semdd_lightning.pools.tables.parquet_shards import read_parquet

METADATA_NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
FILE_NAME = "file_name"

_NOT_PLAIN = r"(^|/)\.{0,2}(/|$)|[\\:\x00]"  # an empty part, one of dots, or what is read otherwise
_LONGEST_LINE = 64 * 2**20  # bytes; a row must fit into a block


def find_metadata(root: Path, split: str | None) -> Path:
    """The one table of an image folder, or of one of its splits.

    Tables in folders that are no splits are somebody's notes on a class (DGS writes such), not this layout.

    Args:
        root: The image folder.
        split: Folder of the split; none where there is one only.

    Raises:
        PoolError: If there is none, or several.
    """
    tables = [root / name for name in METADATA_NAMES if (root / name).is_file()]
    if not tables:
        found = sorted(table for name in METADATA_NAMES for table in root.glob(f"*/{name}"))
        folders = {table.parent.name for table in found}
        splits = sorted(name for name in folders if name == split or folder_split(name))
        if not splits:
            raise PoolError(_no_table(root, sorted(folders)))
        kept = rows_of_split([f"{name}/" for name in splits], split, root)
        tables = [table for table in found if table.parent.name in {splits[row] for row in kept}]
    if len(tables) > 1:
        names = some_of([table.relative_to(root).as_posix() for table in tables])
        msg = f"Expected one table of images in {root}, found {names}; remove those that do not count."
        raise PoolError(msg)
    return tables[0]


def read_metadata(table: Path) -> pa.Table:
    """All columns of a table.

    Args:
        table: The ``.jsonl``, ``.csv`` or ``.parquet`` file.

    Raises:
        PoolError: If it cannot be read, or has no file names.
    """
    try:
        if table.suffix == ".parquet":
            content = read_parquet(table)
        else:
            _refuse_other_bytes(table)
            content = _read_csv(table) if table.suffix == ".csv" else _read_json_lines(table)
        content.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        msg = f"Expected {table} to be a table of images, found: {error}; correct the file."
        raise PoolError(msg) from error
    _require_file_names(content, table)
    return content


def file_names(content: pa.Table, table: Path) -> Strings:
    """The files that a table lists, relative to its folder.

    Args:
        content: The table.
        table: Its file, for messages.

    Raises:
        PoolError: If a name leads out of the folder, or stands twice.
    """
    names = Strings(content.column(FILE_NAME))
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
    texts = {FILE_NAME: pa.string()}
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


def _refuse_other_bytes(table: Path) -> None:
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
    count = content.schema.names.count(FILE_NAME)
    if count == 1 and not len(content):
        msg = f"Expected a row for each image in {table}, found none below its header; complete it."
        raise PoolError(msg)
    if count != 1 or content.column(FILE_NAME).null_count == len(content):
        others = [name for name in content.schema.names if name != FILE_NAME]
        msg = (
            f"Expected a column {FILE_NAME} in {table}, found {'it twice' if count > 1 else 'none'} beside "
            f"the columns {some_of(others)}; give this name to the column of the image files."
        )
        raise PoolError(msg)
    names = content.column(FILE_NAME)
    if not (pa.types.is_string(names.type) or pa.types.is_large_string(names.type)):
        msg = f"Expected texts as {FILE_NAME} in {table}, found {names.type}; write the names as texts."
        raise PoolError(msg)
    if names.null_count:
        msg = (
            f"Expected a {FILE_NAME} in every row of {table}, found {names.null_count} of {len(names)} rows "
            "without; complete them."
        )
        raise PoolError(msg)


def _no_table(root: Path, folders: list[str]) -> str:
    found = f"no {' or '.join(METADATA_NAMES)}; correct the path"
    if folders:
        found = (
            f"some in {some_of(folders)}, which are no splits; read class folders as ClassFolders, or give "
            "the folder of one table"
        )
    return f"Expected a table of images in {root} or its split folders, found {found}."
