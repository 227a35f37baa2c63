"""The tables of an image folder: ``metadata.jsonl``, ``.csv`` or ``.parquet``, one row an image."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from semdd_lightning.classes.registry import some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.strings import Strings
from semdd_lightning.pools.tables.file_names import relative_name
from semdd_lightning.pools.tables.splits import rows_of_split, split_of

METADATA_NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
FILE_NAME = "file_name"

_NOT_PLAIN = r"(^|/)\.{0,2}(/|$)|[\\:]"  # an empty part, one of dots alone, or what Windows reads otherwise
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
        splits = sorted(name for name in folders if name == split or split_of(f"{name}/"))
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
    text = pa.schema([(FILE_NAME, pa.string())])  # a name such as 0001 is no number, 2020-01-01 no date
    try:
        if table.suffix == ".parquet":
            content = pq.read_table(table)
        elif table.suffix == ".csv":
            content = pyarrow.csv.read_csv(
                table,
                read_options=pyarrow.csv.ReadOptions(block_size=_LONGEST_LINE),
                parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
                convert_options=pyarrow.csv.ConvertOptions(column_types=text),
            )
        else:
            content = pyarrow.json.read_json(
                table,
                read_options=pyarrow.json.ReadOptions(block_size=_LONGEST_LINE),
                parse_options=pyarrow.json.ParseOptions(explicit_schema=text),
            )
    except (pa.ArrowException, OSError) as error:
        msg = f"Expected {table} to be a table of images, found: {error}; correct the file."
        raise PoolError(msg) from error
    kind = content.schema.field(FILE_NAME).type if FILE_NAME in content.schema.names else pa.null()
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not is_text or content.column(FILE_NAME).null_count:
        msg = (
            f"Expected a column {FILE_NAME} with a name in every row of {table}, found the columns "
            f"{some_of(content.schema.names)}, and rows without a name; complete them."
        )
        raise PoolError(msg)
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
    counts = pc.value_counts(names.column)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
    if repeated:
        msg = f"Expected every file once in {table}, found {some_of(repeated)} again; remove the repetition."
        raise PoolError(msg)
    return names


def _no_table(root: Path, folders: list[str]) -> str:
    found = f"no {' or '.join(METADATA_NAMES)}; correct the path"
    if folders:
        found = (
            f"some in {some_of(folders)}, which are no splits; read class folders as ClassFolders, or give "
            "the folder of one table"
        )
    return f"Expected a table of images in {root} or its split folders, found {found}."
